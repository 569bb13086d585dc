"""The rows of a sync about itself: its window and watermark, the shop's facts, and the rejects."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timezone

from mdp_dagster.connectors.shop_documents import ShopFacts, ShopReport, ShopWindow
from mdp_dagster.operational.document_versions import REJECTS
from mdp_dagster.operational.postgres import Connection
from mdp_dagster.operational.reject_rules import RejectedShare
from mdp_dagster.operational.shop_reports import SHOPS
from mdp_dagster.operational.store_schema import SCHEMA
from mdp_dagster.operational.sync_changes import Written, next_change_seq

log = logging.getLogger(__name__)

COMMITTED, REFUSED = "committed", "refused"


@dataclass(frozen=True, kw_only=True)
class Sync:
    """One reading of one report of a shop.

    Args:
        sync_id: The id of the sync. All shops and reports of a night share it.
        shop: The shop's facts at the time.
        report: The report.
        window: Everything that was last changed in it was read.
        read_at: When the shop's answer was requested (UTC).
        content_digest: A digest of the files, if they are known to give the same rows whenever it is the same.
    """

    sync_id: str
    shop: ShopFacts
    report: ShopReport
    window: ShopWindow
    read_at: datetime
    content_digest: str | None = None


def committed_watermark(connection: Connection, shop_id: int, report: str) -> datetime | None:
    """Returns the end of the windows that were committed without a gap; None before the first sync."""
    row = connection.execute(
        f"select max(watermark) from {SCHEMA}.syncs where shop_id = %s and report = %s and status = %s",
        [shop_id, report, COMMITTED],
    ).fetchone()
    return row[0].astimezone(timezone.utc) if row and row[0] else None


def documents_if_unchanged(connection: Connection, sync: Sync) -> int | None:
    """Returns the number of documents of a sync with the files of the last one that changed anything; None otherwise.

    Then the store has their rows, unless a document was deleted since, or lost an item to another one.
    """
    if sync.content_digest is None:
        return None
    row = connection.execute(
        f"""
        select documents from {SCHEMA}.syncs as same
        where shop_id = %(shop_id)s and report = %(report)s and status = '{COMMITTED}' and rejected = 0
            and content_digest = %(content_digest)s
            and not exists (
                select from {SCHEMA}.syncs as later
                where later.shop_id = same.shop_id and later.report = same.report
                    and later.committed_at > same.committed_at and later.new + later.changed > 0
            )
            and not exists (
                select from {SCHEMA}.{sync.report} as document
                where document.shop_id = same.shop_id
                    and (document.deleted_at >= same.read_at or document.digest is null)
            )
        limit 1
        """,
        {"shop_id": sync.shop.shop_id, "report": sync.report, "content_digest": sync.content_digest},
    ).fetchone()
    return None if row is None else int(row[0])


def next_watermark(before: datetime | None, sync: Sync) -> datetime | None:
    """Returns the new watermark. It never passes a range that was not read."""
    if before is None:
        return sync.window.end
    if sync.window.start > before:
        log.warning(
            "%s, %s: the window starts at %s, after the watermark %s, which stays: the next sync reads the gap",
            sync.shop.domain, sync.report, sync.window.start, before,
        )  # fmt: skip
        return before
    return max(before, sync.window.end)


def write_facts(connection: Connection, sync: Sync) -> None:
    """Updates the shop's row. Another name, zone or currency is a new version."""
    connection.execute(
        f"""
        insert into {SCHEMA}.shops as stored
            (shop_id, domain, name, time_zone, currency, updated_at, digest, change_seq, sync_id, synced_at)
        select *, %(read_at)s, hash_record_extended(row(domain, name, time_zone, currency), 0),
            1 + {next_change_seq(SHOPS)}, %(sync_id)s, %(read_at)s
        from (
            select %(shop_id)s::bigint, %(domain)s::text as domain, %(name)s::text as name,
                %(time_zone)s::text as time_zone, %(currency)s::text as currency
        ) as facts
        on conflict (shop_id) do update set
            domain = excluded.domain, name = excluded.name, time_zone = excluded.time_zone,
            currency = excluded.currency, updated_at = excluded.updated_at, digest = excluded.digest,
            change_seq = case when stored.digest = excluded.digest then stored.change_seq else excluded.change_seq end,
            sync_id = excluded.sync_id, synced_at = excluded.synced_at
        where stored.synced_at <= excluded.synced_at
        """,
        {**vars(sync.shop), "sync_id": sync.sync_id, "read_at": sync.read_at},
    )


def write_rejects(connection: Connection, sync: Sync) -> None:
    """Writes the rejects. A sync that is repeated under its id replaces them."""
    identity = [sync.sync_id, sync.shop.shop_id, sync.report, sync.window.start]
    connection.execute(
        f"delete from {SCHEMA}.rejects where sync_id = %s and shop_id = %s and report = %s and window_from = %s",
        identity,
    )
    connection.execute(
        f"""
        insert into {SCHEMA}.rejects
            (sync_id, shop_id, report, window_from, table_name, row_id, document_id, reason, payload)
        select %s, %s, %s, %s, table_name, row_id, document_id, reason, payload from {REJECTS}
        """,
        identity,
    )


def write_sync(
    connection: Connection, sync: Sync, share: RejectedShare, written: Written, watermark: datetime | None
) -> None:
    """Writes the row of the sync. A sync that is repeated under its id replaces its row."""
    columns = {
        "sync_id": sync.sync_id,
        "shop_id": sync.shop.shop_id,
        "report": sync.report,
        "window_from": sync.window.start,
        "window_to": sync.window.end,
        "status": REFUSED if share.is_too_large else COMMITTED,
        "watermark": watermark,
        "documents": share.documents,
        "new": written.new,
        "changed": written.changed,
        "rejected": share.rejected,
        "read_at": sync.read_at,
        "committed_at": datetime.now(timezone.utc),
        "content_digest": sync.content_digest,
    }
    connection.execute(
        f"""
        insert into {SCHEMA}.syncs as stored ({", ".join(columns)})
        values ({", ".join(f"%({name})s" for name in columns)})
        on conflict (sync_id, shop_id, report, window_from) do update set
            ({", ".join(columns)}) = ({", ".join(f"excluded.{name}" for name in columns)})
        where stored.status <> '{COMMITTED}' or excluded.status = '{COMMITTED}'
        """,
        columns,
    )
