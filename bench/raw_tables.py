"""Fills raw's tables without MDP's ingest: for a floor with the same tables, and for a history of years."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import pyarrow as pa

from bench.bench_workspace import GOOGLE, META
from mdp_dagster.connectors.base import Report
from mdp_dagster.defs.ads.platforms import REPORTS
from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow

_NOW = datetime.now(timezone.utc).replace(microsecond=0)
_META_COLUMNS = "? as source, {day}::date as date, 'bare' as extract_run_id, ?::timestamptz as ingested_at"


def insert(database: str, tables: Iterable[tuple[Report, str, pa.Table]], window: DateWindow) -> int:
    """Insert the rows of accounts with one insert per table, and a ledger that makes all of them current.

    Returns:
        The number of campaign rows.
    """
    prepare(database)
    accounts: dict[str, set[str]] = {GOOGLE: set(), META: set()}
    received: dict[Report, list[pa.Table]] = {report: [] for report in REPORTS}
    for report, account, rows in tables:
        accounts[report.source].add(account)
        received[report].append(rows.append_column("account_id", pa.repeat(account, rows.num_rows)))
    count = 0
    with duckdb.connect(database) as connection:
        connection.begin()
        for report, batches in received.items():
            columns = _META_COLUMNS.format(day=report.day_column)
            connection.register("received", whole := pa.concat_tables(batches))
            connection.execute(
                f"insert into {report_table(report).id} by name select {columns}, * from received",
                [report.source, _NOW],
            )
            count += whole.num_rows if report.name == "campaign_daily" else 0
        for source, ids in accounts.items():
            add_accounts(connection, source, sorted(ids))
        add_ledger(connection, window)
        connection.commit()
    return count


def prepare(database: str) -> None:
    """Create the raw tables."""
    DuckDBWarehouse(Path(database)).prepare([*SHARED_TABLES, *(report_table(report) for report in REPORTS)])


def add_accounts(connection: duckdb.DuckDBPyConnection, source: str, ids: list[str]) -> None:
    """Add accounts to the registry."""
    connection.execute(
        """
        insert into mdp_raw.raw__accounts by name
        select ? as source, unnest(?::text[]) as account_id, 'Bench' as account_name, 'EUR' as currency,
            'Europe/Berlin' as time_zone, account_id as listed_as, 'bench' as client_id, 'Bench' as client_name,
            'EUR' as reporting_currency, 1.0 as exchange_rate, '' as conversion_action_type, 28 as lookback_days,
            'bare' as extract_run_id, ?::timestamptz as ingested_at
        """,
        [source, ids, _NOW],
    )


def add_ledger(connection: duckdb.DuckDBPyConnection, window: DateWindow) -> None:
    """Add one extract of every account and day to the ledger."""
    for report in REPORTS:
        connection.execute(
            f"""
            insert into mdp_raw.raw__extracts by name
            with days as (
                select account_id, unnest(generate_series(?::date, ?::date, interval 1 day))::date as date
                from mdp_raw.raw__accounts where source = ?
            ),
            counted as (
                select account_id, date, count(*) as row_count from {report_table(report).id} group by all
            )
            select ? as source, ? as report, account_id, date, 'bare' as extract_run_id, ?::timestamptz as extracted_at,
                ?::timestamptz as ingested_at, coalesce(row_count, 0) as row_count, '' as content_digest,
                'loaded' as status, 'bare' as effective_run_id, ? as contract_version, '' as landing_uri,
                'bare' as dagster_run_id
            from days left join counted using (account_id, date)
            """,
            [window.start, window.last, report.source, report.source, report.name, _NOW, _NOW, report.contract_version],
        )
