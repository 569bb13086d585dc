"""Finds days that an answer would empty or sharply shrink, although the account's total still includes their rows.

A source can answer 200 with no rows, or with a part of them. Such an answer must not replace good rows. A day that
shrinks is therefore compared with the account's total, which comes from another report.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mdp_dagster.connectors.base import DataSourceConnector, DayReport, NotAnswered
from mdp_dagster.connectors.errors import ConnectorError, PlatformError, QuotaError
from mdp_dagster.ingest.amounts import Amounts, amounts_by_day
from mdp_dagster.ingest.amounts_moved import Version, amounts_of_versions
from mdp_dagster.ingest.answers import CheckedAnswer, check_answer
from mdp_dagster.ingest.digest import EMPTY
from mdp_dagster.ingest.extraction import Answer, ExtractPlan, is_refused
from mdp_dagster.ingest.held_days import HeldDay
from mdp_dagster.ingest.ledger import current_days
from mdp_dagster.window import DateWindow

log = logging.getLogger(__name__)

MAX_REPEATS = 2
"""How often the request of a contradicted answer is repeated."""
_SHARP = 0.5
"""A day shrinks sharply if less than this share of its rows or of its money is left."""
_ROUNDING = 0.005


@dataclass(frozen=True)
class ShrunkDay:
    """A day with much less in the answer than in raw.

    Args:
        date: The day.
        before: The amounts of the day's current rows in raw.
        now: The amounts of the rows in the answer.
    """

    date: date
    before: Amounts = field(hash=False)
    now: Amounts = field(hash=False)

    def is_contradicted_by(self, total: Amounts) -> bool:
        """Returns whether the total fits the earlier rows better than those of the answer.

        The total may have moved a little, too. So each amount that fell is a vote for the rows that are nearer to the
        total. A tie is a contradiction.
        """
        fell = [name for name in total if self.before.get(name, 0.0) - self.now.get(name, 0.0) > _ROUNDING]
        nearer_before = [
            name for name in fell if abs(total[name] - self.before[name]) < abs(total[name] - self.now.get(name, 0.0))
        ]
        return bool(fell) and 2 * len(nearer_before) >= len(fell)


def contradicted_days(
    connector: DataSourceConnector, plan: ExtractPlan, answer: Answer, checked: CheckedAnswer
) -> tuple[HeldDay, ...]:
    """Returns the days of an answer that shrink, and for which a fresh total still fits the earlier rows.

    Without a day that lost rows or all its money, this reads nothing. A fresh total is requested only if the newest
    known one contradicts the answer. A day without any known total is never contradicted.

    Raises:
        PlatformError: No account of the source can be extracted.
        QuotaError: The account's quota is used up.
        WarehouseError: The warehouse cannot be read.
    """
    totals = next((report for report in connector.reports if report.name == plan.report.adds_up_to), None)
    fewer = _days_that_lost_rows_or_money(plan, answer, checked)
    if totals is None or not fewer or is_refused(answer.rows.num_rows, checked.rejects):
        return ()
    known, shrunk = _read_known(plan, totals, answer, checked, fewer)
    suspected = [day for day in shrunk if day.date in known and day.is_contradicted_by(known[day.date])]
    if not suspected:
        return ()
    newest = {**known, **_fresh_totals(connector, plan, totals, answer, [day.date for day in suspected])}
    return tuple(
        HeldDay(day.date, before=day.before, now=day.now, total=newest[day.date], money=_money(plan.report))
        for day in suspected
        if day.is_contradicted_by(newest[day.date])
    )


def _days_that_lost_rows_or_money(plan: ExtractPlan, answer: Answer, checked: CheckedAnswer) -> list[date]:
    """Returns the days that have fewer rows than in raw, and the changed days on which no row has money."""
    days = []
    for day in answer.window.days():
        before = plan.current.get(answer.account.account_id, day)
        if before is None or day in answer.not_answered:
            continue
        now = checked.contents.get(day, EMPTY)
        is_changed = now.digest != before.content_digest
        if now.row_count < before.row_count or (is_changed and not _has_money(plan.report, _rows_of(checked, [day]))):
            days.append(day)
    return days


def _rows_of(checked: CheckedAnswer, days: Sequence[date]) -> pa.Table:
    return checked.rows.filter(pc.is_in(checked.rows.column("date"), pa.array(days, pa.date32())))


def _has_money(report: DayReport, rows: pa.Table) -> bool:
    # a sum over JSON would parse each row once more
    plain = [amount for amount in report.amounts.values() if amount.is_money and amount.read is None]
    return any(amount.total(rows, {}) for amount in plain)


def _read_known(
    plan: ExtractPlan, totals: DayReport, answer: Answer, checked: CheckedAnswer, days: Sequence[date]
) -> tuple[dict[date, Amounts], list[ShrunkDay]]:
    """Returns the newest known totals of the days that have one, and the days that shrink sharply."""
    account_id, warehouse = answer.account.account_id, plan.stores.warehouse
    window = DateWindow.of_days(days[0], days[-1])
    runs = {day: entry.effective_run_id for day in days if (entry := plan.current.get(account_id, day))}
    with warehouse.session():
        of_ledger = current_days(warehouse, totals, window)
        totals_runs = {day: entry.effective_run_id for day in days if (entry := of_ledger.get(account_id, day))}
        if not totals_runs:
            return {}, []
        total_amounts = _amounts(plan, totals, account_id, totals_runs)
        before = _amounts(plan, plan.report, account_id, runs)
    now = amounts_by_day(plan.report, _rows_of(checked, days), plan.options[account_id])
    shrunk = []
    for day in days:
        known = plan.current.get(account_id, day)
        count = checked.contents[day].row_count if day in checked.contents else 0
        candidate = ShrunkDay(day, before.get(day, {}), now.get(day, {}))
        if (known and count < _SHARP * known.row_count) or _money_fell_sharply(plan.report, candidate):
            shrunk.append(candidate)
    return {day: _complete(totals, plan.report, total_amounts.get(day)) for day in totals_runs}, shrunk


def _amounts(plan: ExtractPlan, report: DayReport, account_id: str, runs: Mapping[date, str]) -> dict[date, Amounts]:
    versions: set[Version] = {(account_id, day, run) for day, run in runs.items()}
    found = amounts_of_versions(plan.stores.warehouse, report, versions, plan.options)
    return {day: amounts for (_, day, _), amounts in found.items()}


def _money_fell_sharply(report: DayReport, day: ShrunkDay) -> bool:
    return any(
        day.before.get(name, 0.0) > 0 and day.now.get(name, 0.0) < _SHARP * day.before[name] for name in _money(report)
    )


def _money(report: DayReport) -> tuple[str, ...]:
    return tuple(name for name, amount in report.amounts.items() if amount.is_money)


def _complete(totals: DayReport, report: DayReport, amounts: Amounts | None) -> Amounts:
    """Returns the amounts that both reports have. A total without a row is 0."""
    return {name: (amounts or {}).get(name, 0.0) for name in totals.amounts if name in report.amounts}


def _fresh_totals(
    connector: DataSourceConnector, plan: ExtractPlan, totals: DayReport, answer: Answer, days: Sequence[date]
) -> dict[date, Amounts]:
    """Returns the totals that the source has now, of the days that it answers. They are not committed."""
    account, options = answer.account, plan.options[answer.account.account_id]
    found: dict[date, Amounts] = {}
    try:
        for window in DateWindow.of_days(days[0], days[-1]).chunks(totals.max_days_per_extract):
            parts = list(connector.extract(totals, account, window))
            not_answered = {day for part in parts if isinstance(part, NotAnswered) for day in part.days}
            batches = [part for part in parts if not isinstance(part, NotAnswered)]
            rows = pa.Table.from_batches(batches, schema=totals.schema)
            checked = check_answer(totals, rows, window, options, account)
            if checked.rejects:
                log.warning(
                    "%s %s %s: rejected rows, so the known totals count", totals.table, account.account_id, window
                )
                continue
            amounts = amounts_by_day(totals, checked.rows, options)
            answered = (day for day in window.days() if day not in not_answered)
            found |= {day: _complete(totals, plan.report, amounts.get(day)) for day in answered}
    except (PlatformError, QuotaError):
        raise
    except ConnectorError as error:
        log.warning("%s %s: the known totals count, because: %s", totals.table, account.account_id, error)
    return found
