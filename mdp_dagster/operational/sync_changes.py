"""Writes a sync's new versions into the store's tables."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from mdp_dagster.connectors.base import FeedReport, Report
from mdp_dagster.operational.document_versions import REJECTS, content
from mdp_dagster.operational.postgres import Connection
from mdp_dagster.operational.store_schema import MOVING, SCHEMA, document_id, only_in_the_store, source_columns
from mdp_dagster.operational.sync_input import incoming


class Writer(NamedTuple):
    """The shop and the sync that write.

    Args:
        shop_id: The shop.
        sync_id: The sync.
        read_at: When the shop's answer was requested. Of two answers with the same `updated_at`, the later one counts.
    """

    shop_id: int
    sync_id: str
    read_at: datetime


class Written(NamedTuple):
    """The numbers of documents that were new, and that got a new version."""

    new: int
    changed: int


def write_changes(connection: Connection, report: FeedReport, writer: Writer) -> Written:
    """Inserts and updates the documents with another content than the store's, each with a new ``change_seq``."""
    _compare(connection, report, writer)
    _number_changes(connection, report, writer)
    counts = connection.execute("select count(*) filter (where not is_stored), count(*) from changed").fetchone()
    assert counts is not None
    new, all_ = counts
    if all_:
        connection.execute("analyze changed")
        _write_documents(connection, report, writer)
        for child in report.children:
            _write_children(connection, report, child, writer)
    _touch(connection, report, writer)
    return Written(new, all_ - new)


def next_change_seq(report: FeedReport) -> str:
    """Returns the SQL of a number above every ``change_seq`` of the shop's documents.

    It is at least the time in microseconds. So the numbers of a database that was lost and filled again, or restored
    from a backup, are above those that raw has.
    """
    return (
        "(select greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, max(change_seq)) "
        f"from {SCHEMA}.{report.name} where shop_id = %(shop_id)s)"
    )


def _compare(connection: Connection, report: FeedReport, writer: Writer) -> None:
    """Creates a table with the state of every valid document: stored, newer, other content."""
    id_ = document_id(report)
    digest = " # ".join([content(report, "doc"), *(f"coalesce(of_{c.name}.content, 0)" for c in report.children)])
    joins = "\n".join(
        f"left join of_{child.name} on of_{child.name}.part = doc.part and of_{child.name}.{id_} = doc.{id_}"
        for child in report.children
    )
    kept = only_in_the_store(report)
    other_kept = f"({', '.join(f'doc.{c}' for c in kept)}) is distinct from ({', '.join(f'stored.{c}' for c in kept)})"
    connection.execute(
        f"""
        create temp table compared on commit drop as
        select doc.{id_} as document_id, {digest} as digest,
            stored.{id_} is not null as is_stored,
            stored.{id_} is null or (
                (stored.updated_at < doc.updated_at
                    or (stored.updated_at = doc.updated_at and stored.synced_at <= %(read_at)s))
                and (stored.deleted_at is null or stored.deleted_at < %(read_at)s)
            ) as is_newer,
            stored.digest as stored_digest, stored.deleted_at, {other_kept} as has_other_kept_columns
        from {incoming(report)} as doc
        {joins}
        left join {SCHEMA}.{report.name} as stored on stored.shop_id = %(shop_id)s and stored.{id_} = doc.{id_}
        where not exists (select from {REJECTS} as bad where bad.document_id = doc.{id_})
        """,
        writer._asdict(),
    )


def _number_changes(connection: Connection, report: FeedReport, writer: Writer) -> None:
    connection.execute(
        f"""
        create temp table changed on commit drop as
        select document_id, digest, is_stored,
            {next_change_seq(report)} + row_number() over (order by document_id) as change_seq
        from compared
        where is_newer and (stored_digest is distinct from digest or deleted_at is not null)
        """,
        writer._asdict(),
    )


