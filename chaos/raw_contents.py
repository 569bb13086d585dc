"""Raw only grows, and the lake alone gives all of it again."""

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

Pull = tuple[str, str, str]
"""A table, an extract_run_id, an account."""
Content = tuple[int, str]
"""How many rows, and a digest of them."""


def pulls(warehouse: Warehouse) -> dict[Pull, Content]:
    """What raw holds, by the pull that brought it."""
    there = warehouse.tables()
    found: dict[Pull, Content] = {}
    for table in (*SHARED_TABLES, *map(report_table, REPORTS)):
        if (table.dataset, table.name) in there:
            rows = warehouse.query(
                f"""
                select extract_run_id, account_id, count(*) as row_count, cast(sum(hash(pulled)) as varchar) as digest
                from {table.id} as pulled group by all
                """
            ).to_pylist()
            for row in rows:
                found[table.id, row["extract_run_id"], row["account_id"]] = row["row_count"], row["digest"]
    return found


def lost_problems(before: Mapping[Pull, Content], after: Mapping[Pull, Content], where: str) -> Iterator[str]:
    """What was there before, and isn't any more as it was."""
    for pull, content in before.items():
        if after.get(pull) != content:
            yield f"{where}: {pull} had {content}, and has {after.get(pull)}"


def rebuild_problems(warehouse: Warehouse, lake: Path, unsettled: set[date]) -> list[str]:
    """Whether the lake alone gives all that the warehouse has. A pull that landed and was never committed is there
    too; on ``unsettled`` days it may count, and hold what a platform had spoilt, or has restated since."""
    with tempfile.TemporaryDirectory(dir=lake.parent) as folder:
        rebuilt = DuckDBWarehouse(Path(folder, "rebuilt.duckdb"))
        try:
            rebuild_raw(Lake(str(lake)), rebuilt, REPORTS)
        except (LakeError, WarehouseError) as error:
            return [f"raw can't be rebuilt from the lake: {error}"]
        # of accounts, a rebuild keeps what the landed extracts say
        had = {pull: content for pull, content in pulls(warehouse).items() if pull[0] != ACCOUNTS.id}
        counts, counts_again = _what_counts(warehouse), _what_counts(rebuilt)
        differing = [key for key in counts if counts_again.get(key) != counts[key] and key[3] not in unsettled]
        return [
            *lost_problems(had, pulls(rebuilt), "rebuilt from the lake"),
            *(f"after a rebuild, other rows count: {key}" for key in differing),
        ]


def _what_counts(warehouse: Warehouse) -> dict[tuple[str, str, str, date], str]:
    """The digest of each day's newest pull."""
    rows = warehouse.query(
        f"""
        select source, report, account_id, date, content_digest from {EXTRACTS.id}
        qualify row_number() over (
            partition by source, report, account_id, date order by extracted_at desc, extract_run_id desc
        ) = 1
        """
    ).to_pylist()
    return {(r["source"], r["report"], r["account_id"], r["date"]): r["content_digest"] for r in rows}
