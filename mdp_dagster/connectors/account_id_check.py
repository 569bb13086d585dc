"""The check of an account id before it becomes part of a request."""

from __future__ import annotations

import reprlib

from mdp_dagster.clients.account_id_pattern import AccountIdPattern
from mdp_dagster.connectors.errors import AccountError


def check_account_id(pattern: AccountIdPattern, label: str, account_id: str) -> None:
    """Raises ``AccountError`` for an id that the source doesn't have: it could lead a request to another address."""
    if not pattern.matches(account_id):
        raise AccountError(
            f"{label}: {reprlib.repr(account_id)} is not a valid account id",
            f"correct the clients file (config/clients.yaml): {pattern.remedy}",
        )
