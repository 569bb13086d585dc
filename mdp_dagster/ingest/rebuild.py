"""Rebuilds raw from the lake, for a lost or damaged warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import pyarrow as pa

from mdp_dagster.connectors.base import DayReport, FeedReport
from mdp_dagster.ingest.feed_landing import KIND as FEED
from mdp_dagster.ingest.feed_landing import FeedExtract, feed_unit, landed_extract
from mdp_dagster.ingest.feed_tables import feed_tables
from mdp_dagster.ingest.landing import (
    LOADED,
    REFUSED_FOLDER,
    Extract,
    LandedFile,
    landed,
    landed_paths,
    rejects_unit,
    unit,
)
from mdp_dagster.ingest.tables import ACCEPTED_DIFFERENCES, ACCOUNTS, SHARED_TABLES, report_table
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


def rebuild_raw(
    lake: Lake, warehouse: Warehouse, reports: Sequence[DayReport], feeds: Sequence[FeedReport] = ()
) -> Rebuilt:
    """Empties raw and fills it from every extract in the lake, in one transaction where the engine has one.

    An extract that landed without a commit counts now: it is a whole answer of the source.

    Args:
        lake: The lake.
        warehouse: The warehouse.
        reports: The reports that are extracted by day.
        feeds: The reports that are extracted by change.

    Raises:
        LakeError: A file cannot be read, or the lake does not have any extract. Raw stays as it was.
    """
    by_key = {(report.source, report.name): report for report in reports}
    feeds_by_key = {(feed.source, feed.name): feed for feed in feeds}
    # the accepted differences come from the clients file, not from the lake
    shared = [table for table in SHARED_TABLES if table is not ACCEPTED_DIFFERENCES]
    tables = [*shared, *(report_table(report) for report in reports), *feed_tables(feeds)]
    with warehouse.exclusive():  # otherwise the rebuild would drop what a run commits after the listing
        found = _read_lake(lake, by_key, feeds_by_key)
        if not (found.accepted or found.refused or found.changes or found.foreign):
            raise LakeError(f"{lake.uri} holds no extract → check MDP_LAKE_URI; mdp_raw was left as it is")
        kept = list(_without_lost_rows(found.accepted))
        changes = (feed_unit(lake, feeds_by_key[each.source, each.report], each) for each in found.changes)
        warehouse.replace(chain(_units(lake, by_key, kept, found.refused), changes), tables)
    return Rebuilt(
        extracts=_number_of_extracts(found.accepted) + len(found.changes),
        refused=_number_of_extracts(found.refused),
        foreign=found.foreign,
        forgotten_days=_number_of_days(found.accepted) - _number_of_days(kept),
    )


@dataclass
class _Found:
    accepted: list[LandedFile]
    refused: list[LandedFile]
    changes: list[FeedExtract]
    foreign: int = 0


def _read_lake(lake: Lake, reports: Reports, feeds: Mapping[tuple[str, str], FeedReport]) -> _Found:
    found = _Found([], [], [])
    for path in landed_paths(lake):
        metadata = lake.metadata(path)
        if metadata.get("kind") == FEED:
            extract = landed_extract(metadata)
            if (extract.source, extract.report) in feeds:
                found.changes.append(extract)
            else:
                found.foreign += 1
            continue
        file = landed(lake, path, metadata)
        if _key(file) not in reports:
            found.foreign += len(file.extracts)
        elif path.startswith(f"{REFUSED_FOLDER}/"):
            found.refused.append(file)
        else:
            table = report_table(reports[_key(file)])
            found.accepted.append(replace(file, exact=same_columns(lake.schema(path), table.schema)))
    return found


def _key(file: LandedFile) -> tuple[str, str]:
    """Returns the source and the report of a file. All of its extracts have the same."""
    return file.extracts[0].source, file.extracts[0].report


def _number_of_extracts(files: Sequence[LandedFile]) -> int:
    return sum(len(file.extracts) for file in files)


def _number_of_days(files: Sequence[LandedFile]) -> int:
    return sum(len(extract.days) for file in files for extract in file.extracts)


def _without_lost_rows(files: Sequence[LandedFile]) -> Iterator[LandedFile]:
    """Yields the files without the days that point to rows of a file that is no longer in the lake.

    If the ledger listed such a day as unchanged, no later extract would load it again.
    """
    loaded = {
        (extract.source, extract.report, extract.account_id, day.date, extract.extract_run_id)
        for file in files
        for extract in file.extracts
        for day in extract.days
        if day.status == LOADED
    }

    def kept(extract: Extract) -> Extract:
        identity = extract.source, extract.report, extract.account_id
        days = (day for day in extract.days if (*identity, day.date, day.effective_run_id) in loaded)
        return replace(extract, days=tuple(days))

    for file in files:
        extracts = tuple(extract for extract in map(kept, file.extracts) if extract.days)
        if extracts:
            yield replace(file, extracts=extracts)


def _units(
    lake: Lake, reports: Reports, accepted: Sequence[LandedFile], refused: Sequence[LandedFile]
) -> Iterator[Unit]:
    for file in accepted:
        yield unit(lake, reports[_key(file)], file)
    for file in refused:
        yield rejects_unit(file.extracts)
    extracts = sorted((extract for file in accepted for extract in file.extracts), key=lambda each: each.extracted_at)
    yield Unit([Append(ACCOUNTS, pa.Table.from_pylist(list(_registry(extracts)), ACCOUNTS.schema))])


def _registry(extracts: Sequence[Extract]) -> Iterator[dict[str, object]]:
    """Yields the registry rows that were new for each account, the oldest first."""
    newest: dict[tuple[str, str], list[dict[str, object]]] = {}
    for extract in extracts:
        key = extract.source, extract.account_id
        if newest.get(key) != extract.account:
            newest[key] = extract.account
            stamp = {"extract_run_id": extract.extract_run_id, "ingested_at": extract.ingested_at}
            yield from ({**row, **stamp} for row in extract.account)
