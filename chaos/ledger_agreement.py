"""Compares raw with its ledger, and the ledger with the lake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mdp_dagster.defs.ads.platforms import REPORTS
from mdp_dagster.ingest.tables import EXTRACTS, report_table
from mdp_dagster.warehouse.base import Warehouse
from mdp_dagster.window import DateWindow


def raw_problems(warehouse: Warehouse) -> list[str]:
    """The disagreements between raw and its ledger. Each extract must be committed completely or not at all.

    The first run may have been killed before it reached some reports, so missing tables are allowed.
    """
    there = warehouse.tables()
    reports = [report for report in REPORTS if (report_table(report).dataset, report.table) in there]
    return [
        *_rows_of(
            warehouse,
            f"""
            select source, report, account_id, date, extract_run_id, count(*) as ledger_rows
            from {EXTRACTS.id} group by all having count(*) > 1
            """,
            "twice in the ledger",
        ),
        *(problem for report in reports for problem in _pull_problems(warehouse, report)),
    ]


def current_problems(warehouse: Warehouse, window: DateWindow) -> list[str]:
    """Checks the window's current rows: their number must match the newest ledger row, and each key must occur once."""
    return [problem for report in REPORTS for problem in _current_problems(warehouse, report, window)]


def _pull_problems(warehouse: Warehouse, report: Any) -> Iterator[str]:
    table = report_table(report).id
    of_report = f"source = '{report.source}' and report = '{report.name}'"
    # All extracts, current or not: each must have a ledger row with the right number of rows.
    yield from _rows_of(
        warehouse,
        f"""
        with kept as (
            select account_id, date, extract_run_id, count(*) as row_count from {table} group by all
        ),
        ledger as (
            select account_id, date, extract_run_id, row_count from {EXTRACTS.id}
            where {of_report} and status = 'loaded'
        )
        select account_id, date, extract_run_id, coalesce(kept.row_count, 0) as in_raw, ledger.row_count as in_ledger
        from kept full join ledger using (account_id, date, extract_run_id)
        where coalesce(kept.row_count, 0) is distinct from ledger.row_count
        """,
        f"{table} and its ledger differ",
    )


def _current_problems(warehouse: Warehouse, report: Any, window: DateWindow) -> Iterator[str]:
    table = report_table(report).id
    key = ", ".join(f'raw."{name}"' for name in report.key)
    yield from _rows_of(
        warehouse,
        f"""
        with newest as (
            select * from {EXTRACTS.id}
            where source = '{report.source}' and report = '{report.name}'
                and date >= '{window.start}' and date < '{window.end}'
            qualify row_number() over (
                partition by account_id, date order by extracted_at desc, extract_run_id desc
            ) = 1
        ),
        current as (
            select newest.account_id, newest.date, any_value(newest.row_count) as expected,
                count(raw.account_id) as kept,
                count(distinct case when raw.account_id is not null then ({key}) end) as keys
            from newest left join {table} as raw
                on raw.account_id = newest.account_id and raw.date = newest.date
                and raw.extract_run_id = newest.effective_run_id
            group by all
        )
        select * from current where expected <> kept or keys <> kept
        """,
        f"current rows of {table}",
    )


def _rows_of(warehouse: Warehouse, sql: str, title: str) -> Iterator[str]:
    for row in warehouse.query(sql).to_pylist():
        yield f"{title}: {row}"


def lake_problems(warehouse: Warehouse) -> Iterator[str]:
    """Files in the ledger that are missing or can't be read."""
    for row in warehouse.query(f"select distinct landing_uri from {EXTRACTS.id}").to_pylist():
        try:
            pq.read_metadata(row["landing_uri"])
        except Exception as error:  # Arrow and the system raise several types
            yield f"the ledger names a file that can't be read, {row['landing_uri']}: {error}"


def unfinished_problems(lake: Path, explained: set[Path]) -> Iterator[str]:
    """Unfinished files that no kill explains."""
    for path in sorted(set(lake.rglob("*.unfinished")) - explained):
        yield f"an unfinished file that no killed run explains: {path}"
