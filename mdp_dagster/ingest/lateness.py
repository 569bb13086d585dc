"""Finds the late days of a source: days that have to be extracted or built again.

The account totals show most of them, with one cheap request per account for its whole lookback: a day is late when its
totals differ from those that were known at the newest extract of a detail report, in an amount that the marts show.
``Reason`` lists the other cases.

Lateness is a state of the warehouse, not an event of one probe. If a probe is killed after its commit, or a reload
fails before it has extracted or built the day, the day stays late, and the next probe finds it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from enum import Enum

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.account_registry import OptionsOnDay
from mdp_dagster.ingest.amounts_moved import amounts_moved
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.compared_days import ComparedDay, Comparison, days_in_doubt
from mdp_dagster.ingest.digest import same_amounts
from mdp_dagster.ingest.settling import is_settled, settled_at
from mdp_dagster.ingest.shown_facts import days_with_other_facts
from mdp_dagster.ingest.watched_reports import DetailReport, WatchedReports
from mdp_dagster.warehouse.base import Warehouse
from mdp_dagster.window import DateWindow

SETTLING_DAYS = 30
"""For how many days after its lookback a day still gets its last extract."""


class Reason(Enum):
    """Why a day is late, in order of precedence.

    *Restated*: the amounts in the totals differ from those that were known when the day was extracted or, if none were
    known, from the sums of the day's own rows. *Never loaded*: the day is inside the lookback and has totals, but was
    never extracted. *Settled*: the source no longer changes the day, and the day was not extracted since then.
    *Checkpoint*: the day has reached one of the report's ``checkpoint_ages`` and was not extracted since then. *Not
    built*: the mart shows rows of another extract than the current one, or other facts about the account than the valid
    ones; or the reconciliation shows other accepted differences than the clients file has. *Unexplained*: the day's
    rows do not add up to its total, no reason for it is known, and no person accepts the difference.
    """

    RESTATED = "restated"
    NEVER_LOADED = "never loaded"
    SETTLED = "settled"
    CHECKPOINT = "checkpoint"
    NOT_BUILT = "not built"
    UNEXPLAINED = "does not tie to its total"

    @property
    def may_wait(self) -> bool:
        """Whether the day is extracted at the times of the cadence only. Otherwise it is extracted at once."""
        return self in (Reason.RESTATED, Reason.SETTLED, Reason.CHECKPOINT)

    @property
    def needs_extract(self) -> bool:
        """Whether the day has to be extracted. Otherwise it is enough to build it."""
        return self is not Reason.NOT_BUILT


_PRECEDENCE = list(Reason)


@dataclass(frozen=True)
class LateDay:
    """One account's day.

    Args:
        account_id: The account.
        date: The day.
        reason: Why the day has to be extracted or built again.
        moved: By how much the account's totals have changed since the day was extracted, by amount; money is in the
            account's currency.
        totals: A part of the digest of the totals' amounts. It distinguishes one restatement from the next.
        changed_at: When the totals of a restated day first changed after its extract, or when a settled day or a
            checkpoint became due (UTC); None if it is unknown.
        extracted_at: When the newest extract of a restated day began (UTC); None if it is unknown.
        needs_total: Whether the day's total must be extracted again, too: the day is older than those that the probe
            extracts, and its total is older than its rows.
    """

    account_id: str
    date: date
    reason: Reason
    moved: Mapping[str, float] = field(default_factory=dict, hash=False)
    totals: str = ""
    changed_at: datetime | None = None
    extracted_at: datetime | None = None
    needs_total: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class WatchedAccount:
    """An account that the probe watches.

    Args:
        account_id: The account.
        window: The days that are probed.
        lookbacks: For how many days the source keeps changing a day, by the first day that it is valid for. It has
            a value for every day.
        options: What the clients file sets for the account on a day.
        time_zone: The account's time zone (IANA name), in which its days end; empty if it is unknown.
        processing_hours: How many hours after the end of the lookback the source may still be processing a day.
    """

    account_id: str
    window: DateWindow
    lookbacks: Mapping[date, int] = field(hash=False)
    options: OptionsOnDay = field(default=lambda _: {}, hash=False)
    time_zone: str = ""
    processing_hours: int = 0

    def lookback_on(self, day: date) -> int:
        """Returns for how many days the source keeps changing this day."""
        return self.lookbacks[max(first for first in self.lookbacks if first <= day)]

    def is_settled(self, day: date, at: datetime) -> bool:
        """Returns whether the source no longer changed the day at an instant (UTC)."""
        return is_settled(day, self.lookback_on(day), self.processing_hours, self.time_zone, at)

    def is_checkpoint_due(self, day: date, age: int, extracted_at: datetime, now: datetime) -> bool:
        """Returns whether the day has reached an age (in days of the account) since it was extracted."""
        younger = age - 1
        return is_settled(day, younger, 0, self.time_zone, now) and not is_settled(
            day, younger, 0, self.time_zone, extracted_at
        )


def find_late_days(
    warehouse: Warehouse, watched: WatchedReports, accounts: Mapping[str, WatchedAccount], first_day: date
) -> list[LateDay]:
    """Returns the late days of the accounts, ordered by account and day.

    A day that is late in several detail reports is returned once, with the first reason in the order of ``Reason``.

    Args:
        warehouse: The warehouse with the ledger, the raw rows and the marts.
        watched: The reports to compare.
        accounts: The accounts, by id.
        first_day: The first day that MDP has; earlier days are never late.
    """
    if not accounts:
        return []
    start = min(account.window.start for account in accounts.values()) - timedelta(days=SETTLING_DAYS)
    window = DateWindow(max(first_day, start), max(account.window.end for account in accounts.values()))
    found: dict[tuple[str, date], LateDay] = {}
    with warehouse.session():
        for detail in watched.details:
            late_days = _late_days_of(warehouse, watched, detail, accounts, window)
            late_days += _days_with_other_facts(warehouse, detail, DateWindow(first_day, window.end))
            for late in late_days:
                key = late.account_id, late.date
                if key not in found or _rank(late) < _rank(found[key]):
                    found[key] = late
    return [found[key] for key in sorted(found)]


def _rank(late: LateDay) -> int:
    return _PRECEDENCE.index(late.reason)


def _late_days_of(
    warehouse: Warehouse,
    watched: WatchedReports,
    detail: DetailReport,
    accounts: Mapping[str, WatchedAccount],
    window: DateWindow,
) -> list[LateDay]:
    """Returns the days that are late in one detail report."""
    lookbacks = {lookback for account in accounts.values() for lookback in account.lookbacks.values()}
    comparison = Comparison(watched.totals, detail, window, utc_now().date(), lookbacks)
    compared = [day for day in days_in_doubt(warehouse, comparison) if day.account_id in accounts]
    suspected = [day for day in compared if _may_be_restated(accounts[day.account_id], day)]
    options = {account.account_id: account.options for account in accounts.values()}
    moved = amounts_moved(warehouse, watched.totals, detail.report, suspected, options)
    late = []
    for day in compared:
        key = day.account_id, day.date
        if key in moved:
            totals = (day.totals_amounts or day.totals or "")[-8:]
            times = _utc(day.changed_at), _utc(day.extracted_at)
            late.append(LateDay(*key, Reason.RESTATED, moved[key], totals, *times))
        elif reason := _other_reason(accounts[day.account_id], detail.report, day):
            account = accounts[day.account_id]
            due_at, needs_total = _due_at(account, detail.report, day, reason), _needs_total(account, day, reason)
            late.append(LateDay(*key, reason, changed_at=due_at, needs_total=needs_total))
    return late


def _utc(at: datetime | None) -> datetime | None:
    return at and at.replace(tzinfo=timezone.utc)


def _days_with_other_facts(warehouse: Warehouse, detail: DetailReport, days: DateWindow) -> list[LateDay]:
    """Returns the days, of the whole history, that the mart shows with other facts than the valid ones.

    Days between them are included, so that one run builds all of them, and so are later days with another completeness.
    """
    if detail.shown_by is None:
        return []
    found = days_with_other_facts(warehouse, detail.report.source, detail.shown_by, days)
    windows = [(each.account_id, each.to_build(detail.shown_by.measured_days, days)) for each in found]
    return [LateDay(account_id, day, Reason.NOT_BUILT) for account_id, window in windows for day in window.days()]


def _may_be_restated(account: WatchedAccount, day: ComparedDay) -> bool:
    is_comparable = day.date in account.window and day.totals is not None and day.extracted_at is not None
    return (
        is_comparable
        and day.totals != day.totals_before
        and not same_amounts(day.totals_amounts, day.totals_before_amounts, account.options(day.date))
    )


def _other_reason(account: WatchedAccount, report: DayReport, day: ComparedDay) -> Reason | None:
    if day.extracted_at is None:
        return Reason.NEVER_LOADED if day.date in account.window else None
    # The dbt models have the same rule: otherwise a day could be final here and not final there.
    now = utc_now()
    last_age = account.lookback_on(day.date) + SETTLING_DAYS
    is_due = account.is_settled(day.date, now) and (now.date() - day.date).days <= last_age
    if is_due and not account.is_settled(day.date, day.extracted_at):
        return Reason.SETTLED
    reached = (account.is_checkpoint_due(day.date, age, day.extracted_at, now) for age in report.checkpoint_ages)
    if day.date in account.window and any(reached):
        return Reason.CHECKPOINT
    if day.is_unexplained and not day.mart_differs:
        return Reason.UNEXPLAINED
    # also for an old day: its last extract may have ended before the mart was built
    return Reason.NOT_BUILT if day.mart_differs or day.acceptance_differs else None


def _needs_total(account: WatchedAccount, day: ComparedDay, reason: Reason) -> bool:
    """Returns whether an old day can only tie to its total if the total is extracted again."""
    if day.date in account.window or reason is not Reason.UNEXPLAINED or day.extracted_at is None:
        return False
    return day.totals_extracted_at is None or day.totals_extracted_at < day.extracted_at


def _due_at(account: WatchedAccount, report: DayReport, day: ComparedDay, reason: Reason) -> datetime | None:
    """Returns when a settled day or a checkpoint became due (UTC); None for other reasons."""
    if reason is Reason.SETTLED:
        return settled_at(day.date, account.lookback_on(day.date), account.processing_hours, account.time_zone)
    if reason is not Reason.CHECKPOINT or day.extracted_at is None:
        return None
    now = utc_now()
    due = (age for age in report.checkpoint_ages if account.is_checkpoint_due(day.date, age, day.extracted_at, now))
    return settled_at(day.date, min(due) - 1, 0, account.time_zone)
