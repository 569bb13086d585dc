"""Checks that raw only grows, and that the lake alone can restore it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from mdp_dagster.defs.ads.platforms import REPORTS
from mdp_dagster.ingest.rebuild import rebuild_raw
from mdp_dagster.ingest.tables import ACCOUNTS, EXTRACTS, SHARED_TABLES, report_table
from mdp_dagster.lake import Lake, LakeError
from mdp_dagster.warehouse.base import Warehouse, WarehouseError
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse

ExtractKey = tuple[str, str, str]
"""A table, an extract_run_id and an account."""
Content = tuple[int, str]
"""The number of rows, and their digest."""


def raw_contents(warehouse: Warehouse) -> dict[ExtractKey, Content]:
    """The rows in raw, by table, extract and account."""
    there = warehouse.tables()
    found: dict[ExtractKey, Content] = {}
    for table in (*SHARED_TABLES, *map(report_table, REPORTS)):
        if (table.dataset, table.name) in there:
            rows = warehouse.query(
                f"""
                select extract_run_id, account_id, count(*) as row_count, cast(sum(hash(raw_rows)) as varchar) as digest
                from {table.id} as raw_rows group by all
                """
            ).to_pylist()
            for row in rows:
                found[table.id, row["extract_run_id"], row["account_id"]] = row["row_count"], row["digest"]
    return found


def changed_rows(
    before: Mapping[ExtractKey, Content], after: Mapping[ExtractKey, Content], where: str
) -> Iterator[str]:
    """The extracts that are missing or different now."""
    for extract, content in before.items():
        if after.get(extract) != content:
            yield f"{where}: {extract} had {content}, but now has {after.get(extract)}"


def rebuild_problems(warehouse: Warehouse, lake: Path, unsettled: set[date]) -> list[str]:
    """The differences between the warehouse and a rebuild from the lake.

    The lake also contains extracts that were never committed. On ``unsettled`` days they may be the newest ones, and
    may contain faulty rows or rows that the platform has restated since.
    """
    with tempfile.TemporaryDirectory(dir=lake.parent) as folder:
        rebuilt = DuckDBWarehouse(Path(folder, "rebuilt.duckdb"))
        try:
            rebuild_raw(Lake(str(lake)), rebuilt, REPORTS)
        except (LakeError, WarehouseError) as error:
            return [f"raw can't be rebuilt from the lake: {error}"]
        # A rebuild restores accounts only from the landed extracts.
        had = {extract: content for extract, content in raw_contents(warehouse).items() if extract[0] != ACCOUNTS.id}
        counts, counts_again = _current_digests(warehouse), _current_digests(rebuilt)
        differing = [key for key in counts if counts_again.get(key) != counts[key] and key[3] not in unsettled]
        return [
            *changed_rows(had, raw_contents(rebuilt), "rebuilt from the lake"),
            *(f"after a rebuild, other rows are current: {key}" for key in differing),
        ]


def _current_digests(warehouse: Warehouse) -> dict[tuple[str, str, str, date], str]:
    """The digest of each day's newest extract."""
    rows = warehouse.query(
        f"""
        select source, report, account_id, date, content_digest from {EXTRACTS.id}
        qualify row_number() over (
            partition by source, report, account_id, date order by extracted_at desc, extract_run_id desc
        ) = 1
        """
    ).to_pylist()
    return {(r["source"], r["report"], r["account_id"], r["date"]): r["content_digest"] for r in rows}