def _write_documents(connection: Connection, report: FeedReport, writer: Writer) -> None:
    columns = [name for name in source_columns(report) if name != "shop_id"]
    own = ("digest", "change_seq", "sync_id", "synced_at", "deleted_at")
    replaced = ", ".join(f"{name} = excluded.{name}" for name in (*columns, *own))
    connection.execute(
        f"""
        insert into {SCHEMA}.{report.name} (shop_id, {", ".join((*columns, *own))})
        select %(shop_id)s, {", ".join(f"doc.{name}" for name in columns)},
            changed.digest, changed.change_seq, %(sync_id)s, %(read_at)s, null
        from {incoming(report)} as doc
        join changed on changed.document_id = doc.{document_id(report)}
        on conflict ({", ".join(report.key)}) do update set {replaced}
        """,
        writer._asdict(),
    )


def _write_children(connection: Connection, report: FeedReport, child: Report, writer: Writer) -> None:
    """Replaces the children of the changed documents."""
    id_, values = document_id(report), writer._asdict()
    connection.execute(
        f"""
        delete from {SCHEMA}.{child.name} as stored using changed
        where changed.is_stored and stored.shop_id = %(shop_id)s and stored.{id_} = changed.document_id
        """,
        values,
    )
    if child.name not in MOVING:
        _insert_children(connection, report, child, writer)
        return
    expected = connection.execute(
        f"select coalesce(sum(count), 0) from of_{child.name} join changed on document_id = {id_}"
    ).fetchone()
    assert expected is not None
    inserted = _insert_children(connection, report, child, writer)
    if inserted < expected[0]:
        _take_moved_children(connection, report, child, writer)
        _insert_children(connection, report, child, writer)


def _insert_children(connection: Connection, report: FeedReport, child: Report, writer: Writer) -> int:
    columns = [name for name in source_columns(child) if name != "shop_id"]
    moved = f"on conflict ({', '.join(child.key)}) do nothing" if child.name in MOVING else ""
    return connection.execute(
        f"""
        insert into {SCHEMA}.{child.name} (shop_id, {", ".join(columns)})
        select %(shop_id)s, {", ".join(f"row.{name}" for name in columns)}
        from {incoming(child)} as row
        join changed on changed.document_id = row.{document_id(report)}
        {moved}
        """,
        writer._asdict(),
    ).rowcount


def _take_moved_children(connection: Connection, report: FeedReport, child: Report, writer: Writer) -> None:
    """Deletes stored children that have moved to a changed document. The document that had them gets a new version.

    Its digest becomes null, so that its own next answer counts as another content.
    """
    id_, key = document_id(report), child.key[-1]
    connection.execute(
        f"""
        with moved as (
            delete from {SCHEMA}.{child.name} as stored
            using {incoming(child)} as row, changed
            where stored.shop_id = %(shop_id)s and stored.{key} = row.{key}
                and changed.document_id = row.{id_} and stored.{id_} <> row.{id_}
            returning stored.{id_}
        ),
        numbered as (
            select {id_}, {next_change_seq(report)} + row_number() over (order by {id_}) as change_seq
            from (select distinct {id_} from moved) as documents
        )
        update {SCHEMA}.{report.name} as stored
        set digest = null, change_seq = numbered.change_seq, sync_id = %(sync_id)s, synced_at = %(read_at)s
        from numbered
        where stored.shop_id = %(shop_id)s and stored.{id_} = numbered.{id_}
        """,
        writer._asdict(),
    )


def _touch(connection: Connection, report: FeedReport, writer: Writer) -> None:
    """Updates the columns that only the store keeps, where a document has the same content."""
    kept, id_ = only_in_the_store(report), document_id(report)
    # In a table of its own: PostgreSQL has no statistics of a shop's first rows, and would compare each with each.
    touched = connection.execute(
        """
        create temp table touched on commit drop as
        select document_id from compared
        where is_stored and is_newer and has_other_kept_columns and stored_digest = digest and deleted_at is null
        """
    ).rowcount
    if not touched:
        return
    connection.execute("analyze touched")
    connection.execute(
        f"""
        update {SCHEMA}.{report.name} as stored
        set {", ".join(f"{name} = doc.{name}" for name in kept)}, sync_id = %(sync_id)s, synced_at = %(read_at)s
        from {incoming(report)} as doc
        join touched on touched.document_id = doc.{id_}
        where stored.shop_id = %(shop_id)s and stored.{id_} = doc.{id_}
        """,
        writer._asdict(),
    )
