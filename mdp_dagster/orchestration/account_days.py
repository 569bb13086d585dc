"""The run config of a reload: which days to extract of which accounts.

It is config and not a tag, because PostgreSQL has an index on tags, which refuses texts of more than 2,704 bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any

import dagster as dg

from mdp_dagster.ingest.requested_days import AccountDays
from mdp_dagster.window import DateWindow, join_days

_FIELD = "account_days"

CONFIG_SCHEMA = {
    _FIELD: dg.Field(
        {str: [str]},
        is_required=False,
        description=(
            "Which days to extract of which accounts: account ids by days, such as "
            '{"2026-11-18...2026-11-20, 2026-11-11": ["4123087751"]}. Without it, the run extracts all days of its '
            "partitions, for the accounts in the tag mdp/accounts or, without the tag, for all accounts."
        ),
    )
}
"""The config of a raw asset."""


def run_config(days: AccountDays, tables: Collection[str]) -> dict[str, Any]:
    """Returns the run config with the days of each account, for these raw assets.

    Accounts with the same days share an entry.
    """
    accounts: dict[str, list[str]] = {}
    for account_id, of_account in sorted(days.items()):
        accounts.setdefault(_text(of_account), []).append(account_id)
    return {"ops": {table: {"config": {_FIELD: accounts}} for table in tables}}


def account_days(config: Mapping[str, Any], tables: Collection[str]) -> AccountDays | None:
    """Returns the days of each account in a run's config; None if a raw asset has no such days, and extracts all.

    Raises:
        ValueError: The days have another form.
    """
    ops = config.get("ops") or {}
    found = [days_in((ops.get(table) or {}).get("config") or {}) for table in tables]
    if not found or any(days is None for days in found):
        return None
    first, *others = (days for days in found if days is not None)
    return {
        account_id: frozenset(days).intersection(*(other.get(account_id, ()) for other in others))
        for account_id, days in first.items()
    }


def days_in(config: Mapping[str, Any]) -> AccountDays | None:
    """Returns the days of each account in the config of a raw asset; None if it does not have any.

    Raises:
        ValueError: The days have another form.
    """
    if _FIELD not in config:
        return None
    days: dict[str, set[date]] = {}
    for text, accounts in config[_FIELD].items():
        for account_id in accounts:
            days.setdefault(account_id, set()).update(_days(text))
    return days


def _text(days: Iterable[date]) -> str:
    return ", ".join(str(w.start) if len(w) == 1 else str(w) for w in join_days(days))


def _days(text: str) -> set[date]:
    try:
        ends = [part.strip().split("...") for part in text.split(",")]
        return {day for first, *last in ends for day in DateWindow.of_days(first, *(last or [first])).days()}
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{_FIELD}: {text!r} does not name days → write them like 2026-11-18...2026-11-20, 2026-11-11"
        ) from error
