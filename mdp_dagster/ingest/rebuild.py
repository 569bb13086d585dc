"""Raw from the lake alone: for a lost or damaged warehouse."""

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
    """What a rebuild found in the lake. ``foreign``: extracts of reports that there are no more, left out.
    ``forgotten_days``: days whose rows the lake has lost; the next pull of such a day brings them again."""

    extracts: int
    refused: int
    foreign: int
    forgotten_days: int


def rebuild_raw(lake: Lake, warehouse: Warehouse, reports: Sequence[DayReport]) -> Rebuilt:
    """Empty raw and fill it from every extract in the lake, in one transaction where the engine has one.

    An extract that landed but whose commit was interrupted counts now: it is a whole answer of the platform.
    Raises ``LakeError`` for a file that can't be read, and for a lake without any extract; raw stays as it was then.
    """
    by_key = {(report.source, report.name): report for report in reports}
    tables = [*SHARED_TABLES, *(report_table(report) for report in reports)]
    with warehouse.exclusive():  # or what a run commits after the listing would be replaced by what it was before
        found = _read_lake(lake, by_key)
        if not (found.taken or found.refused or found.foreign):
            raise LakeError(f"{lake.uri} holds no extract → check MDP_LAKE_URI; mdp_raw was left as it is")
        kept = list(_without_lost_rows(found.taken))
        warehouse.replace(_units(lake, by_key, kept, found.refused), tables)
    forgotten = sum(len(extract.days) for extract in found.taken) - sum(len(extract.days) for extract in kept)
    return Rebuilt(len(found.taken), len(found.refused), found.foreign, forgotten)


@dataclass
class _Found:
    taken: list[Extract]
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
            found.taken.append(replace(extract, exact=same_columns(lake.schema(path), table.schema)))
    found.taken.sort(key=lambda extract: extract.extracted_at)
    return found


def _without_lost_rows(extracts: Sequence[Extract]) -> Iterator[Extract]:
    """The extracts without the days that point to rows of a file that is no longer in the lake: the ledger must
    not say that such a day is known, or no pull would bring it again."""
    there = {
        (extract.source, extract.report, extract.account_id, day.date, extract.extract_run_id)
        for extract in extracts
        for day in extract.days
        if day.status == LOADED
    }
    for extract in extracts:
        identity = extract.source, extract.report, extract.account_id
        days = tuple(day for day in extract.days if (*identity, day.date, day.effective_run_id) in there)
        if days:
            yield replace(extract, days=days)


def _units(lake: Lake, reports: Reports, taken: Sequence[Extract], refused: Sequence[Extract]) -> Iterator[Unit]:
    for extract in taken:
        yield unit(lake, reports[extract.source, extract.report], extract)
    for extract in refused:
        yield rejects_unit(extract)
    yield Unit([Append(ACCOUNTS, pa.Table.from_pylist(list(_registry(taken)), ACCOUNTS.schema))])


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
