"""The rules that concern several rows of a sync. The rules for one row are the connector's."""

from __future__ import annotations

from dataclasses import dataclass

from mdp_dagster.connectors.base import FeedReport
from mdp_dagster.operational.document_versions import REJECTS, content
from mdp_dagster.operational.postgres import Connection
from mdp_dagster.operational.store_schema import document_id
from mdp_dagster.operational.sync_input import incoming

MAX_REJECTED_SHARE = 0.05
"""If strictly more of a sync's documents are rejected, nothing of the sync is committed."""

_TOLERANCE = "0.05"  # rounding of the shop's system, in the order's currency
_ITEMISED_SINCE = "2021-07-01"  # older orders may have been placed without the ledger of their sales
_MOST_REASONS = 5


@dataclass(frozen=True)
class RejectedShare:
    """How many documents of a sync are rejected, and the most frequent reasons with their number of rows."""

    rejected: int
    documents: int
    reasons: tuple[tuple[str, int], ...] = ()

    @property
    def is_too_large(self) -> bool:
        """Whether nothing of the sync may be committed."""
        return self.rejected > MAX_REJECTED_SHARE * self.documents

    def __str__(self) -> str:
        """The figures and the reasons."""
        reasons = "; ".join(f"{reason} ({count} rows)" for reason, count in self.reasons)
        return f"{self.rejected} of {self.documents} rejected" + (f": {reasons}" if reasons else "")


def make_rejects_table(connection: Connection) -> None:
    """Creates the temporary table for rejects."""
    connection.execute(
        f"create temp table {REJECTS} (document_id bigint, source_id text, table_name text not null, "
        "row_id text not null, reason text not null, payload text not null) on commit drop"
    )


def sum_children(connection: Connection, report: FeedReport) -> None:
    """Creates a table with one row for each document and child table: number, content, and what rules need."""
    id_ = document_id(report)
    for child in report.children:
        ordered = ", sum(amount) filter (where reason = 'ORDER') as ordered" if child.name == "order_sales" else ""
        connection.execute(
            f"""
            create temp table of_{child.name} on commit drop as
            select part, {id_}, count(*) as count, bit_xor({content(child, "row")}) as content{ordered}
            from {incoming(child)} as row
            group by part, {id_}
            """
        )
        connection.execute(f"analyze of_{child.name} (part, {id_})")


def apply_rules(connection: Connection, report: FeedReport) -> RejectedShare:
    """Adds every broken rule to the rejects, and returns their share."""
    _add_rejected_rows(connection, report)
    for child in report.children:
        _add_rows_without_parent(connection, report, child.name)
    if report.name == "orders":
        _add_wrong_sums(connection)
    return _share(connection, report)


def _add_rejected_rows(connection: Connection, report: FeedReport) -> None:
    """Adds the connector's rejects, with their document where it can be found."""
    if connection.execute("select 1 from in_rejected limit 1").fetchone() is None:
        return
    document, events = "bad.document_id", ""
    if report.name == "orders":
        document = "coalesce(bad.document_id, event.document_id)"
        events = """
            left join (
                select part, agreement_id, min(document_id) as document_id
                from (
                    select part, agreement_id, order_id as document_id from in_order_agreements
                    union all
                    select part, agreement_id, document_id from in_rejected where document_id is not null
                ) as all_events
                where agreement_id is not null
                group by part, agreement_id
            ) as event on event.part = bad.part and event.agreement_id = bad.agreement_id
        """
    connection.execute("analyze in_rejected (part, agreement_id)")
    connection.execute(
        f"""
        insert into {REJECTS}
        select {document}, 'agreement ' || bad.agreement_id, bad.table_name, bad.row_id, bad.reason, bad.payload
        from in_rejected as bad {events}
        """
    )
    connection.execute(f"analyze {REJECTS} (document_id)")


def _add_rows_without_parent(connection: Connection, report: FeedReport, child: str) -> None:
    """Adds the children of documents that are not in the answer. Rows of a rejected document are rejected with it."""
    id_ = document_id(report)
    if child == "order_sales":
        _add_sales_without_agreement(connection)
    connection.execute(
        f"""
        insert into {REJECTS}
        select orphan.{id_}, null, '{child}', '', orphan.count || ' rows without their {id_.removesuffix("_id")}', ''
        from of_{child} as orphan
        where orphan.{id_} is not null
            and not exists (
                select from {incoming(report)} as parent
                where parent.part = orphan.part and parent.{id_} = orphan.{id_}
            )
            and not exists (select from {REJECTS} as known where known.document_id = orphan.{id_})
        """
    )


def _add_sales_without_agreement(connection: Connection) -> None:
    """Adds the sales without an agreement. If the agreement was rejected, their order is rejected already."""
    connection.execute(
        f"""
        insert into {REJECTS}
        select null, 'agreement ' || agreement_id, 'order_sales', min(sale_id)::text,
            count(*) || ' sales without their agreement', ''
        from in_order_sales as sale
        where order_id is null and not exists (
            select from in_rejected as bad
            where bad.part = sale.part and bad.agreement_id = sale.agreement_id
        )
        group by agreement_id
        """
    )


def _add_wrong_sums(connection: Connection) -> None:
    """Adds orders where the sales at the time of the order are not the order's original total."""
    connection.execute(
        f"""
        insert into {REJECTS}
        select parent.order_id, null, 'orders', parent.order_id::text,
            case when sales.ordered is null then 'no sales of the order itself, but an original total'
                else 'the sales of the order itself are not its original total' end,
            json_build_object(
                'order_id', parent.order_id, 'currency', parent.currency, 'sales', sales.ordered,
                'original_total_price', parent.original_total_price
            )::text
        from in_orders as parent
        left join of_order_sales as sales on sales.part = parent.part and sales.order_id = parent.order_id
        where abs(coalesce(sales.ordered, 0) - parent.original_total_price) > {_TOLERANCE}
            and (sales.ordered is not null or parent.processed_at >= '{_ITEMISED_SINCE}')
            and not exists (select from {REJECTS} as known where known.document_id = parent.order_id)
        """
    )


def _share(connection: Connection, report: FeedReport) -> RejectedShare:
    """Counts documents. A reject without a known document counts as one of its own."""
    id_, parents = document_id(report), incoming(report)
    row = connection.execute(
        f"""
        select
            (select count(*) from {parents}),
            count(distinct reject.document_id),
            count(distinct reject.document_id) filter (where parent.{id_} is null),
            count(distinct coalesce(reject.source_id, reject.ctid::text)) filter (where reject.document_id is null)
        from {REJECTS} as reject
        left join {parents} as parent on parent.{id_} = reject.document_id
        """
    ).fetchone()
    assert row is not None
    parents_count, with_document, not_among_parents, without_document = row
    reasons = connection.execute(
        f"select reason, count(*) from {REJECTS} group by 1 order by 2 desc, 1 limit {_MOST_REASONS}"
    ).fetchall()
    return RejectedShare(
        with_document + without_document,
        parents_count + not_among_parents + without_document,
        tuple((reason, count) for reason, count in reasons),
    )
