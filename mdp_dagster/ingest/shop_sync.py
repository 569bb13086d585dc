"""Reads a shop into the store: land the answer in the lake, then commit it. Replays the lake into a lost store."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from mdp_dagster.connectors.errors import ConnectorError
from mdp_dagster.connectors.landed_lines import landed_lines
from mdp_dagster.connectors.shop_documents import (
    COLUMNS,
    SHOP_REPORTS,
    LandedFile,
    ShopAccess,
    ShopReport,
    ShopSync,
    ShopWindow,
)
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.sync_manifest import Manifest, folder_of, manifests, write_manifest
from mdp_dagster.lake import Lake, LakeError
from mdp_dagster.lake.landing import LandingFolder
from mdp_dagster.operational.shop_store import ShopStore, SyncResult, TooManyRejectsError
from mdp_dagster.operational.store_figures import StoreFigures
from mdp_dagster.operational.sync_records import Sync

log = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 20
_COMMITTED_TOGETHER = timedelta(days=32)  # a month and the night after it
# A shop finds an order only by its last change. An order of yesterday that changes again just before it is read would
# otherwise be in no window of tonight. The watermark stays the window's end: the next sync reads these changes again.
_CHANGES_AFTER_THE_WINDOW = timedelta(hours=1)


@dataclass(frozen=True)
class ShopStores:
    """The places of a shop's data, and the shop system that it comes from.

    Args:
        source: The name of the shop system. The lake has a folder with this name.
        access: The access to its shops.
        store: The store.
        lake: The lake.
    """

    source: str
    access: ShopAccess
    store: ShopStore
    lake: Lake


@dataclass(frozen=True)
class DayCount:
    """The orders that were created on a day (UTC).

    Args:
        day: The day.
        stored: How many the store had.
        at_shop: How many the shop has.
        deleted: How many of the stored ones are marked as deleted now, because the shop no longer has them.
        rejected: How many the shop has and the store does not, because they were rejected.
        pending: How many the shop has and the store does not, because they changed after the sync's window: it left
            them to the next one.
        found: How many no sync had seen and the store has now, because the day was read again.
    """

    day: date
    stored: int
    at_shop: int
    deleted: int = 0
    rejected: int = 0
    pending: int = 0
    found: int = 0

    @property
    def in_store(self) -> int:
        """How many the store has now."""
        return self.stored - self.deleted + self.found

    @property
    def is_explained(self) -> bool:
        """Whether deleted, rejected and pending orders are the whole difference."""
        return self.in_store + self.rejected + self.pending == self.at_shop


@dataclass(frozen=True)
class Replayed:
    """The result of a replay.

    Args:
        syncs: How many syncs were committed again.
        refused: How many had too many rejects, as before.
        lost: How many miss a file of the lake. The watermark stays before them, and the next sync reads the gap.
    """

    syncs: int
    refused: int
    lost: int


def sync_shop(places: ShopStores, domain: str, sync_id: str) -> dict[ShopReport, list[SyncResult]]:
    """Reads everything that changed since the last sync, and commits it, up to a month at once.

    So the share of rejects is that of a whole night, also if a month ends in it. Months that were committed before an
    error stay, and the next sync continues after them.

    Args:
        places: The places.
        domain: The shop's domain in the clients file.
        sync_id: The id of the sync, new for each attempt. The shops of a night share it.

    Raises:
        ConnectorError: The shop could not be read.
        LakeError: The lake cannot be written.
        StoreError: The store cannot be used.
        TooManyRejectsError: More than 5 % of the documents of a commit are rejected.
    """
    shop = places.access.open(domain)
    facts = shop.facts(places.store.shop_id(domain))
    results: dict[ShopReport, list[SyncResult]] = {}
    for report in SHOP_REPORTS:  # orders come first: if they are refused, nothing of the night is committed
        watermark = places.store.watermark(facts.shop_id, report)
        results[report] = []
        groups = _groups(shop.windows(report, watermark, utc_now()))
        for windows in groups:
            span = ShopWindow(windows[0].start, windows[-1].end)
            sync = Sync(sync_id=sync_id, shop=facts, report=report, window=span, read_at=utc_now())
            results[report].append(_sync_windows(places, shop, _read_windows(windows, groups), sync))
    return results


def _read_windows(windows: list[ShopWindow], groups: list[list[ShopWindow]]) -> list[ShopWindow]:
    """Returns the windows to request for a group: the newest one is longer than what the sync counts as read."""
    if windows is not groups[-1]:
        return windows
    return [*windows[:-1], ShopWindow(windows[-1].start, windows[-1].end + _CHANGES_AFTER_THE_WINDOW)]


def _groups(windows: Sequence[ShopWindow]) -> list[list[ShopWindow]]:
    """Returns the windows in groups that are committed together, oldest first. The last one is the longest possible."""
    groups: list[list[ShopWindow]] = []
    for window in reversed(windows):
        if groups and groups[0][-1].end - window.start <= _COMMITTED_TOGETHER:
            groups[0].insert(0, window)
        else:
            groups.insert(0, [window])
    return groups


def _sync_windows(places: ShopStores, shop: ShopSync, windows: Sequence[ShopWindow], sync: Sync) -> SyncResult:
    return _land_and_commit(
        places,
        sync,
        lambda landing: [file for window in windows for file in shop.land(sync.report, window, landing)],
    )


def _land_and_commit(
    places: ShopStores, sync: Sync, land: Callable[[LandingFolder], Sequence[LandedFile]]
) -> SyncResult:
    folder = folder_of(places.source, sync)
    landing = places.lake.landing(folder)
    try:
        files = land(landing)
    except OSError as error:
        raise landing.not_written(error) from error
    paths = tuple(file.path for file in files)
    write_manifest(places.lake, Manifest(folder, sync, paths))
    result = _commit(places, sync, landing, paths)
    log.info(
        "%s, %s from %s to %s: %d read, %d new, %d changed, %d rejected",
        sync.shop.domain, sync.report, sync.window.start, sync.window.end,
        result.documents, result.new, result.changed, result.rejected,
    )  # fmt: skip
    return result


def _commit(places: ShopStores, sync: Sync, landing: LandingFolder, paths: Sequence[str]) -> SyncResult:
    """Commits the rows of landed files."""
    parts = (places.access.read_lines(sync.report, landed_lines(landing.open(path), path)) for path in paths)
    return places.store.sync(replace(sync, content_digest=_digest(landing, paths)), parts)


def _digest(landing: LandingFolder, paths: Sequence[str]) -> str:
    """Returns a digest of files and of the columns that are read from them."""
    digest = hashlib.blake2b(repr(COLUMNS).encode(), digest_size=16)
    for path in paths:
        with landing.open(path) as file:
            while content := file.read(_BLOCK_BYTES):
                digest.update(content)
        digest.update(b"end")
    return digest.hexdigest()


def find_deleted_orders(places: ShopStores, domain: str, sync_id: str, days: Sequence[date]) -> list[DayCount]:
    """Compares the number of orders of each day with the shop's, and marks those that the shop no longer has.

    An order leaves no trace at the shop when it is deleted. Only days with another number are read, and only if the
    shop's list has as many orders as the shop counts: an incomplete list would delete orders.

    A day with an order that no sync has seen is read again: the shop found the order by its last change only after that
    window was read.

    Args:
        places: The places.
        domain: The shop's domain.
        sync_id: The id of the sync.
        days: Days in UTC, without those that a sync has not read completely.

    Returns:
        The days with another number, also where the store has fewer orders than the shop.

    Raises:
        ConnectorError: The shop could not be read.
        StoreError: The store cannot be used.
    """
    shop = places.access.open(domain)
    facts = shop.facts(places.store.shop_id(domain))
    stored = places.store.order_counts(facts.shop_id, days)
    watermark = places.store.watermark(facts.shop_id, "orders")
    figures = StoreFigures(places.store.address)
    differing = []
    for day, at_shop in sorted(shop.order_counts(days).items()):
        if stored[day] == at_shop:
            continue
        read_at = utc_now()
        ids = shop.order_ids(day)
        stored_ids = places.store.order_ids(facts.shop_id, day)
        missing = stored_ids - ids
        unknown = ids - stored_ids
        pending = unknown & shop.order_ids(day, watermark) if unknown else set()
        unknown -= pending
        rejected, found = figures.rejected_orders(facts.shop_id, unknown), 0
        if len(unknown) > rejected:
            # the changes of this window were read before, so the watermark stays
            window = ShopWindow.of_day(day)
            again = Sync(sync_id=f"{sync_id}_{day}_again", shop=facts, report="orders", window=window, read_at=read_at)
            _read_again(places, shop, day, again)
            still_unknown = unknown - places.store.order_ids(facts.shop_id, day)
            rejected = figures.rejected_orders(facts.shop_id, still_unknown)
            found = len(unknown) - len(still_unknown)
        deleted = 0
        if missing and len(ids) == at_shop:
            window = ShopWindow(read_at - timedelta(microseconds=1), read_at)
            sync = Sync(sync_id=f"{sync_id}_{day}", shop=facts, report="orders", window=window, read_at=read_at)
            write_manifest(places.lake, Manifest(folder_of(places.source, sync), sync, deleted=tuple(sorted(missing))))
            deleted = places.store.mark_deleted(facts.shop_id, missing, sync.sync_id, read_at)
        differing.append(DayCount(day, stored[day], at_shop, deleted, rejected, len(pending), found))
    return differing


def _read_again(places: ShopStores, shop: ShopSync, day: date, sync: Sync) -> None:
    try:
        _land_and_commit(places, sync, lambda landing: shop.land_created(day, landing))
    except TooManyRejectsError as error:  # one day has too few orders for the share; the night is committed
        log.warning("%s", error)


def replay(places: ShopStores) -> Replayed:
    """Commits every sync in the lake to the store again, in their order. A store that has them stays as it is.

    Raises:
        LakeError: A manifest can't be read, or the lake has no sync.
        StoreError: The store cannot be used.
    """
    syncs = refused = lost = 0
    for manifest in manifests(places.lake, places.source):
        sync, landing = manifest.sync, places.lake.landing(manifest.folder)
        if manifest.deleted:
            places.store.mark_deleted(sync.shop.shop_id, manifest.deleted, sync.sync_id, sync.read_at)
            continue
        try:
            _commit(places, sync, landing, manifest.files)
            syncs += 1
        except TooManyRejectsError as error:
            log.warning("%s", error)
            refused += 1
        except (LakeError, ConnectorError) as error:
            log.warning("the sync %s of %s is left out: %s", sync.sync_id, sync.shop.domain, error)
            lost += 1
    if not syncs + refused + lost:
        raise LakeError(f"{places.lake.uri}/{places.source} holds no sync → check MDP_LAKE_URI")
    return Replayed(syncs, refused, lost)
