"""Checks one account's answer: which rows are valid, what each day contains, and the sums for people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from mdp_dagster.connectors.base import DayReport, PlatformAccount
from mdp_dagster.ingest.account_registry import OptionsOnDay
from mdp_dagster.ingest.amounts import amounts_by_day
from mdp_dagster.ingest.digest import EMPTY, DayContent, amounts_digest, day_contents
from mdp_dagster.ingest.row_validation import Reject, validate
from mdp_dagster.window import DateWindow


@dataclass(frozen=True)
class CheckedAnswer:
    """One account's answer after the check.

    Args:
        rows: The valid rows, with a ``date`` column.
        rejects: The other rows, each with its reason.
        contents: Row count and digests of each day that has valid rows.
        empty: Returns the content of a day without rows.
        duplicates: How many valid rows have the key of another one.
        money: The sums of the report's amounts that are money, by name, in the account's currency.
    """

    rows: pa.Table
    rejects: tuple[Reject, ...]
    contents: dict[date, DayContent]
    empty: Callable[[date], DayContent]
    duplicates: int
    money: dict[str, float]


def check_answer(
    report: DayReport,
    rows: pa.Table,
    window: DateWindow,
    options: OptionsOnDay,
    account: PlatformAccount | None = None,
) -> CheckedAnswer:
    """Returns the valid rows of an account's answer, its rejects, and what each day contains."""
    good, rejects = validate(report, rows, window, account)
    contents = day_contents(good)
    if report.is_total:  # lateness compares totals only, and finer rows would take long
        for day, amounts in amounts_by_day(report, good, options).items():
            contents[day] = contents[day]._replace(amounts_digest=amounts_digest(amounts, options(day)))
    return CheckedAnswer(
        rows=good,
        rejects=tuple(rejects),
        contents=contents,
        empty=lambda day: EMPTY._replace(amounts_digest=amounts_digest({}, options(day)) if report.is_total else None),
        duplicates=good.num_rows - _distinct_keys(report, good),
        # a sum over JSON would parse each row once more
        money={
            name: amount.total(good, {})
            for name, amount in report.amounts.items()
            if amount.is_money and amount.read is None
        },
    )


def _distinct_keys(report: DayReport, rows: pa.Table) -> int:
    return int(rows.group_by(list(report.key)).aggregate([]).num_rows)
