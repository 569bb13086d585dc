"""The current state of the shops in PostgreSQL. Each sync of a shop's report is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg

from mdp_dagster.connectors.base import FeedReport
from mdp_dagster.connectors.shop_documents import ShopReport, ShopRow
from mdp_dagster.operational.document_versions import keep_one_version
from mdp_dagster.operational.postgres import Connection, connected
from mdp_dagster.operational.postgres_errors import Address
from mdp_dagster.operational.reject_rules import RejectedShare, apply_rules, make_rejects_table, sum_children
from mdp_dagster.operational.shop_reports import CUSTOMERS, ORDERS, PRODUCTS
from mdp_dagster.operational.store_schema import SCHEMA, document_id, prepare_store
from mdp_dagster.operational.sync_changes import Writer, Written, next_change_seq, write_changes
from mdp_dagster.operational.sync_input import load_rows
from mdp_dagster.operational.sync_records import (
    Sync,
    committed_watermark,
    documents_if_unchanged,
    next_watermark,
    write_facts,
    write_rejects,
    write_sync,
)

_REPORTS: dict[ShopReport, FeedReport] = {"orders": ORDERS, "products": PRODUCTS, "customers": CUSTOMERS}
_MANY_DOCUMENTS = 500
_SETTINGS = {
    "work_mem": "'32MB'",
    "jit": "off",  # compiling takes longer than these statements
    "idle_in_transaction_session_timeout": "0",  # the server sees pauses while rows are parsed
    "statement_timeout": "0",
    "lock_timeout": "'60min'",
}


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    """The committed result of a sync.

    Args:
        documents: How many orders, products or customers were read.
        new: How many of them were not in the store.
        changed: How many got a new version.
        rejected: How many were rejected. Their earlier version stays.
        reasons: The most frequent reasons, with their number of rows.
        watermark: The end of the read windows without a gap; None if there was a gap from the beginning.
    """

    documents: int
    new: int
    changed: int
    rejected: int
    reasons: tuple[tuple[str, int], ...]
    watermark: datetime | None


class TooManyRejectsError(Exception):
    """More than 5 % of a sync's documents are rejected. Nothing was committed except the rejects.

    Attributes:
        sync: The sync.
        share: The figures and the most frequent reasons.
    """

    def __init__(self, sync: Sync, share: RejectedShare) -> None:
        self.sync = sync
        self.share = share
        super().__init__(
            f"{sync.shop.domain}, {sync.report}: {share}; that is more than 5 %, so nothing of this sync was committed "
            "→ see the table shop.rejects, and correct the shop's data or the connector"
        )


class ShopStore:
    """The store. Every method raises ``StoreError`` if PostgreSQL can't be used."""

    def __init__(self, address: Address) -> None:
        """Sends no request."""
        self.address = address

    def prepare(self) -> None:
        """Creates what is missing of the schema."""
        with connected(self.address) as connection:
            prepare_store(connection)

    def shop_id(self, domain: str) -> int | None:
        """Returns the id of the shop with this domain; None before its first sync."""
        with connected(self.address) as connection:
            prepare_store(connection)
            row = connection.execute(
                f"select shop_id from {SCHEMA}.shops where domain = %s order by synced_at desc limit 1", [domain]
            ).fetchone()
        return None if row is None else int(row[0])

    def watermark(self, shop_id: int, report: ShopReport) -> datetime | None:
        """Returns the end of the windows that were committed without a gap; None before the first sync."""
        with connected(self.address) as connection:
            return committed_watermark(connection, shop_id, report)

    def sync(self, sync: Sync, parts: Iterable[Iterable[ShopRow]]) -> SyncResult:
        """Commits a sync: new versions, rejects and the watermark, together or not at all.

        The same rows a second time, or older ones, change nothing but the watermark. Another sync of the same shop
        waits until this one ends.

        Args:
            sync: The sync.
            parts: The rows of each file.

        Raises:
            TooManyRejectsError: More than 5 % of the documents are rejected. Only the rejects are committed.
        """
        report = _REPORTS[sync.report]
        with self._locked(sync.shop.shop_id) as connection:
            before = committed_watermark(connection, sync.shop.shop_id, sync.report)
            documents = documents_if_unchanged(connection, sync)
            written = Written(0, 0)
            if documents is not None:
                share = RejectedShare(0, documents)
            else:
                load_rows(connection, report, parts)
                make_rejects_table(connection)
                # These statements read whole temporary tables. With many rejects or repeats, PostgreSQL's estimates
                # are far too low, and a loop over pairs of rows would take hours.
                connection.execute("set local enable_nestloop = off")
                keep_one_version(connection, report)
                sum_children(connection, report)
                share = apply_rules(connection, report)
                write_rejects(connection, sync)
                connection.execute("set local enable_nestloop = on")
                if not share.is_too_large:
                    written = write_changes(connection, report, Writer(sync.shop.shop_id, sync.sync_id, sync.read_at))
                    if written.new + written.changed >= _MANY_DOCUMENTS:
                        # Otherwise the next sync or extract joins by a loop over single rows, until the server has new
                        # statistics.
                        for table in report.parts:
                            connection.execute(f"analyze {SCHEMA}.{table.name}")
            watermark = before if share.is_too_large else next_watermark(before, sync)
            if not share.is_too_large:
                write_facts(connection, sync)
            write_sync(connection, sync, share, written, watermark)
        if share.is_too_large:
            raise TooManyRejectsError(sync, share)
        return SyncResult(
            documents=share.documents,
            new=written.new,
            changed=written.changed,
            rejected=share.rejected,
            reasons=share.reasons,
            watermark=watermark,
        )

    def order_counts(self, shop_id: int, days: Sequence[date]) -> dict[date, int]:
        """Returns the number of orders that were created on each day (UTC) and are not deleted."""
        with connected(self.address) as connection:
            rows = connection.execute(
                f"""
                select (created_at at time zone 'UTC')::date, count(*) from {SCHEMA}.orders
                where shop_id = %s and deleted_at is null and (created_at at time zone 'UTC')::date = any(%s)
                group by 1
                """,
                [shop_id, list(days)],
            ).fetchall()
        return {**dict.fromkeys(days, 0), **dict(rows)}

    def order_ids(self, shop_id: int, day: date) -> set[int]:
        """Returns the ids of the orders that were created on a day (UTC) and are not deleted."""
        with connected(self.address) as connection:
            rows = connection.execute(
                f"""
                select order_id from {SCHEMA}.orders
                where shop_id = %s and deleted_at is null
                    and created_at >= (%s::timestamp at time zone 'UTC')
                    and created_at < (%s::timestamp at time zone 'UTC')
                """,
                [shop_id, day, day + timedelta(days=1)],
            ).fetchall()
        return {order_id for (order_id,) in rows}

    def mark_deleted(self, shop_id: int, order_ids: Collection[int], sync_id: str, deleted_at: datetime) -> int:
        """Makes a last version of orders that the shop no longer has, and returns how many there were.

        Args:
            shop_id: The shop.
            order_ids: The orders.
            sync_id: The sync that missed them.
            deleted_at: When the shop's answer was requested. A later answer with the order brings it back.
        """
        id_ = document_id(ORDERS)
        values = {"shop_id": shop_id, "ids": list(order_ids), "sync_id": sync_id, "deleted_at": deleted_at}
        with self._locked(shop_id) as connection:
            marked = connection.execute(
                f"""
                with missing as (
                    select {id_}, {next_change_seq(ORDERS)} + row_number() over (order by {id_}) as change_seq
                    from {SCHEMA}.orders
                    where shop_id = %(shop_id)s and {id_} = any(%(ids)s) and deleted_at is null
                        and synced_at <= %(deleted_at)s
                )
                update {SCHEMA}.orders as stored
                set deleted_at = %(deleted_at)s, change_seq = missing.change_seq, sync_id = %(sync_id)s
                from missing
                where stored.shop_id = %(shop_id)s and stored.{id_} = missing.{id_}
                """,
                values,
            ).rowcount
            for child in ORDERS.children:
                connection.execute(
                    f"""
                    delete from {SCHEMA}.{child.name} as row using {SCHEMA}.orders as parent
                    where row.shop_id = %(shop_id)s and row.{id_} = any(%(ids)s) and parent.shop_id = row.shop_id
                        and parent.{id_} = row.{id_} and parent.deleted_at is not null
                    """,
                    values,
                )
        return marked

    @contextmanager
    def _locked(self, shop_id: int) -> Iterator[Connection]:
        """Opens a transaction with the shop's lock.

        Numbers are assigned before the commit. Without the lock, a writer that commits first could hide the lower
        numbers of another one behind its own.
        """
        with connected(self.address) as connection:
            prepare_store(connection)
            # Parameters are filled in by the client: PostgreSQL has none in `create table as`.
            connection.cursor_factory = psycopg.ClientCursor
            with connection.transaction():
                connection.execute("; ".join(f"set local {name} = {value}" for name, value in _SETTINGS.items()))
                connection.execute("select pg_advisory_xact_lock(%s)", [shop_id])
                yield connection
