"""Rebuilds raw from the lake, for a lost or damaged warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.landing import LOADED, REFUSED_FOLDER, Extract, landed, landed_paths, rejects_unit, unit
from mdp_dagster.ingest.tables import ACCOUNTS, SHARED_TABLES, report_table
from mdp_dagster.lake import Lake, LakeError
from mdp_dagster.warehouse.base import Append, Unit, Warehouse, same_columns

Reports = Mapping[tuple[str, str], DayReport]


@dataclass(frozen=True)
class Rebuilt:
    """The result of a rebuild.

    Args:
        extracts: How many extracts were loaded.
        refused: How many refused extracts are in the lake; only their rejects were loaded.
        foreign: How many extracts belong to reports that no longer exist. They were left out.
        forgotten_days: How many days lost their rows with a file of the lake. The next extract brings them back.
    """

    extracts: int
    refused: int
    foreign: int
    forgotten_days: int


def rebuild_raw(lake: Lake, warehouse: Warehouse, reports: Sequence[DayReport]) -> Rebuilt:
    """Empties raw and fills it from every extract in the lake, in one transaction where the engine has one.

    An extract that landed without a commit counts now: it is a whole answer of the source.

    Raises:
        LakeError: A file cannot be read, or the lake does not have any extract. Raw stays as it was.
    """
    by_key = {(report.source, report.name): report for report in reports}
    tables = [*SHARED_TABLES, *(report_table(report) for report in reports)]
    with warehouse.exclusive():  # otherwise the rebuild would drop what a run commits after the listing
        found = _read_lake(lake, by_key)
        if not (found.accepted or found.refused or found.foreign):
            raise LakeError(f"{lake.uri} holds no extract → check MDP_LAKE_URI; mdp_raw was left as it is")
        kept = list(_without_lost_rows(found.accepted))
        warehouse.replace(_units(lake, by_key, kept, found.refused), tables)
    forgotten = sum(len(extract.days) for extract in found.accepted) - sum(len(extract.days) for extract in kept)
    return Rebuilt(len(found.accepted), len(found.refused), found.foreign, forgotten)


@dataclass
class _Found:
    accepted: list[Extract]
    refused: list[Extract]
    foreign: int = 0


def _read_lake(lake: Lake, reports: Reports) -> _Found:
    found = _Found([], [])
    for path in landed_paths(lake):
        extract = landed(lake, path)
        if (extract.source, extract.report) not in reports:
            found.foreign += 1
        elif path.startswith(f"{REFUSED_FOLDER}/"):
            found.refused.append(extract)
        else:
            table = report_table(reports[extract.source, extract.report])
            found.accepted.append(replace(extract, exact=same_columns(lake.schema(path), table.schema)))
    found.accepted.sort(key=lambda extract: extract.extracted_at)
    return found


def _without_lost_rows(extracts: Sequence[Extract]) -> Iterator[Extract]:
    """Yields the extracts without the days that point to rows of a file that is no longer in the lake.

    If the ledger listed such a day as unchanged, no later extract would load it again.
    """
    loaded = {
        (extract.source, extract.report, extract.account_id, day.date, extract.extract_run_id)
        for extract in extracts
        for day in extract.days
        if day.status == LOADED
    }
    for extract in extracts:
        identity = extract.source, extract.report, extract.account_id
        days = tuple(day for day in extract.days if (*identity, day.date, day.effective_run_id) in loaded)
        if days:
            yield replace(extract, days=days)


def _units(lake: Lake, reports: Reports, accepted: Sequence[Extract], refused: Sequence[Extract]) -> Iterator[Unit]:
    for extract in accepted:
        yield unit(lake, reports[extract.source, extract.report], extract)
    for extract in refused:
        yield rejects_unit(extract)
    yield Unit([Append(ACCOUNTS, pa.Table.from_pylist(list(_registry(accepted)), ACCOUNTS.schema))])


def _registry(extracts: Sequence[Extract]) -> Iterator[dict[str, object]]:
    """Yields the registry rows that were new for each account, the oldest first."""
    newest: dict[tuple[str, str], list[dict[str, object]]] = {}
    for extract in extracts:
        key = extract.source, extract.account_id
        if newest.get(key) != extract.account:
            newest[key] = extract.account
            stamp = {"extract_run_id": extract.extract_run_id, "ingested_at": extract.ingested_at}
            yield from ({**row, **stamp} for row in extract.account)
