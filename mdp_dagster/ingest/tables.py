"""Raw's tables: one per report, the ledger, the rejects, the accounts."""

from __future__ import annotations

import pyarrow as pa

from mdp_dagster.connectors.base import Report
from mdp_dagster.warehouse.base import Table

UTC = pa.timestamp("us", tz="UTC")

# Before a report's own columns; `date` is the day in the account's time zone, as a date.
_ROW_METADATA = [
    pa.field("source", pa.string()),
    pa.field("account_id", pa.string()),
    pa.field("date", pa.date32()),
    pa.field("extract_run_id", pa.string()),
    pa.field("ingested_at", UTC),
]

EXTRACTS = Table(
    name="raw__extracts",
    description=(
        "The extract ledger. Grain: source × report × account × day × extract_run_id. The newest row (extracted_at) of "
        "a day says under which effective_run_id its current rows stand."
    ),
    schema=pa.schema(
        [
            ("source", pa.string()),
            ("report", pa.string()),
            ("account_id", pa.string()),
            ("date", pa.date32()),
            ("extract_run_id", pa.string()),
            ("extracted_at", UTC),
            ("ingested_at", UTC),
            ("row_count", pa.int64()),
            ("content_digest", pa.string()),
            ("status", pa.string()),
            ("effective_run_id", pa.string()),
            ("contract_version", pa.int32()),
            ("landing_uri", pa.string()),
            ("dagster_run_id", pa.string()),
        ]
    ),
    partition_column="date",
    cluster_columns=("source", "report", "account_id"),
    require_partition_filter=True,
)

REJECTS = Table(
    name="raw__rejects",
    description=(
        "Rows that could not be taken: without their key, outside the window, or of the wrong type. Grain: one "
        "rejected row per pull. `date` is empty where the row had no readable day."
    ),
    schema=pa.schema(
        [
            ("source", pa.string()),
            ("report", pa.string()),
            ("account_id", pa.string()),
            ("date", pa.date32()),
            ("extract_run_id", pa.string()),
            ("ingested_at", UTC),
            ("reason", pa.string()),
            ("payload", pa.string()),
        ]
    ),
    partition_column="date",
    cluster_columns=("source", "report", "account_id"),
)

ACCOUNTS = Table(
    name="raw__accounts",
    description=(
        "Whose account it is. Grain: source × account × ingested_at; the newest row of an account counts. A row is "
        "added when the platform or the clients file says something new."
    ),
    schema=pa.schema(
        [
            ("source", pa.string()),
            ("account_id", pa.string()),
            ("account_name", pa.string()),
            ("currency", pa.string()),
            ("time_zone", pa.string()),
            ("listed_as", pa.string()),
            ("manager_id", pa.string()),
            ("client_id", pa.string()),
            ("client_name", pa.string()),
            ("reporting_currency", pa.string()),
            ("exchange_rate", pa.float64()),
            ("conversion_action_type", pa.string()),
            ("lookback_days", pa.int64()),
            ("extract_run_id", pa.string()),
            ("ingested_at", UTC),
        ]
    ),
    cluster_columns=("source", "account_id"),
)

SHARED_TABLES = (EXTRACTS, REJECTS, ACCOUNTS)


def report_table(report: Report) -> Table:
    """The append-only raw table of a report: metadata columns, then the report's own, as received."""
    return Table(
        name=report.table,
        description=f"{report.description} Grain: {report.grain} × extract_run_id, append-only, as received.",
        schema=pa.schema(_ROW_METADATA + list(report.schema)),
        partition_column="date",
        cluster_columns=("account_id", *(name for name in report.key if name != report.day_column)),
        require_partition_filter=True,
    )
