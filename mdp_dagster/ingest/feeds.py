"""Extracts by change: the documents with a new number, from a store to the lake, raw and the ledger."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Protocol
from uuid import uuid4

import pyarrow as pa

from mdp_dagster.connectors.base import FeedReport, Report
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.feed_landing import FeedExtract, feed_unit, land
from mdp_dagster.ingest.feed_tables import FEEDS, feed_tables
from mdp_dagster.lake import Lake
from mdp_dagster.warehouse.base import Warehouse

log = logging.getLogger(__name__)


class FeedError(Exception):
    """An extract by change can't be committed. Names the remedy."""


class Snapshot(Protocol):
    """A store as of one moment."""

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts in the store."""

    def newest(self, feed: FeedReport, account_id: str) -> int | None:
        """Returns the newest number of the account's documents; None without documents."""

    def changes(
        self, feed: FeedReport, part: Report, account_id: str, after: int, until: int
    ) -> Iterator[pa.RecordBatch]:
        """Yields the rows of one table that belong to documents with a number in ``(after, until]``.

        Columns: ``change_seq``, then those of the report. The documents themselves also have ``deleted_at`` and
        ``digest``, a number that differs if anything of the document differs.
        """


class ChangeSource(Protocol):
    """A store that numbers the versions of its documents."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Yields the store as of one moment."""


@dataclass(frozen=True)
class FeedRun:
    """The run behind an extract by change.

    Args:
        lake: The lake.
        warehouse: The warehouse.
        dagster_run_id: The Dagster run.
    """

    lake: Lake
    warehouse: Warehouse
    dagster_run_id: str


def ingest_changes(
    source: ChangeSource, feeds: Sequence[FeedReport], accounts: Sequence[str] | None, run: FeedRun
) -> list[FeedExtract]:
    """Extracts all documents with a new number, and commits them. Returns the extracts that had any.

    Args:
        source: The store.
        feeds: The reports.
        accounts: The accounts; None means all accounts in the store.
        run: The run.

    Raises:
        FeedError: Another run has extracted the same changes meanwhile. Nothing was committed.
        LakeError: The lake cannot be written. Nothing was committed.
        WarehouseError: The warehouse cannot be used.
    """
    with run.warehouse.session():
        run.warehouse.prepare(feed_tables(feeds))
        ledger = FeedLedger(run.warehouse)
    extract_run_id, extracted_at = str(uuid4()), ledger.extract_time()
    extracts: list[tuple[FeedReport, FeedExtract]] = []
    with source.snapshot() as snapshot:
        for account_id in snapshot.accounts if accounts is None else accounts:
            for feed in feeds:
                cursor, newest = ledger.cursor(feed, account_id), snapshot.newest(feed, account_id)
                if newest is None or newest <= cursor:
                    continue
                extract = FeedExtract(
                    source=feed.source,
                    report=feed.name,
                    account_id=account_id,
                    extract_run_id=extract_run_id,
                    extracted_at=extracted_at,
                    ingested_at=max(utc_now(), extracted_at),
                    cursor_from=cursor,
                    cursor_to=newest,
                    contract_version=feed.contract_version,
                    dagster_run_id=run.dagster_run_id,
                )
                rows = (
                    (part, snapshot.changes(feed, part, account_id, cursor, newest)) for part in reversed(feed.parts)
                )
                extracts.append((feed, land(run.lake, feed, extract, rows)))
    _commit(run, extracts)
    for _, extract in extracts:
        log.info(
            "%s.%s %s: %d changed documents", extract.source, extract.report, extract.account_id, extract.documents
        )
    return [extract for _, extract in extracts]


def _commit(run: FeedRun, extracts: Sequence[tuple[FeedReport, FeedExtract]]) -> None:
    """Commits the extracts, if the ledger's cursors are still those that they began at."""
    if not extracts:
        return
    with run.warehouse.exclusive(), run.warehouse.session():
        ledger = FeedLedger(run.warehouse)
        for feed, extract in extracts:
            cursor = ledger.cursor(feed, extract.account_id)
            if cursor != extract.cursor_from and not ledger.has(run.lake.address(extract.path)):
                raise FeedError(
                    f"{feed.table}, {extract.account_id}: the extract begins at {extract.cursor_from}, but another run "
                    f"has moved the ledger to {cursor} meanwhile; nothing was committed → run again"
                )
        run.warehouse.commit([feed_unit(run.lake, feed, extract) for feed, extract in extracts])


class FeedLedger:
    """The ledger of extracts by change, as of one moment."""

    def __init__(self, warehouse: Warehouse) -> None:
        """Reads the ledger. It has one row for each table, account and extract."""
        rows = warehouse.query(
            f"select source, report, account_id, cursor_from, cursor_to, landing_uri, extracted_at from {FEEDS.id}"
        ).to_pylist()
        self._newest_extract: datetime | None = max((row["extracted_at"] for row in rows), default=None)
        self._addresses = {row["landing_uri"] for row in rows}
        self._ranges: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
        for row in rows:
            key = row["source"], row["report"], row["account_id"]
            self._ranges.setdefault(key, []).append((row["cursor_from"], row["cursor_to"]))

    def cursor(self, feed: FeedReport, account_id: str) -> int:
        """Returns the number up to which raw has every change; 0 before the first extract.

        It is the newest ``cursor_to``, unless a file of the lake was lost before a rebuild: then it is the beginning of
        the gap, and the next extract reads everything after it again.
        """
        reached = 0
        for start, end in sorted(self._ranges.get((feed.source, feed.name, account_id), [])):
            if start > reached:
                break
            reached = max(reached, end)
        return reached

    def has(self, address: str) -> bool:
        """Returns whether the extract with this file of documents is committed."""
        return address in self._addresses

    def extract_time(self) -> datetime:
        """Returns now, but later than every extract: a clock that was set back would make old rows the newest."""
        if self._newest_extract is None:
            return utc_now()
        return max(utc_now(), self._newest_extract.replace(tzinfo=timezone.utc) + timedelta(microseconds=1))
