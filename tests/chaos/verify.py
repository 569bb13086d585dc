"""Is it all there, once and up to date? The marts beside the platforms' truth; raw beside its ledger and the lake."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mdp_dagster.ingest.tables import EXTRACTS, report_table
from mdp_dagster.platforms import REPORTS
from mdp_dagster.sandbox import World
from mdp_dagster.warehouse.base import Warehouse, WarehouseError
from mdp_dagster.window import DateWindow

_COMPARED = """
    select date, platform, account_id, account_name, campaign_id, campaign_name, currency,
        impressions, clicks, spend, conversions, conversion_value
    from mdp_marts.mart_campaign__daily
    where date >= $start and date < $end
"""
_SHOWN = 5

Row = dict[str, Any]
Key = tuple[date, str, str]


def mart_rows(warehouse: Warehouse, window: DateWindow) -> list[Row]:
    rows: list[Row] = warehouse.query(_COMPARED, {"start": window.start, "end": window.end}).to_pylist()
    return rows


def key_of(row: Row) -> Key:
    return row["date"], row["platform"], row["campaign_id"]


def mart_problems(warehouse: Warehouse, world: World, window: DateWindow) -> tuple[int, list[str]]:
    """How many rows were compared, and what is lost, doubled or stale."""
    shown, truth = mart_rows(warehouse, window), world.truth(None, window.start, window.end)
    problems: list[str] = []
    mart: dict[Key, Row] = {}
    for row in shown:
        if key_of(row) in mart:
            problems.append(f"doubled in the mart: {key_of(row)}")
        mart[key_of(row)] = row
    expected = {key_of(row): row for row in truth}
    problems += [f"lost: {key} {expected[key]}" for key in sorted(expected.keys() - mart.keys())]
    problems += [f"not the platform's (any more): {key} {mart[key]}" for key in sorted(mart.keys() - expected.keys())]
    for key in sorted(expected.keys() & mart.keys()):
        differing = {
            name: (mart[key][name], value) for name, value in expected[key].items() if mart[key][name] != value
        }
        if differing:
            account = mart[key]["account_id"]
            problems.append(f"stale: {key} of {account}, the mart and the platform: {differing}")
    if not expected:
        problems.append(f"{window}: the platforms have no row, so nothing was compared")
    return len(expected), _first(problems)


def raw_problems(warehouse: Warehouse) -> list[str]:
    """What raw and its ledger don't agree about."""
    return [
        *_rows_of(
            warehouse,
            f"""
            select source, report, account_id, date, extract_run_id, count(*) as ledger_rows
            from {EXTRACTS.id} group by all having count(*) > 1
            """,
            "twice in the ledger",
        ),
        *(problem for report in REPORTS for problem in _report_problems(warehouse, report)),
    ]


def _report_problems(warehouse: Warehouse, report: Any) -> Iterator[str]:
    table = report_table(report).id
    of_report = f"source = '{report.source}' and report = '{report.name}'"
    # every pull's rows, whether they count still or not: neither without a ledger row, nor more, nor fewer than it says
    yield from _rows_of(
        warehouse,
        f"""
        with kept as (
            select account_id, date, extract_run_id, count(*) as row_count from {table} group by all
        ),
        told as (
            select account_id, date, extract_run_id, row_count from {EXTRACTS.id}
            where {of_report} and status = 'loaded'
        )
        select account_id, date, extract_run_id, coalesce(kept.row_count, 0) as in_raw, told.row_count as in_ledger
        from kept full join told using (account_id, date, extract_run_id)
        where coalesce(kept.row_count, 0) is distinct from told.row_count
        """,
        f"{table} and its ledger differ",
    )
    # the current rows: as many as the newest ledger row says, and each key once
    key = ", ".join(f'raw."{name}"' for name in report.key)
    yield from _rows_of(
        warehouse,
        f"""
        with newest as (
            select * from {EXTRACTS.id} where {of_report}
            qualify row_number() over (
                partition by account_id, date order by extracted_at desc, extract_run_id desc
            ) = 1
        ),
        current as (
            select newest.account_id, newest.date, any_value(newest.row_count) as told,
                count(raw.account_id) as kept,
                count(distinct case when raw.account_id is not null then ({key}) end) as keys
            from newest left join {table} as raw
                on raw.account_id = newest.account_id and raw.date = newest.date
                and raw.extract_run_id = newest.effective_run_id
            group by all
        )
        select * from current where told <> kept or keys <> kept
        """,
        f"current rows of {table}",
    )


def _rows_of(warehouse: Warehouse, sql: str, said: str) -> Iterator[str]:
    for row in warehouse.query(sql).to_pylist():
        yield f"{said}: {row}"


def lake_problems(warehouse: Warehouse, lake: Path, unfinished_allowed: int) -> list[str]:
    """Files that the ledger names and that aren't there or can't be read; and more remains than kills can leave."""
    problems = []
    for row in warehouse.query(f"select distinct landing_uri from {EXTRACTS.id}").to_pylist():
        try:
            pq.read_metadata(row["landing_uri"])
        except Exception as error:  # Arrow's and the system's, several kinds
            problems.append(f"the ledger names {row['landing_uri']}, which can't be read: {error}")
    unfinished = sum(1 for _ in lake.rglob("*.unfinished"))
    if unfinished > unfinished_allowed:
        problems.append(f"{unfinished} unfinished files in the lake, {unfinished_allowed} can be explained by kills")
    return _first(problems)


def all_problems(
    warehouse: Warehouse, world: World, window: DateWindow, lake: Path, unfinished_allowed: int
) -> tuple[int, list[str]]:
    """The number of rows that were compared with the platforms, and all that is wrong."""
    try:
        compared, problems = mart_problems(warehouse, world, window)
        return compared, problems + _first(raw_problems(warehouse)) + lake_problems(warehouse, lake, unfinished_allowed)
    except WarehouseError as error:
        return 0, [f"the warehouse can't be read: {error}"]


def _first(problems: list[str]) -> list[str]:
    more = len(problems) - _SHOWN
    return problems if more <= 0 else [*problems[:_SHOWN], f"... and {more} more like these"]
