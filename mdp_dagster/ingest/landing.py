"""Landing an extract in the lake, and what the warehouse gets of it. The file carries all that the ledger will say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from mdp_dagster.connectors.base import Report
from mdp_dagster.ingest.digest import DayContent
from mdp_dagster.ingest.tables import EXTRACTS, REJECTS, report_table
from mdp_dagster.ingest.validate import Reject
from mdp_dagster.lake import Lake
from mdp_dagster.warehouse.base import Append
from mdp_dagster.window import DateWindow

LOADED = "loaded"
UNCHANGED = "unchanged"
REFUSED_FOLDER = "refused"


@dataclass(frozen=True)
class Day:
    """One day of an extract, as the ledger will have it."""

    date: date
    content: DayContent
    status: str
    effective_run_id: str


@dataclass(frozen=True)
class Extract:
    """One pull of one report for one account and window. ``account``: its registry row at the time.

    ``extracted_at``: when the pull began. ``days``: every day of the window; the rows of those that are ``loaded``
    lie at ``landing_uri``.
    """

    source: str
    report: str
    account_id: str
    account: dict[str, Any]
    window: DateWindow
    extract_run_id: str
    extracted_at: datetime
    ingested_at: datetime
    contract_version: int
    dagster_run_id: str
    days: tuple[Day, ...]
    rejects: tuple[Reject, ...] = ()
    landing_uri: str = ""

    @property
    def path(self) -> str:
        """Where in the lake: by source, report and extract."""
        window = f"{self.window.start}_{self.window.last}"
        return f"{self.source}/{self.report}/{self.extract_run_id}/{self.account_id}_{window}.parquet"


def land(lake: Lake, report: Report, extract: Extract, rows: pa.Table) -> Extract:
    """Write the rows of the loaded days (``rows``: with ``date``, without metadata columns), and say where."""
    return replace(extract, landing_uri=lake.write(extract.path, _with_metadata(report, extract, rows), _dump(extract)))


def land_refused(lake: Lake, report: Report, extract: Extract, rows: pa.Table) -> str:
    """Keep an extract that is not to be loaded, out of a rebuild's way."""
    return lake.write(f"{REFUSED_FOLDER}/{extract.path}", _with_metadata(report, extract, rows), _dump(extract))


def landed(lake: Lake, path: str) -> Extract:
    """An extract that was landed earlier."""
    return replace(_load(lake.metadata(path)), landing_uri=f"{lake.uri}/{path}")


def unit(lake: Lake, report: Report, extract: Extract) -> Sequence[Append]:
    """What the warehouse appends for an extract, whole or not at all: rows, rejects, then the ledger."""
    rows = Append(report_table(report), lake.read(extract.landing_uri))
    return [rows, rejects(extract), Append(EXTRACTS, _ledger_rows(extract))]


def rejects(extract: Extract) -> Append:
    """The rejected rows of an extract."""
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


def _with_metadata(report: Report, extract: Extract, rows: pa.Table) -> pa.Table:
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
        "account": extract.account,
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
        "rejects": [[r.date.isoformat() if r.date else None, r.reason, r.payload] for r in extract.rejects],
    }


def _load(metadata: dict[str, Any]) -> Extract:
    return Extract(
        source=metadata["source"],
        report=metadata["report"],
        account_id=metadata["account_id"],
        account=metadata["account"],
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
        rejects=tuple(
            Reject(date.fromisoformat(day) if day else None, reason, payload)
            for day, reason, payload in metadata["rejects"]
        ),
    )
