"""The extracts by change in the lake, and their rows in the warehouse.

An extract has one file for each table. The file of the documents appears last, and its metadata has everything that the
ledger gets. So when it is there, the extract is complete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mdp_dagster.connectors.base import FeedReport, Report
from mdp_dagster.ingest.feed_tables import FEEDS, feed_table
from mdp_dagster.lake import Lake
from mdp_dagster.lake.writer import LakeWriter
from mdp_dagster.warehouse.base import Append, LandedRows, Table, Unit, same_columns

KIND = "feed"
PART_ENDING = ".part.parquet"


@dataclass(frozen=True)
class LandedPart:
    """The file of one table of an extract."""

    report: str
    path: str
    row_count: int


@dataclass(frozen=True)
class FeedExtract:
    """One extract by change of one account.

    Args:
        source: The source.
        report: The report's name.
        account_id: The account.
        extract_run_id: The id of the extract, shared by all feeds and accounts of a run.
        extracted_at: When the extract began.
        ingested_at: When the rows were read.
        cursor_from: The extract has the documents with a number above this one,
        cursor_to: up to and including this one.
        contract_version: The version of the report's columns.
        dagster_run_id: The Dagster run.
        content_digest: A digest of the documents with all their parts.
        parts: The files, that of the documents first.
    """

    source: str
    report: str
    account_id: str
    extract_run_id: str
    extracted_at: datetime
    ingested_at: datetime
    cursor_from: int
    cursor_to: int
    contract_version: int
    dagster_run_id: str
    content_digest: str = ""
    parts: tuple[LandedPart, ...] = ()

    @property
    def documents(self) -> int:
        """The number of documents."""
        return self.parts[0].row_count

    @property
    def path(self) -> str:
        """The path of the documents' file in the lake."""
        account = "".join(letter if letter.isalnum() or letter in ".-_" else "_" for letter in self.account_id)
        return (
            f"{self.source}/{self.report}/{self.extract_run_id}/{account}_{self.cursor_from}_{self.cursor_to}.parquet"
        )


Batches = Iterable[pa.RecordBatch]


def land(lake: Lake, feed: FeedReport, extract: FeedExtract, rows: Iterable[tuple[Report, Batches]]) -> FeedExtract:
    """Writes the files of an extract, and returns it with its parts.

    Args:
        lake: The lake.
        feed: The report.
        extract: The extract, without parts.
        rows: The rows of each table, those of the documents last.

    Raises:
        LakeError: The lake cannot be written. The extract is not in the lake.
    """
    parts: list[LandedPart] = []
    for part, batches in rows:
        is_last = part is feed
        path = extract.path if is_last else f"{extract.path.removesuffix('.parquet')}.{part.name}{PART_ENDING}"
        table = feed_table(feed, part)
        writer = lake.writer(path, table.schema)
        try:
            count, digest = _write(writer, table, extract, batches)  # the last digest is that of the documents
        except BaseException:
            writer.discard()
            raise
        parts.insert(0, LandedPart(part.name, path, count))
        if not is_last:
            writer.finish(path, {"kind": KIND, "part_of": extract.path})
            continue
        extract = replace(extract, content_digest=digest, parts=tuple(parts))
        writer.finish(path, _dump(extract))
    return extract


def _write(writer: LakeWriter, table: Table, extract: FeedExtract, batches: Batches) -> tuple[int, str]:
    constants = {name: getattr(extract, name) for name in ("source", "account_id", "extract_run_id", "ingested_at")}
    digest, count = hashlib.blake2b(digest_size=16), 0
    for batch in batches:
        columns = [
            pa.repeat(pa.scalar(constants[field.name], field.type), batch.num_rows)
            if field.name in constants
            else batch.column(field.name).cast(field.type)
            for field in table.schema
        ]
        if "digest" in batch.schema.names:
            digest.update(pc.fill_null(batch.column("digest"), 0).to_numpy().tobytes())
        count += batch.num_rows
        writer.add(pa.table(columns, schema=table.schema))
    return count, digest.hexdigest()


def landed_extract(metadata: dict[str, Any]) -> FeedExtract:
    """Returns the extract from the metadata of its documents' file."""
    values = dict(metadata["extract"])
    for name in ("extracted_at", "ingested_at"):
        values[name] = datetime.fromisoformat(values[name])
    return FeedExtract(**{**values, "parts": tuple(LandedPart(**part) for part in values["parts"])})


def _dump(extract: FeedExtract) -> dict[str, Any]:
    values = asdict(extract)
    for name in ("extracted_at", "ingested_at"):
        values[name] = values[name].isoformat()
    return {"kind": KIND, "extract": values}


def feed_unit(lake: Lake, feed: FeedReport, extract: FeedExtract) -> Unit:
    """Returns what the warehouse appends for an extract: all tables, then their rows in the ledger.

    The unit is appended once even if it is committed again, because a rebuild may have loaded it already.
    """
    reports = {part.name: part for part in feed.parts}
    # A table that the report had when the file was written, and does not have now, is left out.
    known = [part for part in reversed(extract.parts) if part.report in reports]
    rows = [_append(lake, feed_table(feed, reports[part.report]), part) for part in known]
    ledger = Append(FEEDS, pa.Table.from_pylist([_ledger_row(lake, extract, part) for part in known], FEEDS.schema))
    return Unit([*rows, ledger], commit_key={"landing_uri": lake.address(extract.path)})


def _append(lake: Lake, table: Table, part: LandedPart) -> Append:
    address = lake.address(part.path)

    def parts() -> Iterator[pa.Table]:
        for rows in lake.row_groups(address):
            columns = [
                rows.column(field.name) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
                for field in table.schema
            ]
            yield pa.table(columns, schema=table.schema)

    exact = same_columns(lake.schema(part.path), table.schema)
    return Append(table, LandedRows(address, part.row_count, parts, exact))


def _ledger_row(lake: Lake, extract: FeedExtract, part: LandedPart) -> dict[str, Any]:
    names = (*("source", "account_id", "extract_run_id", "extracted_at", "ingested_at", "cursor_from", "cursor_to"),
             *("contract_version", "dagster_run_id", "content_digest"))  # fmt: skip
    return {
        **{name: getattr(extract, name) for name in names},
        "report": part.report,
        "row_count": part.row_count,
        "landing_uri": lake.address(part.path),
    }
