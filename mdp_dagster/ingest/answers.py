"""Checks one account's answer: which rows are valid, what each day contains, and the sums for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from mdp_dagster.connectors.base import AccountOptions, DayReport, PlatformAccount
from mdp_dagster.ingest.digest import DayContent, day_contents
from mdp_dagster.ingest.row_validation import Reject, validate
from mdp_dagster.window import DateWindow


@dataclass(frozen=True)
class CheckedAnswer:
    """One account's answer after the check.

    Args:
        rows: The valid rows, with a ``date`` column.
        rejects: The other rows, each with its reason.
        contents: Row count and digest of each day that has valid rows.
        duplicates: How many valid rows have the key of another one.
        money: The sums of the report's amounts that are money, by name, in the account's currency.
    """

    rows: pa.Table
    rejects: tuple[Reject, ...]
    contents: dict[date, DayContent]
    duplicates: int
    money: dict[str, float]


def check_answer(
    report: DayReport,
    rows: pa.Table,
    window: DateWindow,
    options: AccountOptions,
    account: PlatformAccount | None = None,
) -> CheckedAnswer:
    """Returns the valid rows of an account's answer, its rejects, and what each day contains."""
    good, rejects = validate(report, rows, window, account)
    contents = day_contents(good)
    return CheckedAnswer(
        rows=good,
        rejects=tuple(rejects),
        contents=contents,
        duplicates=good.num_rows - _distinct_keys(report, good, contents),
        money={name: amount.total(good, options) for name, amount in report.amounts.items() if amount.is_money},
    )


def _distinct_keys(report: DayReport, rows: pa.Table, contents: dict[date, DayContent]) -> int:
    if report.key == (report.day_column,):
        return len(contents)
    return int(rows.group_by(list(report.key)).aggregate([]).num_rows)
