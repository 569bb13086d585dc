"""Lands an extract in the lake, and derives its rows in the warehouse.

The file's metadata has everything that the ledger gets, so that raw can be rebuilt from the lake.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.digest import DayContent
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
        landing_uri: The file in the lake.
        exact: Whether the file has exactly the columns that the report has now.
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
    landing_uri: str = ""
    exact: bool = True

    @property
    def path(self) -> str:
        """The file's path in the lake, by source, report and extract."""
        window = f"{self.window.start}_{self.window.last}"
        return f"{self.source}/{self.report}/{self.extract_run_id}/{self.account_id}_{window}.parquet"


def land(lake: Lake, report: DayReport, extract: Extract, rows: pa.Table) -> Extract:
    """Writes the rows of the loaded days, and returns the extract with the file's address.

    ``rows`` have a ``date`` column, but not the other metadata columns.
    """
    return replace(extract, landing_uri=_write(lake, extract.path, report, extract, rows))


def land_refused(lake: Lake, report: DayReport, extract: Extract, rows: pa.Table) -> str:
    """Writes a refused extract to a folder that a rebuild does not load, and returns its address."""
    return _write(lake, f"{REFUSED_FOLDER}/{extract.path}", report, extract, rows)


def refuse(lake: Lake, extract: Extract) -> None:
    """Moves a landed extract to the folder that a rebuild does not load."""
    paths = [_rejects_of(extract.path)] if extract.rejects else []
    for path in (extract.path, *paths):
        lake.move(path, f"{REFUSED_FOLDER}/{path}")


def landed_paths(lake: Lake) -> Iterator[str]:
    """Returns the paths of all extracts in the lake, including the refused ones."""
    return (path for path in lake.files() if not path.endswith(_REJECTS_ENDING))


def landed(lake: Lake, path: str) -> Extract:
    """Returns an extract that was landed earlier."""
    metadata = lake.metadata(path)
    address = f"{lake.uri}/{path}"
    rejected = lake.read(_rejects_of(address)).to_pylist() if metadata["rejects"] else []
    rejects = tuple(Reject(row["date"], row["reason"], row["payload"]) for row in rejected)
    return replace(_load(metadata), landing_uri=address, rejects=rejects)


def _write(lake: Lake, path: str, report: DayReport, extract: Extract, rows: pa.Table) -> str:
    """Writes the rejects first: when the extract's own file appears, the extract is complete."""
    if extract.rejects:
        lake.write(_rejects_of(path), _rejected_rows(extract).read(), {"kind": "rejects"})
    return lake.write(path, _with_metadata(report, extract, rows), _dump(extract))


def _rejects_of(path: str) -> str:
    return path.removesuffix(".parquet") + _REJECTS_ENDING


def unit(lake: Lake, report: DayReport, extract: Extract) -> Unit:
    """Returns what the warehouse appends for an extract: rows, rejects, then the ledger rows.

    The unit is appended once even if it is committed again, because a rebuild may have loaded it already.
    """

    def read() -> pa.Table:
        return _with_new_columns(lake.read(extract.landing_uri), report)

    loaded = sum(day.content.row_count for day in extract.days if day.status == LOADED)
    rows = Append(report_table(report), LandedRows(extract.landing_uri, loaded, read, extract.exact))
    ledger = Append(EXTRACTS, _ledger_rows(extract))
    return Unit([rows, _rejected_rows(extract), ledger], commit_key={"landing_uri": extract.landing_uri})


def rejects_unit(extract: Extract) -> Unit:
    """Returns only the rejected rows, for an extract that is not loaded."""
    return Unit([_rejected_rows(extract)])


def _with_new_columns(rows: pa.Table, report: DayReport) -> pa.Table:
    """Adds columns that were added to the report after the file was written; they are empty."""
    schema = report_table(report).schema
    columns = [
        rows.column(field.name) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _rejected_rows(extract: Extract) -> Append:
    return Append(
        REJECTS,
        pa.Table.from_pylist(
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
        ),
    )


def _ledger_rows(extract: Extract) -> pa.Table:
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
                "status": day.status,
                "effective_run_id": day.effective_run_id,
                "contract_version": extract.contract_version,
                "landing_uri": extract.landing_uri,
                "dagster_run_id": extract.dagster_run_id,
            }
            for day in extract.days
        ],
        EXTRACTS.schema,
    )


def _with_metadata(report: DayReport, extract: Extract, rows: pa.Table) -> pa.Table:
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


def _dump(extract: Extract) -> dict[str, Any]:
    return {
        "kind": "extract",
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
            [d.date.isoformat(), d.content.row_count, d.content.digest, d.status, d.effective_run_id]
            for d in extract.days
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
            Day(date.fromisoformat(day), DayContent(count, digest), status, effective)
            for day, count, digest, status, effective in metadata["days"]
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
