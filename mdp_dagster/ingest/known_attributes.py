"""Attributes of entities that were extracted within the last day, such as the status of campaigns.

A reload extracts a few days of some accounts, several times a day. The entities' attributes are a request of their own
for each account, and the daily run sends it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from mdp_dagster.connectors.attributes import Attributes
from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.tables import EXTRACTS, report_table
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow

_FRESH = timedelta(hours=24)
_DAYS = 31


def known_attributes(
    warehouse: Warehouse, report: DayReport, accounts: Collection[str], now: datetime
) -> dict[str, Attributes]:
    """Returns the attributes of each account's entities, from the newest rows that were extracted in the last 24 hours.

    An entity without any value is left out.

    Args:
        warehouse: The warehouse with the ledger and the raw rows.
        report: The report; its key has one column in addition to the day.
        accounts: The accounts.
        now: The current time (UTC).
    """
    [entity] = [name for name in report.key if name != report.day_column]
    columns = report.attribute_columns
    window = DateWindow.of_days(now.date() - timedelta(days=_DAYS), now.date() + timedelta(days=1))
    rows = warehouse.query(
        f"""
        with newest as (
            select account_id, date, effective_run_id, extracted_at
            from {EXTRACTS.id}
            where {in_window(window)} and source = $source and report = $report
            qualify row_number() over (
                partition by account_id, date order by extracted_at desc, extract_run_id desc
            ) = 1
        )
        select rows_of_day.account_id, rows_of_day.{entity}, {", ".join(f"rows_of_day.{name}" for name in columns)}
        from {report_table(report).id} as rows_of_day
        inner join newest
            on rows_of_day.account_id = newest.account_id
            and rows_of_day.date = newest.date
            and rows_of_day.extract_run_id = newest.effective_run_id
        where {in_window(window, "rows_of_day.date")} and newest.extracted_at >= $since
        qualify row_number() over (
            partition by rows_of_day.account_id, rows_of_day.{entity}
            order by newest.extracted_at desc, rows_of_day.date desc
        ) = 1
        """,
        {"source": report.source, "report": report.name, "since": (now - _FRESH).replace(tzinfo=None)},
    ).to_pylist()
    wanted = set(accounts)
    found: dict[str, dict[str, dict[str, str | None]]] = {}
    for row in rows:
        values = {name: row[name] for name in columns}
        if row["account_id"] in wanted and any(value is not None for value in values.values()):
            found.setdefault(row["account_id"], {})[row[entity]] = values
    return dict(found)
