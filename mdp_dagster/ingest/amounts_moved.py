"""By how much days have moved since they were pulled: from the raw rows of two moments, for telling people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from mdp_dagster.connectors.base import Report
from mdp_dagster.ingest.ledger import ComparedDay
from mdp_dagster.ingest.tables import report_table
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow

Amounts = tuple[float, float]
"""Spend, in the account's currency, and conversions."""

# Sums of doubles that should be equal differ by less.
_ROUNDING = 0.005


def moves(
    warehouse: Warehouse, totals: Report, report: Report, days: Sequence[ComparedDay], action_types: Mapping[str, str]
) -> dict[tuple[str, date], Amounts]:
    """By how much each day has moved. A day whose totals were not known when it was pulled is measured by its own
    rows, and is left out unless their sums differ. ``action_types``: the configured one of each account that has one.
    """
    compared = [day for day in days if day.totals_before_run is not None]
    unknown = [day for day in days if day.totals_before_run is None]
    runs = {day.totals_run for day in days} | {day.totals_before_run for day in compared}
    of_totals = _amounts(warehouse, totals, days, runs, action_types)
    of_rows = _amounts(warehouse, report, unknown, {day.rows_run for day in unknown}, action_types)
    moved = {}
    for day in compared:
        moved[day.account_id, day.date] = _difference(
            of_totals.get((day.account_id, day.date, day.totals_run)),
            of_totals.get((day.account_id, day.date, day.totals_before_run)),
        )
    for day in unknown:
        difference = _difference(
            of_totals.get((day.account_id, day.date, day.totals_run)),
            of_rows.get((day.account_id, day.date, day.rows_run)),
        )
        if any(abs(amount) > _ROUNDING for amount in difference):
            moved[day.account_id, day.date] = difference
    return moved


def _amounts(
    warehouse: Warehouse,
    report: Report,
    days: Sequence[ComparedDay],
    runs: set[str | None],
    action_types: Mapping[str, str],
) -> dict[tuple[str, date, str | None], Amounts]:
    if not days:
        return {}
    window = DateWindow.of_days(min(day.date for day in days), max(day.date for day in days))
    names = {f"run_{n}": run for n, run in enumerate(sorted(filter(None, runs)))}
    found = warehouse.query(
        f"select * from {report_table(report).id} "
        f"where {in_window(window)} and extract_run_id in ({', '.join(f'${name}' for name in names)})",
        names,
    )
    amounts: dict[tuple[str, date, str | None], Amounts] = {}
    for row in found.to_pylist():
        key = row["account_id"], row["date"], row["extract_run_id"]
        spend, conversions = amounts.get(key, (0.0, 0.0))
        conversions += report.conversions(row, action_types.get(row["account_id"], ""))
        amounts[key] = spend + report.spend(row), conversions
    return amounts


def _difference(now: Amounts | None, before: Amounts | None) -> Amounts:
    """A day without activity has no row."""
    spend, conversions = now or (0.0, 0.0)
    spend_before, conversions_before = before or (0.0, 0.0)
    return spend - spend_before, conversions - conversions_before
