"""By how much days have changed since they were extracted, computed from raw rows of two points in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.account_registry import OptionsOnDay
from mdp_dagster.ingest.amounts import Amounts, add_row, difference
from mdp_dagster.ingest.compared_days import ComparedDay
from mdp_dagster.ingest.tables import report_table
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow

# Two sums of doubles that should be equal differ by less: sums over campaigns, and the same total read twice.
_ROUNDING = 0.005
_SMALLEST = 1e-9


def amounts_moved(
    warehouse: Warehouse,
    totals: DayReport,
    report: DayReport,
    days: Sequence[ComparedDay],
    options: Mapping[str, OptionsOnDay],
) -> dict[tuple[str, date], Amounts]:
    """Returns by how much each day has changed, by account and day. Days with the same amounts are left out.

    Both sides are read with the account's present options. If the totals of a day were not known when the day was
    extracted, its own rows are the reference.

    Args:
        warehouse: The warehouse that has the raw rows.
        totals: The report with the account totals.
        report: The report that is compared with the totals.
        days: The days to measure.
        options: Each account's options on a day, by account id.
    """
    compared = [day for day in days if day.totals_before_run is not None]
    unknown = [day for day in days if day.totals_before_run is None]
    newest = {(day.account_id, day.date, day.totals_run) for day in days}
    before = {(day.account_id, day.date, day.totals_before_run) for day in compared}
    of_totals = amounts_of_versions(warehouse, totals, newest | before, options)
    of_rows = amounts_of_versions(
        warehouse, report, {(day.account_id, day.date, day.rows_run) for day in unknown}, options
    )
    moved = {}
    for day in compared:
        amounts = difference(
            totals.amounts,
            of_totals.get((day.account_id, day.date, day.totals_run)),
            of_totals.get((day.account_id, day.date, day.totals_before_run)),
        )
        if not amounts or any(abs(amount) > _SMALLEST for amount in amounts.values()):
            moved[day.account_id, day.date] = amounts
    for day in unknown:
        amounts = difference(
            [name for name in totals.amounts if name in report.amounts],
            of_totals.get((day.account_id, day.date, day.totals_run)),
            of_rows.get((day.account_id, day.date, day.rows_run)),
        )
        if any(abs(amount) > _ROUNDING for amount in amounts.values()):
            moved[day.account_id, day.date] = amounts
    return moved


Version = tuple[str, date, str | None]
"""A day of an account, and the extract that its rows belong to."""


def amounts_of_versions(
    warehouse: Warehouse,
    report: DayReport,
    versions: set[Version],
    options: Mapping[str, OptionsOnDay],
) -> dict[Version, Amounts]:
    """Returns the sums of each version that has rows."""
    account_ids = {account_id for account_id, _, _ in versions}
    runs = sorted({run for _, _, run in versions if run})
    if not runs:
        return {}
    window = DateWindow.of_days(min(day for _, day, _ in versions), max(day for _, day, _ in versions))
    names = {f"run_{n}": run for n, run in enumerate(runs)}
    parameters, of_one_account = dict(names), ""
    if len(account_ids) == 1:  # a run's rows of all other accounts need not be read
        parameters["account_id"], of_one_account = account_ids.pop(), "and account_id = $account_id "
    found = warehouse.query(
        f"select * from {report_table(report).id} "
        f"where {in_window(window)} {of_one_account}"
        f"and extract_run_id in ({', '.join(f'${name}' for name in names)})",
        parameters,
    )
    sums: dict[Version, Amounts] = {}
    for row in found.to_pylist():
        version = row["account_id"], row["date"], row["extract_run_id"]
        if version in versions:
            of_account = options.get(row["account_id"])
            valid = of_account(row["date"]) if of_account else {}
            add_row(sums.setdefault(version, {}), report, row, valid)
    return sums
