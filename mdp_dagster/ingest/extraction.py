"""The extract of one account: request its answer, check it, compare it with the ledger, and land it in the lake."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from mdp_dagster.connectors.base import DataSourceConnector, DayReport, NotAnswered, PlatformAccount
from mdp_dagster.connectors.errors import AccountError
from mdp_dagster.ingest.account_registry import OptionsOnDay, Rows, account_options, registry_rows
from mdp_dagster.ingest.answers import CheckedAnswer, check_answer
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.held_days import HeldDay
from mdp_dagster.ingest.landing import LOADED, UNCHANGED, Day, Extract
from mdp_dagster.ingest.ledger import CurrentDays
from mdp_dagster.ingest.requested_days import AccountDays, windows_to_request
from mdp_dagster.ingest.row_validation import Reject
from mdp_dagster.ingest.run_files import RunFiles
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.window import DateWindow

log = logging.getLogger(__name__)

MAX_REJECTED_SHARE = 0.05
"""The largest share of rejected rows over all accounts. Above it, nothing is committed."""
MAX_REJECTED_SHARE_OF_ACCOUNT = 0.5
"""The largest share of rejected rows of one account. Above it, the answer is refused, and raw keeps what it has."""


@dataclass(frozen=True)
class Provenance:
    """Identifies the run behind an extract.

    With ``keep_unchanged``, unchanged days that are needed get a ledger row too; without it (the probe) they leave no
    trace.
    """

    extract_run_id: str
    dagster_run_id: str
    keep_unchanged: bool = True


@dataclass(frozen=True)
class ExtractPlan:
    """What to extract, and everything that the threads need for it.

    Args:
        report: The report to extract.
        window: The days, at most as many as one request may cover.
        accounts: The accounts to extract.
        current: What the ledger has of these days.
        stores: The clients file, the warehouse and the lake.
        provenance: The run behind the extract.
        days: The days of the window that are needed of each account. Default: all.
    """

    report: DayReport
    window: DateWindow
    accounts: Sequence[PlatformAccount]
    current: CurrentDays
    stores: Stores
    provenance: Provenance
    days: AccountDays | None = None

    def windows(self, account_id: str) -> list[DateWindow]:
        """Returns the windows to request of an account, the oldest first."""
        return [self.window] if self.days is None else windows_to_request(self.days[account_id])

    def needs(self, account_id: str, day: date) -> bool:
        """Returns whether the day is needed, and not only part of a request because it is between two needed days."""
        return self.days is None or day in self.days[account_id]

    @cached_property
    def registry(self) -> dict[str, Rows]:
        """The registry rows of each account, by account id."""
        return registry_rows(self.stores.clients, self.accounts)

    @cached_property
    def options(self) -> dict[str, OptionsOnDay]:
        """The options of each account on a day, by account id."""
        return account_options(self.stores.clients, self.accounts)


@dataclass(frozen=True)
class Answer:
    """The source's answer for one account.

    Args:
        account: The account.
        window: The days that were requested.
        rows: All rows of the answer.
        not_answered: Days of the window that the source did not answer.
        extracted_at: When the request was sent; later than every extract in the ledger.
        received_at: When the whole answer had arrived.
        seconds: How long the source took.
    """

    account: PlatformAccount
    window: DateWindow
    rows: pa.Table
    not_answered: frozenset[date]
    extracted_at: datetime
    received_at: datetime
    seconds: float


@dataclass(frozen=True)
class ExtractResult:
    """An extract of one account, landed unless there was nothing to land.

    Args:
        extract: What was landed, with its ledger rows and rejects.
        received: How many rows the answer has.
        duplicates: How many rows have the key of another row of the answer.
        money: The sums of the amounts that are money, by name, in the account's currency.
        restated_days: Days that the ledger had with other rows.
        unchanged_days: How many days the ledger had with the same rows.
        days_not_answered: Days of the window that the source did not answer.
        held: Days that are held back, because the account's total contradicts them.
        landed: False if the extract left no trace.
    """

    extract: Extract
    received: int
    duplicates: int
    money: dict[str, float]
    restated_days: tuple[date, ...]
    unchanged_days: int
    days_not_answered: tuple[date, ...] = ()
    held: tuple[HeldDay, ...] = ()
    landed: bool = True

    @property
    def rejected(self) -> int:
        """How many rows were rejected."""
        return len(self.extract.rejects)

    def common_reasons(self) -> str:
        """Describes why rows were rejected, the three most frequent reasons first."""
        counted = Counter(reject.reason for reject in self.extract.rejects)
        return "; ".join(f"{reason} ({count}×)" for reason, count in counted.most_common(3))

    @property
    def refused(self) -> bool:
        """Whether too many rows were rejected to accept the answer."""
        return is_refused(self.received, self.extract.rejects)


def is_refused(received: int, rejects: Sequence[Reject]) -> bool:
    """Returns whether too many rows of an answer were rejected to accept it."""
    return len(rejects) > MAX_REJECTED_SHARE_OF_ACCOUNT * received


def request_answer(
    connector: DataSourceConnector, plan: ExtractPlan, account: PlatformAccount, window: DateWindow
) -> Answer:
    """Returns the source's whole answer for one account and one of its windows.

    Raises:
        ConnectorError: What the connector raises.
    """
    extracted_at = _extract_time(plan.current.newest_extract(account.account_id))
    began = time.monotonic()
    batches, not_answered = [], set[date]()
    for part in connector.extract(plan.report, account, window):
        if isinstance(part, NotAnswered):
            not_answered |= part.days
        else:
            batches.append(part)
    rows = pa.Table.from_batches(batches, schema=plan.report.schema)
    seconds = time.monotonic() - began
    # max: the clock may have been set back in the meantime
    received_at = max(utc_now(), extracted_at)
    return Answer(account, window, rows, frozenset(not_answered), extracted_at, received_at, seconds)


def checked_answer(plan: ExtractPlan, answer: Answer) -> CheckedAnswer:
    """Returns the valid rows of an answer, its rejects, and what each day contains.

    Raises:
        AccountError: The connector sent rows for a day that it reported as not answered.
    """
    report, account_id = plan.report, answer.account.account_id
    checked = check_answer(report, answer.rows, answer.window, plan.options[account_id], answer.account)
    if contradictions := sorted(answer.not_answered & checked.contents.keys()):
        listed = ", ".join(map(str, contradictions))
        raise AccountError(
            f"{report.table}: rows were received for days that were reported as not answered: {listed}",
            "correct the connector",
        )
    return checked


def land_answer(
    plan: ExtractPlan, answer: Answer, checked: CheckedAnswer, held: Sequence[HeldDay], files: RunFiles
) -> ExtractResult:
    """Adds what is new in an answer to the run's files. Nothing is visible yet.

    The rows of held days are added to the refused ones, as evidence. The ledger gets no row for these days.

    Raises:
        LakeError: The lake cannot be written.
    """
    report, account_id = plan.report, answer.account.account_id
    compared, restated = _compare_with_ledger(plan, answer, checked)
    held_dates = {day.date for day in held}
    days = tuple(day for day in compared if day.date not in held_dates)
    loaded = [day.date for day in days if day.status == LOADED]
    not_answered = tuple(day for day in answer.window.days() if day in answer.not_answered)
    # an hourly probe that finds nothing new should not fill the log with a line for each account
    log.log(
        logging.INFO if days else logging.DEBUG, "%s account %s, %s: %d rows in %.1f s",
        report.table, account_id, answer.window, answer.rows.num_rows, answer.seconds,
    )  # fmt: skip
    extract = Extract(
        source=report.source,
        report=report.name,
        account_id=account_id,
        account=plan.registry[account_id],
        window=answer.window,
        extract_run_id=plan.provenance.extract_run_id,
        extracted_at=answer.extracted_at,
        ingested_at=answer.received_at,
        contract_version=report.contract_version,
        dagster_run_id=plan.provenance.dagster_run_id,
        days=days,
        rejects=checked.rejects,
    )
    result = ExtractResult(
        extract=extract,
        received=answer.rows.num_rows,
        duplicates=checked.duplicates,
        money=checked.money,
        restated_days=tuple(day for day in restated if day not in held_dates),
        unchanged_days=len(answer.window) - len(not_answered) - len(loaded) - len(held),
        days_not_answered=not_answered,
        held=tuple(held),
    )
    if result.refused:
        files.add_refused(extract, checked.rows)
        return result
    if held:
        contradicted = tuple(day for day in compared if day.date in held_dates)
        evidence = replace(extract, days=contradicted, rejects=())  # the rejects are in the accepted file
        files.add_refused(evidence, _rows_of(checked, held_dates))
    if not days:
        return replace(result, landed=False)
    files.add(extract, _rows_of(checked, loaded))
    return result


def _rows_of(checked: CheckedAnswer, days: Collection[date]) -> pa.Table:
    return checked.rows.filter(pc.is_in(checked.rows.column("date"), pa.array(list(days), pa.date32())))


def _extract_time(newest_extract: datetime | None) -> datetime:
    """Returns now, but later than every extract in the ledger.

    Otherwise a clock that was set back would make old rows the newest.
    """
    now = utc_now()
    return now if newest_extract is None else max(now, newest_extract + timedelta(microseconds=1))


def _compare_with_ledger(
    plan: ExtractPlan, answer: Answer, checked: CheckedAnswer
) -> tuple[tuple[Day, ...], tuple[date, ...]]:
    """Returns the extract's ledger rows and the days that were restated.

    Each answered day has a row, but for an unchanged day only if it is needed.
    """
    days, restated = [], []
    for day in answer.window.days():
        if day in answer.not_answered:
            continue
        content = checked.contents.get(day) or checked.empty(day)
        before = plan.current.get(answer.account.account_id, day)
        same_contract = before is not None and before.contract_version == plan.report.contract_version
        if before is not None and same_contract and before.content_digest == content.digest:
            if plan.provenance.keep_unchanged and plan.needs(answer.account.account_id, day):
                days.append(Day(day, content, UNCHANGED, before.effective_run_id))
            continue
        days.append(Day(day, content, LOADED, plan.provenance.extract_run_id))
        if same_contract:
            restated.append(day)
    return tuple(days), tuple(restated)
