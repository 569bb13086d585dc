"""Which days of a report are behind what the platform says: found in the ledger, once the account totals were pulled.

The account totals (`account_daily`) are the probe: one cheap call per account for the whole lookback. A day is late
when its totals are no longer those that stood beside the newest pull of the finer report (`campaign_daily`). It is
judged by the state of things, not by what one probe saw: a probe that was killed after its commit, a reload that failed
before its pull, or after it, before the marts were written, leaves the day late, and the next probe says so again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum

from mdp_dagster.connectors.base import AccountOptions, DayReport
from mdp_dagster.ingest.amounts_moved import moves
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.ledger import ComparedDay, days_in_doubt
from mdp_dagster.warehouse.base import Warehouse
from mdp_dagster.window import DateWindow

SETTLING_DAYS = 30
"""How long after its lookback a day that wasn't pulled a last time is still waited for."""


class Reason(Enum):
    """Why a day is to be pulled."""

    RESTATED = "restated"
    NEVER_LOADED = "never loaded"
    SETTLED = "settled"
    NOT_BUILT = "not built"


@dataclass(frozen=True)
class LateDay:
    """One account's day.

    Args:
        account_id: The account.
        date: The day.
        reason: Why the day has to be extracted again.
        moved: By how much the account's totals have changed since the day was extracted, by amount; money is in the
            account's currency.
        totals: The beginning of the totals' digest. It distinguishes one restatement from the next.
    """

    account_id: str
    date: date
    reason: Reason
    moved: Mapping[str, float] = field(default_factory=dict, hash=False)
    totals: str = ""


@dataclass(frozen=True)
class WatchedAccount:
    """An account that the probe follows. ``window``: the days that are probed; ``lookback_days``: the age from which on
    the platform rewrites a day no more. ``options``: what the clients file sets for the account."""

    account_id: str
    window: DateWindow
    lookback_days: int
    options: AccountOptions = field(default_factory=dict)


Shown = Callable[[DateWindow], str]
"""The query for what the marts show of a window, as ``days_in_doubt`` wants it."""


def in_doubt(
    warehouse: Warehouse,
    totals: DayReport,
    report: DayReport,
    probed: DateWindow,
    first_day: date,
    lookbacks: Collection[int],
    shown: Shown | None = None,
) -> list[ComparedDay]:
    """The days of ``report`` that may be late, as the warehouse stands; none is before ``first_day``. ``probed``: the
    days whose totals are watched; ``lookbacks``: of the accounts."""
    window = DateWindow(max(first_day, probed.start - timedelta(days=SETTLING_DAYS)), probed.end)
    with warehouse.session():
        query = shown(window) if shown else None
        return days_in_doubt(warehouse, totals, report, window, utc_now().date(), lookbacks, query)


def late_days(
    warehouse: Warehouse,
    totals: DayReport,
    report: DayReport,
    accounts: Mapping[str, WatchedAccount],
    doubted: Sequence[ComparedDay],
) -> list[LateDay]:
    """Those of the days ``in_doubt`` that are to be pulled, of these accounts, in order of account and day.

    *Restated*: the totals differ from those known when the day was pulled; or, if none were known then, from the sums
    of the day's own rows. *Never loaded*: inside the lookback, the totals have been pulled and the day never was.
    *Settled*: the platform rewrites the day no more, and it hasn't been pulled since. *Not built*: the marts show
    another pull's rows than those that count.
    """
    known = [day for day in doubted if day.account_id in accounts]
    suspected = [day for day in known if _may_be_restated(accounts[day.account_id], day)]
    options = {account.account_id: account.options for account in accounts.values()}
    with warehouse.session() if suspected else nullcontext():
        moved = moves(warehouse, totals, report, suspected, options)
    found = []
    for day in known:
        key = day.account_id, day.date
        if key in moved:
            found.append(LateDay(*key, Reason.RESTATED, moved[key], (day.totals or "")[:8]))
        elif reason := _other_reason(accounts[day.account_id], day):
            found.append(LateDay(*key, reason))
    return found


def _may_be_restated(account: WatchedAccount, day: ComparedDay) -> bool:
    there = day.date in account.window and day.totals is not None and day.pulled_at is not None
    return there and day.totals != day.totals_before


def _other_reason(account: WatchedAccount, day: ComparedDay) -> Reason | None:
    if day.pulled_at is None:
        return Reason.NEVER_LOADED if day.date in account.window else None
    # ages in UTC, as the models count them: by another clock a day would be final here and not there
    age, age_when_pulled = ((moment.date() - day.date).days for moment in (utc_now(), day.pulled_at))
    is_waited_for = account.lookback_days <= age <= account.lookback_days + SETTLING_DAYS
    if is_waited_for and age_when_pulled < account.lookback_days:
        return Reason.SETTLED
    return Reason.NOT_BUILT if day.shown_is_other and day.date in account.window else None
