"""One pull of one account: extract, judge, compare with what we have, land."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mdp_dagster.connectors.base import ColumnType, DataSourceConnector, PlatformAccount, Report
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.digest import EMPTY, DayContent, day_contents
from mdp_dagster.ingest.landing import LOADED, UNCHANGED, Day, Extract, land, land_refused
from mdp_dagster.ingest.ledger import CurrentDays
from mdp_dagster.ingest.validate import validate
from mdp_dagster.lake import Lake
from mdp_dagster.window import DateWindow

log = logging.getLogger(__name__)

MAX_REJECTED_SHARE = 0.05
"""Of all accounts' rows: above it, nothing is committed."""
MAX_REJECTED_SHARE_OF_ACCOUNT = 0.5
"""Of one account's rows: above it, its answer isn't believed, and it keeps the days it has."""


@dataclass(frozen=True)
class Provenance:
    """Which run pulls, and what it leaves of days that are as they were: ``keep_unchanged``, a row in the ledger;
    otherwise nothing, and an extract that changed nothing isn't landed."""

    extract_run_id: str
    dagster_run_id: str
    keep_unchanged: bool = True


@dataclass(frozen=True)
class Pulled:
    """A pull, landed unless there was nothing to land. ``spend`` is in the account's currency. ``restated_days``: days
    we had, with other rows; ``days_unchanged``: with the same. ``duplicates``: rows whose key another row of the same
    pull has."""

    extract: Extract
    received: int
    duplicates: int
    spend: float
    restated_days: tuple[date, ...]
    days_unchanged: int
    landed: bool = True

    @property
    def rejected(self) -> int:
        return len(self.extract.rejects)

    def common_reasons(self) -> str:
        """Why rows were rejected, the most frequent reasons first."""
        counted = Counter(reject.reason for reject in self.extract.rejects)
        return "; ".join(f"{reason} ({count}×)" for reason, count in counted.most_common(3))

    @property
    def refused(self) -> bool:
        """Too much of it was rejected to be believed."""
        return self.rejected > MAX_REJECTED_SHARE_OF_ACCOUNT * self.received


def pull(
    connector: DataSourceConnector,
    report: Report,
    account: PlatformAccount,
    registry_row: dict[str, Any],
    window: DateWindow,
    current: CurrentDays,
    lake: Lake,
    provenance: Provenance,
) -> Pulled:
    """Pull and land; nothing is visible in the warehouse yet.

    Raises what the connector raises, and ``LakeError``.
    """
    extracted_at = _begin(current.newest_pull(account.account_id))
    began = time.monotonic()
    received = pa.Table.from_batches(connector.extract(report, account, window), schema=report.schema)
    seconds = time.monotonic() - began
    good, rejects = validate(report, received, window)
    judged, restated = _judge_days(report, account.account_id, window, day_contents(good), current, provenance)
    loaded = [day.date for day in judged if day.status == LOADED]
    days = judged if provenance.keep_unchanged else tuple(day for day in judged if day.status == LOADED)
    # an hourly look that finds nothing has nothing to say of each account
    log.log(
        logging.INFO if days else logging.DEBUG, "%s account %s, %s: %d rows in %.1f s",
        report.table, account.account_id, window, received.num_rows, seconds,
    )  # fmt: skip
    extract = Extract(
        source=report.source,
        report=report.name,
        account_id=account.account_id,
        account=registry_row,
        window=window,
        extract_run_id=provenance.extract_run_id,
        extracted_at=extracted_at,
        ingested_at=max(utc_now(), extracted_at),  # the clock may have been set back
        contract_version=report.contract_version,
        dagster_run_id=provenance.dagster_run_id,
        days=days,
        rejects=tuple(rejects),
    )
    pulled = Pulled(
        extract=extract,
        received=received.num_rows,
        duplicates=_duplicates(report, good),
        spend=_spend(report, good),
        restated_days=restated,
        days_unchanged=len(judged) - len(loaded),
    )
    if pulled.refused:
        land_refused(lake, report, extract, good)
        return pulled
    if not days:
        return replace(pulled, landed=False)
    new_rows = good.filter(pc.is_in(good.column("date"), pa.array(loaded, pa.date32())))
    return replace(pulled, extract=land(lake, report, extract, new_rows))


def _begin(newest_pull: datetime | None) -> datetime:
    """Now, but never before a pull that we know of: a clock that was set back must not make old rows the newest."""
    now = utc_now()
    return now if newest_pull is None else max(now, newest_pull + timedelta(microseconds=1))


def _judge_days(
    report: Report,
    account_id: str,
    window: DateWindow,
    contents: dict[date, DayContent],
    current: CurrentDays,
    provenance: Provenance,
) -> tuple[tuple[Day, ...], tuple[date, ...]]:
    days, restated = [], []
    for day in window.days():
        content = contents.get(day, EMPTY)
        before = current.get(account_id, day)
        same_contract = before is not None and before.contract_version == report.contract_version
        if before is not None and same_contract and before.content_digest == content.digest:
            days.append(Day(day, content, UNCHANGED, before.effective_run_id))
            continue
        days.append(Day(day, content, LOADED, provenance.extract_run_id))
        if same_contract:
            restated.append(day)
    return tuple(days), tuple(restated)


def _duplicates(report: Report, rows: pa.Table) -> int:
    if len(report.key) == 1:  # a grouping, of few rows, takes several times as long
        return int(rows.num_rows - pc.count_distinct(rows.column(report.key[0]), mode="all").as_py())
    return int(rows.num_rows - rows.group_by(list(report.key)).aggregate([]).num_rows)


def _spend(report: Report, rows: pa.Table) -> float:
    column = next(c for c in report.columns if c.name == report.cost_column)
    values = rows.column(column.name)
    if column.type is ColumnType.DECIMAL_TEXT:
        values = pc.cast(values, pa.float64())
    return (pc.sum(values).as_py() or 0) / report.cost_per_unit
