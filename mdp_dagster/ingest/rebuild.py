"""Raw from the lake alone: for a lost or damaged warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from mdp_dagster.connectors.base import Report
from mdp_dagster.ingest.landing import REFUSED_FOLDER, Extract, landed, rejects, unit
from mdp_dagster.ingest.tables import ACCOUNTS, SHARED_TABLES, report_table
from mdp_dagster.lake import Lake
from mdp_dagster.warehouse.base import Append, Warehouse


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild found in the lake."""

    extracts: int
    refused: int


def rebuild_raw(lake: Lake, warehouse: Warehouse, reports: Sequence[Report]) -> Rebuilt:
    """Empty raw and fill it from every extract in the lake, in one transaction where the engine has one.

    An extract that landed but whose commit was interrupted counts now: it is a whole answer of the platform.
    Raises ``LakeError`` for a file that can't be read; raw stays as it was then.
    """
    by_key = {(report.source, report.name): report for report in reports}
    taken: list[Extract] = []
    refused: list[Extract] = []
    for path in lake.files():
        folder = refused if path.startswith(f"{REFUSED_FOLDER}/") else taken
        folder.append(landed(lake, path))
    taken.sort(key=lambda extract: extract.extracted_at)
    tables = [*SHARED_TABLES, *(report_table(report) for report in reports)]
    warehouse.replace(_units(lake, by_key, taken, refused), tables)
    return Rebuilt(len(taken), len(refused))


def _units(
    lake: Lake,
    reports: Mapping[tuple[str, str], Report],
    taken: Sequence[Extract],
    refused: Sequence[Extract],
) -> Iterator[Sequence[Append]]:
    for extract in taken:
        yield unit(lake, reports[extract.source, extract.report], extract)
    for extract in refused:
        yield [rejects(extract)]
    yield [Append(ACCOUNTS, pa.Table.from_pylist(list(_registry(taken)), ACCOUNTS.schema))]


def _registry(extracts: Sequence[Extract]) -> Iterator[dict[str, object]]:
    """What was new about each account, in order of time."""
    newest: dict[tuple[str, str], dict[str, object]] = {}
    for extract in extracts:
        key = extract.source, extract.account_id
        if newest.get(key) != extract.account:
            newest[key] = extract.account
            yield {
                **extract.account,
                "extract_run_id": extract.extract_run_id,
                "ingested_at": extract.ingested_at,
            }
