"""The raw tables: one for each report, the ledger, the rejects and the account registry."""

from __future__ import annotations

import pyarrow as pa

from mdp_dagster.connectors.base import Column, DayReport, Report
from mdp_dagster.warehouse.base import Table

UTC = pa.timestamp("us", tz="UTC")

# Name, type and description of each column, in order.
_Columns = tuple[tuple[str, pa.DataType, str], ...]

# These come before a report's own columns.
_ROW_METADATA: _Columns = (
    ("source", pa.string(), "The source, for example `google_ads`."),
    ("account_id", pa.string(), "The account's id, digits only."),
    ("date", pa.date32(), "The day, in the account's time zone, as a date."),
    ("extract_run_id", pa.string(), "The extract that brought the row. One id for all accounts of a materialization."),
    ("ingested_at", UTC, "When the row was landed (UTC)."),
)

_EXTRACTS: _Columns = (
    ("source", pa.string(), "The source, for example `google_ads`."),
    ("report", pa.string(), "The report: `account_daily` or `campaign_daily`."),
    ("account_id", pa.string(), "The account's id, digits only."),
    ("date", pa.date32(), "The day, in the account's time zone. Every answered day has a row, also an empty one."),
    ("extract_run_id", pa.string(), "The extract."),
    ("extracted_at", UTC, "When the extract began (UTC). The newest one of a day counts."),
    ("ingested_at", UTC, "When the whole answer had arrived (UTC). Null in rows older than this column."),
    ("row_count", pa.int64(), "Rows of the day; 0 if the day is empty."),
    ("content_digest", pa.string(), "A digest of the day's rows, independent of their order."),
    (
        "amounts_digest",
        pa.string(),
        "Account totals: a digest of the amounts that the marts show, and of the account's options. It decides whether "
        "the day is late. Null for other reports, and in rows older than this column.",
    ),
    (
        "status",
        pa.string(),
        "`loaded`: this extract appended rows. `unchanged`: the day was the same, nothing appended.",
    ),
    ("effective_run_id", pa.string(), "The extract that the day's current rows belong to."),
    ("contract_version", pa.int32(), "The version of the report's columns."),
    ("landing_uri", pa.string(), "The file in the lake. It has the rows of all accounts of the run."),
    ("dagster_run_id", pa.string(), "The Dagster run."),
)

_REJECTS: _Columns = (
    ("source", pa.string(), "The source, for example `google_ads`."),
    ("report", pa.string(), "The report."),
    ("account_id", pa.string(), "The account's id, digits only."),
    ("date", pa.date32(), "The row's day. Null if the row has no readable one."),
    ("extract_run_id", pa.string(), "The extract."),
    ("ingested_at", UTC, "When the row was rejected (UTC)."),
    ("reason", pa.string(), "Everything that is wrong with the row, for example `campaign_id is missing`."),
    ("payload", pa.string(), "The row as received, as JSON."),
)

_ACCOUNTS: _Columns = (
    ("source", pa.string(), "The source, for example `google_ads`."),
    ("account_id", pa.string(), "The account's id, digits only."),
    ("account_name", pa.string(), "The account's name, from the source."),
    ("currency", pa.string(), "The account's currency (ISO 4217), from the source."),
    ("time_zone", pa.string(), "The account's time zone (IANA name), from the source."),
    ("listed_as", pa.string(), "The id in the clients file that led to the account: its own, or its manager's."),
    ("manager_id", pa.string(), "The manager account that gives access to it. Empty if there is none."),
    ("client_id", pa.string(), "The client, from the clients file."),
    ("client_name", pa.string(), "The client's name, from the clients file."),
    ("reporting_currency", pa.string(), "The currency of the client's reports (ISO 4217), from the clients file."),
    (
        "exchange_rate",
        pa.float64(),
        "Reporting currency for one unit of the account's currency, from the clients file. 1 if they are the same, "
        "null if there is no rate.",
    ),
    (
        "conversion_action_type",
        pa.string(),
        "Meta: the action type that counts as a conversion in this account. Null unless the clients file sets it.",
    ),
    (
        "lookback_days",
        pa.int64(),
        "For how many days the platform rewrites a day of this client. Null unless the clients file sets it: then the "
        "platform's usual number applies.",
    ),
    (
        "valid_from",
        pa.date32(),
        "The first day for which the row's facts are valid, from the clients file. They are valid until the account's "
        "next row of the same `ingested_at`. Null: from the beginning.",
    ),
    (
        "facts_digest",
        pa.string(),
        "A digest of the facts from the clients file. Days that were built with the same facts have the same digest. "
        "Null in rows older than this column.",
    ),
    (
        "extract_run_id",
        pa.string(),
        "The extract that wrote the row, or the Dagster run of a dbt build that found a change in the clients file.",
    ),
    ("ingested_at", UTC, "When the row was written (UTC). An account's newest rows count; they share it."),
)

