"""Pulling: ask the platform for an account; judge the answers of some, compare with what we have, land."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mdp_dagster.connectors.base import DataSourceConnector, DayReport, PlatformAccount
from mdp_dagster.ingest.answers import Judged, judge
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.digest import EMPTY, DayContent
from mdp_dagster.ingest.landing import LOADED, UNCHANGED, Day, Extract, land, land_refused
from mdp_dagster.ingest.ledger import CurrentDays
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
    """A pull, landed unless there was nothing to land. ``money``: the sums of the amounts that are money.
    ``restated_days``: days we had, with other rows; ``days_unchanged``: with the same. ``duplicates``: rows whose key
    another row of the same pull has."""

    extract: Extract
    received: int
    duplicates: int
    money: dict[str, float]
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


@dataclass(frozen=True)
class Received:
    """What the platform answered for one account. ``extracted_at``: when it was asked, after every pull that we know
    of; ``received_at``: when the answer was there."""

    account: PlatformAccount
    rows: pa.Table
    extracted_at: datetime
    received_at: datetime
    seconds: float


def receive(
    connector: DataSourceConnector,
    report: DayReport,
    account: PlatformAccount,
    window: DateWindow,
    current: CurrentDays,
) -> Received:
    """Ask the platform. Raises what the connector raises."""
    extracted_at = _begin(current.newest_pull(account.account_id))
    began = time.monotonic()
    rows = pa.Table.from_batches(connector.extract(report, account, window), schema=report.schema)
    seconds = time.monotonic() - began
    # the clock may have been set back meanwhile
    return Received(account, rows, extracted_at, max(utc_now(), extracted_at), seconds)


def take(
    report: DayReport,
    window: DateWindow,
    answers: Sequence[Received],
    registry: Mapping[str, dict[str, Any]],
    current: CurrentDays,
    lake: Lake,
    provenance: Provenance,
) -> list[Pulled]:
    """Judge the answers and land what they bring; nothing is visible in the warehouse yet. ``registry``: each
    account's row. Raises ``LakeError``."""
    judged = judge(report, [answer.rows for answer in answers], window)
    return [
        _take(report, window, answer, one, registry[answer.account.account_id], current, lake, provenance)
        for answer, one in zip(answers, judged, strict=True)
    ]


def _take(
    report: DayReport,
    window: DateWindow,
    answer: Received,
    judged: Judged,
    registry_row: dict[str, Any],
    current: CurrentDays,
    lake: Lake,
    provenance: Provenance,
) -> Pulled:
    account_id = answer.account.account_id
    days, restated = _judge_days(report, account_id, window, judged.contents, current, provenance)
    loaded = [day.date for day in days if day.status == LOADED]
    # an hourly look that finds nothing has nothing to say of each account
    log.log(
        logging.INFO if days else logging.DEBUG, "%s account %s, %s: %d rows in %.1f s",
        report.table, account_id, window, answer.rows.num_rows, answer.seconds,
    )  # fmt: skip
    extract = Extract(
        source=report.source,
        report=report.name,
        account_id=account_id,
        account=registry_row,
        window=window,
        extract_run_id=provenance.extract_run_id,
        extracted_at=answer.extracted_at,
        ingested_at=answer.received_at,
        contract_version=report.contract_version,
        dagster_run_id=provenance.dagster_run_id,
        days=days,
        rejects=judged.rejects,
    )
    pulled = Pulled(
        extract=extract,
        received=answer.rows.num_rows,
        duplicates=judged.duplicates,
        money=judged.money,
        restated_days=restated,
        days_unchanged=len(window) - len(loaded),
    )
    if pulled.refused:
        land_refused(lake, report, extract, judged.rows)
        return pulled
    if not days:
        return replace(pulled, landed=False)
    new_rows = judged.rows.filter(pc.is_in(judged.rows.column("date"), pa.array(loaded, pa.date32())))
    return replace(pulled, extract=land(lake, report, extract, new_rows))


def _begin(newest_pull: datetime | None) -> datetime:
    """Now, but never before a pull that we know of: a clock that was set back must not make old rows the newest."""
    now = utc_now()
    return now if newest_pull is None else max(now, newest_pull + timedelta(microseconds=1))


def _judge_days(
    report: DayReport,
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
            if provenance.keep_unchanged:
                days.append(Day(day, content, UNCHANGED, before.effective_run_id))
            continue
        days.append(Day(day, content, LOADED, provenance.extract_run_id))
        if same_contract:
            restated.append(day)
    return tuple(days), tuple(restated)
