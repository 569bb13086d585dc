"""The extracts in a file of the lake, and their rows in the warehouse.

The file's metadata has everything that the ledger gets, so that raw can be rebuilt from the lake. `run_files.py` writes
the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from itertools import islice
from typing import Any

import pyarrow as pa

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.digest import DayContent
from mdp_dagster.ingest.feed_landing import PART_ENDING
from mdp_dagster.ingest.row_validation import Reject
from mdp_dagster.ingest.tables import EXTRACTS, REJECTS, report_table
from mdp_dagster.lake import Lake
from mdp_dagster.warehouse.base import Append, LandedRows, Unit
from mdp_dagster.window import DateWindow

LOADED = "loaded"
UNCHANGED = "unchanged"
REFUSED_FOLDER = "refused"
_REJECTS_ENDING = ".rejects.parquet"


@dataclass(frozen=True)
class Day:
    """One day of an extract: its row in the ledger."""

    date: date
    content: DayContent
    status: str
    effective_run_id: str


@dataclass(frozen=True)
class Extract:
    """One extract of one report for one account and window.

    Args:
        source: The source.
        report: The report's name.
        account_id: The account.
        account: The account's registry rows at the time.
        window: The days that were requested.
        extract_run_id: The id of the extract, shared by all accounts of a run.
        extracted_at: When the request was sent.
        ingested_at: When the whole answer had arrived.
        contract_version: The version of the report's columns.
        dagster_run_id: The Dagster run.
        days: The answered days of the window. The file has the rows of those that are ``loaded``.
        rejects: The rejected rows.
    """

    source: str
    report: str
    account_id: str
    account: list[dict[str, Any]]
    window: DateWindow
    extract_run_id: str
    extracted_at: datetime
    ingested_at: datetime
    contract_version: int
    dagster_run_id: str
    days: tuple[Day, ...]
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True)
class LandedFile:
    """A file of the lake: the extracts of one report in one run, for several accounts.

    Args:
        address: The file's address.
        extracts: The extract of each account. Files of earlier versions have one.
        exact: Whether the file has exactly the columns that the report has now.
    """

    address: str
    extracts: tuple[Extract, ...]
    exact: bool = True


def landed_paths(lake: Lake) -> Iterator[str]:
    """Returns the paths of all landed extracts in the lake, including the refused ones."""
    return (path for path in lake.files() if not path.endswith((_REJECTS_ENDING, PART_ENDING)))


def landed(lake: Lake, path: str, metadata: dict[str, Any] | None = None) -> LandedFile:
    """Returns a file that was landed earlier, also one of an earlier version. Reads its metadata unless given."""
    metadata = metadata if metadata is not None else lake.metadata(path)
    dumps = metadata.get("extracts", [metadata])
    rejects = iter(_rejects_in(lake, path) if any(each["rejects"] for each in dumps) else ())
    extracts = (replace(_load(each), rejects=tuple(islice(rejects, each["rejects"]))) for each in dumps)
    return LandedFile(lake.address(path), tuple(extracts))


def _rejects_in(lake: Lake, path: str) -> list[Reject]:
    """Returns the rejects of all extracts in a file, in the order of the extracts."""
    rows = lake.read(lake.address(rejects_of(path))).to_pylist()
    return [Reject(row["date"], row["reason"], row["payload"]) for row in rows]


def rejects_of(path: str) -> str:
    """Returns the path of the file with the rejects of another file."""
    return path.removesuffix(".parquet") + _REJECTS_ENDING


def unit(lake: Lake, report: DayReport, file: LandedFile) -> Unit:
    """Returns what the warehouse appends for a file: rows, rejects, then the ledger rows.

    The unit is appended once even if it is committed again, because a rebuild may have loaded it already.
    """

    def parts() -> Iterator[pa.Table]:
        return (_with_new_columns(rows, report) for rows in lake.row_groups(file.address))

    days = (day for extract in file.extracts for day in extract.days)
    loaded = sum(day.content.row_count for day in days if day.status == LOADED)
    rows = Append(report_table(report), LandedRows(file.address, loaded, parts, file.exact))
    ledger = Append(EXTRACTS, pa.concat_tables(_ledger_rows(each, file.address) for each in file.extracts))
    return Unit([rows, *_rejects(file.extracts), ledger], commit_key={"landing_uri": file.address})


def rejects_unit(extracts: Iterable[Extract]) -> Unit:
    """Returns only the rejected rows, for extracts that are not loaded."""
    return Unit(_rejects(extracts))


def _rejects(extracts: Iterable[Extract]) -> list[Append]:
    rejected = [rejected_rows(extract) for extract in extracts if extract.rejects]
    return [Append(REJECTS, pa.concat_tables(rejected))] if rejected else []


def _with_new_columns(rows: pa.Table, report: DayReport) -> pa.Table:
    """Adds columns that were added to the report after the file was written; they are empty."""
    schema = report_table(report).schema
    columns = [
        rows.column(field.name) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def rejected_rows(extract: Extract) -> pa.Table:
    """Returns the rejects of an extract as rows of their raw table."""
    return pa.Table.from_pylist(
        [
            {
                "source": extract.source,
                "report": extract.report,
                "account_id": extract.account_id,
                "extract_run_id": extract.extract_run_id,
                "ingested_at": extract.ingested_at,
                **asdict(reject),
            }
            for reject in extract.rejects
        ],
        REJECTS.schema,
    )


def _ledger_rows(extract: Extract, address: str) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "source": extract.source,
                "report": extract.report,
                "account_id": extract.account_id,
                "date": day.date,
                "extract_run_id": extract.extract_run_id,
                "extracted_at": extract.extracted_at,
                "ingested_at": extract.ingested_at,
                "row_count": day.content.row_count,
                "content_digest": day.content.digest,
                "amounts_digest": day.content.amounts_digest,
                "status": day.status,
                "effective_run_id": day.effective_run_id,
                "contract_version": extract.contract_version,
                "landing_uri": address,
                "dagster_run_id": extract.dagster_run_id,
            }
            for day in extract.days
        ],
        EXTRACTS.schema,
    )


def with_metadata(report: DayReport, extract: Extract, rows: pa.Table) -> pa.Table:
    """Returns the rows with the columns of the report's raw table."""
    schema = report_table(report).schema
    constants = {
        "source": extract.source,
        "account_id": extract.account_id,
        "extract_run_id": extract.extract_run_id,
        "ingested_at": extract.ingested_at,
    }
    columns = [
        pa.repeat(pa.scalar(constants[field.name], field.type), rows.num_rows)
        if field.name in constants
        else rows.column(field.name)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def dump(extract: Extract) -> dict[str, Any]:
    """Returns an extract as JSON values."""
    return {
        "source": extract.source,
        "report": extract.report,
        "account_id": extract.account_id,
        "account": [{**row, "valid_from": _iso(row["valid_from"])} for row in extract.account],
        "window": [extract.window.start.isoformat(), extract.window.end.isoformat()],
        "extract_run_id": extract.extract_run_id,
        "extracted_at": extract.extracted_at.isoformat(),
        "ingested_at": extract.ingested_at.isoformat(),
        "contract_version": extract.contract_version,
        "dagster_run_id": extract.dagster_run_id,
        "days": [
            [d.date.isoformat(), *d.content[:2], d.status, d.effective_run_id, *d.content[2:]] for d in extract.days
        ],
        "rejects": len(extract.rejects),
    }


def _load(metadata: dict[str, Any]) -> Extract:
    return Extract(
        source=metadata["source"],
        report=metadata["report"],
        account_id=metadata["account_id"],
        account=_registry_rows(metadata["account"]),
        window=DateWindow(*(date.fromisoformat(day) for day in metadata["window"])),
        extract_run_id=metadata["extract_run_id"],
        extracted_at=datetime.fromisoformat(metadata["extracted_at"]),
        ingested_at=datetime.fromisoformat(metadata["ingested_at"]),
        contract_version=metadata["contract_version"],
        dagster_run_id=metadata["dagster_run_id"],
        days=tuple(
            Day(date.fromisoformat(day), DayContent(count, digest, *amounts), status, effective)
            for day, count, digest, status, effective, *amounts in metadata["days"]  # older files do not have amounts
        ),
    )


def _registry_rows(account: dict[str, Any] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reads the registry rows. Files of earlier versions have one row, which is valid from the beginning."""
    rows = account if isinstance(account, list) else [account]
    return [{**row, "valid_from": _day(row.get("valid_from"))} for row in rows]


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
