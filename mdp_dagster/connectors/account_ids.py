"""What can be an account id: both platforms' are digits. Anything else could lead a request to another place."""

from __future__ import annotations

import reprlib

from mdp_dagster.connectors.errors import AccountError


def check_account_id(platform: str, account_id: str) -> None:
    """Raise ``AccountError`` for an id that isn't digits."""
    if not (account_id.isascii() and account_id.isdigit()):
        raise AccountError(
            f"{platform}: {reprlib.repr(account_id)} is no account id",
            "write digits in the clients file (config/clients.yaml), as in 1234567890",
        )
