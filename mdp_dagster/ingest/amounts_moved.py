"""By how much days have changed since they were extracted, computed from raw rows of two points in time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.account_registry import OptionsOnDay
from mdp_dagster.ingest.compared_days import ComparedDay
from mdp_dagster.ingest.tables import report_table
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow

Amounts = dict[str, float]
"""Sums by the amount's name; money is in the account's currency."""

# Two sums of doubles that should be equal differ by less.
_ROUNDING = 0.005


def amounts_moved(
    warehouse: Warehouse,
    totals: DayReport,
    report: DayReport,
    days: Sequence[ComparedDay],
    options: Mapping[str, OptionsOnDay],
) -> dict[tuple[str, date], Amounts]:
    """Returns by how much each day has changed, by account and day.

    If the totals of a day were not known when the day was extracted, its own rows are the reference, and the day is
    left out unless the sums differ.

    Args:
        warehouse: The warehouse that has the raw rows.
        totals: The report with the account totals.
        report: The report that is compared with the totals.
        days: The days to measure.
        options: Each account's options on a day, by account id.
    """
    compared = [day for day in days if day.totals_before_run is not None]
    unknown = [day for day in days if day.totals_before_run is None]
    runs = {day.totals_run for day in days} | {day.totals_before_run for day in compared}
    of_totals = _amounts(warehouse, totals, days, runs, options)
    of_rows = _amounts(warehouse, report, unknown, {day.rows_run for day in unknown}, options)
    moved = {}
    for day in compared:
        moved[day.account_id, day.date] = _difference(
            totals.amounts,
            of_totals.get((day.account_id, day.date, day.totals_run)),
            of_totals.get((day.account_id, day.date, day.totals_before_run)),
        )
    for day in unknown:
        difference = _difference(
            [name for name in totals.amounts if name in report.amounts],
            of_totals.get((day.account_id, day.date, day.totals_run)),
            of_rows.get((day.account_id, day.date, day.rows_run)),
        )
        if any(abs(amount) > _ROUNDING for amount in difference.values()):
            moved[day.account_id, day.date] = difference
    return moved


def _amounts(
    warehouse: Warehouse,
    report: DayReport,
    days: Sequence[ComparedDay],
    runs: set[str | None],
    options: Mapping[str, OptionsOnDay],
) -> dict[tuple[str, date, str | None], Amounts]:
    """Returns the sums of each account, day and extract run."""
    if not days:
        return {}
    window = DateWindow.of_days(min(day.date for day in days), max(day.date for day in days))
    names = {f"run_{n}": run for n, run in enumerate(sorted(filter(None, runs)))}
    found = warehouse.query(
        f"select * from {report_table(report).id} "
        f"where {in_window(window)} and extract_run_id in ({', '.join(f'${name}' for name in names)})",
        names,
    )
    sums: dict[tuple[str, date, str | None], Amounts] = {}
    for row in found.to_pylist():
        of_day = sums.setdefault((row["account_id"], row["date"], row["extract_run_id"]), {})
        of_account = options.get(row["account_id"])
        valid = of_account(row["date"]) if of_account else {}
        for name, amount in report.amounts.items():
            of_day[name] = of_day.get(name, 0.0) + amount.of_row(row, valid)
    return sums


def _difference(names: Collection[str], now: Amounts | None, before: Amounts | None) -> Amounts:
    """Returns now minus before. A day without activity does not have rows; its amounts are 0."""
    now, before = now or {}, before or {}
    return {name: now.get(name, 0.0) - before.get(name, 0.0) for name in names}