_ACCEPTED_DIFFERENCES: _Columns = (
    (
        "source",
        pa.string(),
        "The source, for example `google_ads`. Null in the one row of a file that accepts nothing.",
    ),
    ("account_id", pa.string(), "The account's id."),
    ("first_day", pa.date32(), "The first accepted day."),
    ("last_day", pa.date32(), "The last accepted day."),
    ("metric", pa.string(), "`spend`, `impressions`, `clicks` or `conversions`."),
    (
        "up_to",
        pa.float64(),
        "The largest accepted difference between the campaigns and the account's total, without its sign; money is in "
        "the account's currency.",
    ),
    ("reason", pa.string(), "Why the difference is accepted."),
    ("accepted_by", pa.string(), "The person who accepted it. Empty if the file does not name one."),
    ("extract_run_id", pa.string(), "The Dagster run that found the change in the clients file."),
    ("ingested_at", UTC, "When the rows were written (UTC). The newest rows count; they share it."),
)


def _schema(columns: _Columns) -> pa.Schema:
    return pa.schema([(name, type_) for name, type_, _ in columns])


def _descriptions(columns: _Columns) -> dict[str, str]:
    return {name: description for name, _, description in columns}


EXTRACTS = Table(
    name="raw__extracts",
    description=(
        "The extract ledger. Grain: source × report × account × day × extract_run_id. The newest row of a day (by "
        "extracted_at) decides which raw rows are current: those with its effective_run_id."
    ),
    schema=_schema(_EXTRACTS),
    descriptions=_descriptions(_EXTRACTS),
    partition_column="date",
    cluster_columns=("source", "report", "account_id"),
    require_partition_filter=True,
)

REJECTS = Table(
    name="raw__rejects",
    description=(
        "Rejected rows: without their key, outside the window, or with a value of the wrong type. Grain: one rejected "
        "row of an extract."
    ),
    schema=_schema(_REJECTS),
    descriptions=_descriptions(_REJECTS),
    partition_column="date",
    cluster_columns=("source", "report", "account_id"),
)

ACCOUNTS = Table(
    name="raw__accounts",
    description=(
        "The account registry: each account's client and settings, by the days for which they are valid. Grain: source "
        "× account × ingested_at × valid_from. The newest rows of an account count. When the source's or the clients "
        "file's data changes, all rows of the account are added again."
    ),
    schema=_schema(_ACCOUNTS),
    descriptions=_descriptions(_ACCOUNTS),
    cluster_columns=("source", "account_id"),
)

ACCEPTED_DIFFERENCES = Table(
    name="raw__accepted_differences",
    description=(
        "The differences between campaigns and account totals that people accept, from the clients file. Grain: "
        "ingested_at × source × account × first day × metric. The newest rows count, for all accounts: when the "
        "entries in the file change, all of them are added again."
    ),
    schema=_schema(_ACCEPTED_DIFFERENCES),
    descriptions=_descriptions(_ACCEPTED_DIFFERENCES),
    cluster_columns=("source", "account_id"),
)

SHARED_TABLES = (EXTRACTS, REJECTS, ACCOUNTS, ACCEPTED_DIFFERENCES)


def report_table(report: DayReport) -> Table:
    """Returns the append-only raw table of a report: metadata columns, then the report's own, as received."""
    return Table(
        name=report.table,
        description=f"{report.description} Grain: {report.grain} × extract_run_id, append-only, as received.",
        schema=pa.schema([*_schema(_ROW_METADATA), *report.schema]),
        descriptions=_descriptions(_ROW_METADATA) | column_descriptions(report),
        partition_column="date",
        cluster_columns=("account_id", *(name for name in report.key if name != report.day_column)),
        require_partition_filter=True,
    )


def column_descriptions(report: Report) -> dict[str, str]:
    """Returns the descriptions of a report's own columns."""
    return {column.name: _described(column) for column in report.columns}


def _described(column: Column) -> str:
    unit = f" Unit: {column.unit}." if column.unit else ""
    as_text = " Text, as received." if column.type.value.endswith("_text") else ""
    return f"{column.description}{unit}{as_text}"
