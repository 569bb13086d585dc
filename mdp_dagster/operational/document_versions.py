"""One version of each document: the temporary tables of a sync without repeated and outdated rows.

The same document can be in several files, because it changed while the files were made. The same line can be in a file
twice. An item can have moved from one order to another between two files.
"""

from __future__ import annotations

from mdp_dagster.connectors.base import FeedReport, Report
from mdp_dagster.operational.postgres import Connection
from mdp_dagster.operational.store_schema import document_id
from mdp_dagster.operational.sync_input import incoming

REJECTS = "sync_rejects"
"""The temporary table with the rejects of a sync: document, table, row, reason, payload."""


def content(report: Report, row: str) -> str:
    """Returns the SQL of a number that differs if a raw column of the row differs."""
    columns = ", ".join(f"{row}.{column.name}" for column in report.columns if column.name != "shop_id")
    return f"hash_record_extended(row({columns}), 0)"


def keep_one_version(connection: Connection, report: FeedReport) -> None:
    """Deletes all rows of a document except those of its newest version. Rejects documents with two contents."""
    parents, id_ = incoming(report), document_id(report)
    if not _has_repeats(connection, parents, id_):
        _keep_children_once(connection, report)
        return
    connection.execute(
        f"""
        insert into {REJECTS} (document_id, table_name, row_id, reason, payload)
        select {id_}, '{report.name}', {id_}::text, 'two contents with the same updated_at', ''
        from (
            select row.{id_}, row.updated_at, {content(report, "row")} as content,
                max(row.updated_at) over (partition by row.{id_}) as newest
            from {parents} as row
        ) as versions
        where updated_at = newest
        group by {id_}
        having count(distinct content) > 1
        """
    )
    connection.execute(f"create temp table in_outdated (part integer, {id_} bigint) on commit drop")
    connection.execute(
        f"""
        with ranked as (
            select ctid, row_number() over (partition by {id_} order by updated_at desc, part desc, ctid desc) as rank
            from {parents}
        ),
        deleted as (
            delete from {parents} as row using ranked where row.ctid = ranked.ctid and rank > 1
            returning row.part, row.{id_}
        )
        insert into in_outdated select distinct part, {id_} from deleted
        """
    )
    for child in report.children:
        connection.execute(
            f"""
            delete from {incoming(child)} as row using in_outdated
            where row.part = in_outdated.part and row.{id_} = in_outdated.{id_} and not exists (
                select from {parents} as parent where parent.part = row.part and parent.{id_} = row.{id_}
            )
            """
        )
    _keep_children_once(connection, report)


def _keep_children_once(connection: Connection, report: FeedReport) -> None:
    """Deletes repeated rows of children, and leaves a child that moved to the document that changed last."""
    parents, id_ = incoming(report), document_id(report)
    for child in report.children:
        table, key = incoming(child), child.key[-1]
        if not _has_repeats(connection, table, key):
            continue
        connection.execute(
            f"""
            with ranked as (
                select row.ctid, row_number() over (partition by {key}, {id_}, {content(child, "row")}) as rank
                from {table} as row
            )
            delete from {table} as row using ranked where row.ctid = ranked.ctid and rank > 1
            """
        )
        connection.execute(
            f"""
            insert into {REJECTS} (document_id, table_name, row_id, reason, payload)
            select {id_}, '{child.name}', {key}::text, 'two contents in one version', ''
            from {table} where {id_} is not null
            group by {id_}, {key} having count(*) > 1
            """
        )
        connection.execute(
            f"""
            with ranked as (
                select row.ctid, row.{id_}, first_value(row.{id_}) over (
                    partition by row.{key} order by parent.updated_at desc nulls last, row.{id_} desc
                ) as holder
                from {table} as row
                left join {parents} as parent on parent.part = row.part and parent.{id_} = row.{id_}
                where row.{id_} is not null
            )
            delete from {table} as row using ranked where row.ctid = ranked.ctid and row.{id_} <> holder
            """
        )


def _has_repeats(connection: Connection, table: str, key: str) -> bool:
    found = connection.execute(f"select 1 from {table} group by {key} having count(*) > 1 limit 1").fetchone()
    return found is not None
