"""The raw tables of reports that are extracted by change, and their ledger.

The current version of a document is its row with the highest ``change_seq`` among the extracts in the ledger. Its
children have the same ``change_seq`` and the same ``extract_run_id``.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from mdp_dagster.connectors.base import FeedReport, Report
from mdp_dagster.ingest.tables import UTC, column_descriptions
from mdp_dagster.warehouse.base import Table

# Name, type and description of each column. These come before a report's own columns.
_ROW_METADATA = (
    ("source", pa.string(), "The source, for example `shop`."),
    ("account_id", pa.string(), "The account's id in the clients file: the shop's domain."),
    ("extract_run_id", pa.string(), "The extract that brought the row."),
    ("ingested_at", UTC, "When the row was read (UTC)."),
    ("change_seq", pa.int64(), "The number of the document's version. A later version has a higher number."),
)
_DOCUMENT_METADATA = (("deleted_at", UTC, "When the document was found to be deleted (UTC). Null while it exists."),)

_FEEDS = (
    ("source", pa.string(), "The source, for example `shop`."),
    ("report", pa.string(), "The table: `orders`, or a part of its documents such as `order_items`."),
    ("account_id", pa.string(), "The account's id in the clients file: the shop's domain."),
    ("extract_run_id", pa.string(), "The extract. All tables and accounts of a materialization share it."),
    ("extracted_at", UTC, "When the extract began (UTC)."),
    ("ingested_at", UTC, "When the rows were read (UTC)."),
    ("cursor_from", pa.int64(), "The extract has the documents with a `change_seq` above this number,"),
    ("cursor_to", pa.int64(), "up to and including this one."),
    ("row_count", pa.int64(), "The rows of the table in this extract."),
    ("content_digest", pa.string(), "A digest of the documents with all their parts, in the order of the file."),
    ("contract_version", pa.int32(), "The version of the report's columns."),
    ("landing_uri", pa.string(), "The table's file in the lake."),
    ("dagster_run_id", pa.string(), "The Dagster run."),
)

FEEDS = Table(
    name="raw__feeds",
    description=(
        "The ledger of extracts by change. Grain: source × report × account × extract_run_id. Only rows of extracts in "
        "this ledger count. A document's row with the highest change_seq is its current version."
    ),
    schema=pa.schema([(name, type_) for name, type_, _ in _FEEDS]),
    descriptions={name: description for name, _, description in _FEEDS},
    cluster_columns=("source", "report", "account_id"),
)


def feed_table(feed: FeedReport, part: Report) -> Table:
    """Returns the append-only raw table of a feed's documents or of their parts.

    It has no partitions: the current version of a document can be years old.
    """
    metadata = (*_ROW_METADATA, *(_DOCUMENT_METADATA if part is feed else ()))
    grain = part.grain if part is feed else f"{part.grain} × change_seq"
    return Table(
        name=part.table,
        description=f"{part.description} Grain: {grain} × extract_run_id, append-only.",
        schema=pa.schema([*((name, type_) for name, type_, _ in metadata), *part.schema]),
        descriptions={name: description for name, _, description in metadata} | column_descriptions(part),
        cluster_columns=("account_id", "change_seq", part.key[-1]),
    )


def feed_tables(feeds: Iterable[FeedReport]) -> list[Table]:
    """Returns the ledger and all raw tables of the feeds. Empty without feeds."""
    tables = [feed_table(feed, part) for feed in feeds for part in feed.parts]
    return [FEEDS, *tables] if tables else []
