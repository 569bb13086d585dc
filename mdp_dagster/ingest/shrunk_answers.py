"""Finds days that an answer would empty or sharply shrink, although the account's total still includes what is gone.

A source can answer 200 with no rows, with a part of them, or with rows that lack their amounts. Such an answer must not
replace good rows. A day that changed is therefore compared with the account's total, which comes from another report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.account_totals import AccountTotals
from mdp_dagster.ingest.amounts import Amounts, amounts_by_day
from mdp_dagster.ingest.amounts_moved import Version, amounts_of_versions
from mdp_dagster.ingest.answers import CheckedAnswer
from mdp_dagster.ingest.digest import EMPTY
from mdp_dagster.ingest.extraction import Answer, ExtractPlan, is_refused
from mdp_dagster.ingest.held_days import HeldDay

MAX_REPEATS = 2
"""How often the request of a contradicted answer is repeated."""
_SHARP = 0.5
"""A day shrinks sharply if less than this share of its rows or of one of its amounts is left."""
_MOST_COUNTS_LOST = 1.0
"""A count that fell by this or less did not fall sharply: one conversion of two may be withdrawn."""
_ROUNDING = 0.005


@dataclass(frozen=True)
class ShrunkDay:
    """A day with much less in the answer than in raw.

    Args:
        date: The day.
        before: The amounts of the day's current rows in raw.
        now: The amounts of the rows in the answer.
        money: The names of the amounts that are money.
        lost_most_rows: Whether less than half of its rows are left.
    """

    date: date
    before: Amounts = field(hash=False)
    now: Amounts = field(hash=False)
    money: tuple[str, ...] = ()
    lost_most_rows: bool = False

    def is_contradicted_by(self, total: Amounts) -> bool:
        """Returns whether the total fits the earlier rows better than those of the answer.

        The total may have moved a little, too. So each amount that fell sharply is a vote for the rows that are nearer
        to the total; each amount that fell, if only the rows became few. A tie is a contradiction.
        """
        fell = [name for name in total if self._fell_sharply(name)]
        if not fell and self.lost_most_rows:
            fell = [name for name in total if self._fall(name) > _ROUNDING]
        nearer_before = [
            name
            for name in fell
            if abs(total[name] - self.before.get(name, 0.0)) < abs(total[name] - self.now.get(name, 0.0))
        ]
        return bool(fell) and 2 * len(nearer_before) >= len(fell)

    def _fall(self, name: str) -> float:
        return self.before.get(name, 0.0) - self.now.get(name, 0.0)

    def _fell_sharply(self, name: str) -> bool:
        least = _ROUNDING if name in self.money else _MOST_COUNTS_LOST
        return self._fall(name) > least and self.now.get(name, 0.0) < _SHARP * self.before.get(name, 0.0)


def contradicted_days(
    totals: AccountTotals, plan: ExtractPlan, answer: Answer, checked: CheckedAnswer
) -> tuple[HeldDay, ...]:
    """Returns the days of an answer that shrink, and for which a fresh total still fits the earlier rows.

    Without a changed day, this reads nothing. The earlier rows are read only if the newest known total has much more
    than the answer, and a fresh total is requested only if the known one contradicts it. A day without any known total
    is never contradicted.

    Raises:
        PlatformError: No account of the source can be extracted.
        QuotaError: The account's quota is used up.
        WarehouseError: The warehouse cannot be read.
    """
    changed = _changed_days(plan, answer, checked)
    if not totals.exist or not changed or is_refused(answer.rows.num_rows, checked.rejects):
        return ()
    account_id = answer.account.account_id
    known = totals.known(account_id, changed)
    compared = [day for day in changed if day in known]
    if not compared:
        return ()
    now = amounts_by_day(plan.report, _rows_of(checked, compared), plan.options[account_id])
    few = {day for day in compared if _lost_most_rows(plan, answer, checked, day)}
    doubtful = [day for day in compared if day in few or _has_much_less(now.get(day, {}), known[day])]
    if not doubtful:
        return ()
    before = _amounts(plan, account_id, doubtful)
    shrunk = [
        ShrunkDay(day, before.get(day, {}), now.get(day, {}), _money(plan.report), day in few) for day in doubtful
    ]
    suspected = [day for day in shrunk if day.is_contradicted_by(known[day.date])]
    if not suspected:
        return ()
    newest = {**known, **totals.fresh(answer, [day.date for day in suspected])}
    return tuple(
        HeldDay(day.date, before=day.before, now=day.now, total=newest[day.date], money=day.money)
        for day in suspected
        if day.is_contradicted_by(newest[day.date])
    )


def _changed_days(plan: ExtractPlan, answer: Answer, checked: CheckedAnswer) -> list[date]:
    """Returns the days that raw has with other rows."""
    days = []
    for day in answer.window.days():
        before = plan.current.get(answer.account.account_id, day)
        if before is None or before.row_count == 0 or day in answer.not_answered:
            continue
        if checked.contents.get(day, EMPTY).digest != before.content_digest:
            days.append(day)
    return days


def _lost_most_rows(plan: ExtractPlan, answer: Answer, checked: CheckedAnswer, day: date) -> bool:
    before = plan.current.get(answer.account.account_id, day)
    return before is not None and checked.contents.get(day, EMPTY).row_count < _SHARP * before.row_count


def _has_much_less(now: Amounts, total: Amounts) -> bool:
    """Returns whether an amount may have fallen sharply under an unchanged total.

    An amount that is below half of the earlier one, while the total is nearer to the earlier one, is below two thirds
    of the total.
    """
    return any(amount > 1.5 * now.get(name, 0.0) + _ROUNDING for name, amount in total.items())


def _rows_of(checked: CheckedAnswer, days: Sequence[date]) -> pa.Table:
    return checked.rows.filter(pc.is_in(checked.rows.column("date"), pa.array(days, pa.date32())))


def _amounts(plan: ExtractPlan, account_id: str, days: Sequence[date]) -> Mapping[date, Amounts]:
    """Returns the amounts of the account's current rows."""
    runs = {day: entry.effective_run_id for day in days if (entry := plan.current.get(account_id, day))}
    versions: set[Version] = {(account_id, day, run) for day, run in runs.items()}
    found = amounts_of_versions(plan.stores.warehouse, plan.report, versions, plan.options)
    return {day: amounts for (_, day, _), amounts in found.items()}


def _money(report: DayReport) -> tuple[str, ...]:
    return tuple(name for name, amount in report.amounts.items() if amount.is_money)
