"""Which days of a report are behind what the platform says: found in the ledger, once the account totals were pulled.

The account totals (`account_daily`) are the probe: one cheap call per account for the whole lookback. A day is late
when its totals are no longer those that stood beside the newest pull of the finer report (`campaign_daily`). It is
judged by the ledger's state, not by what one probe saw: a reload that failed, or a probe that was killed after its
commit, leaves the day late, and the next probe says so again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any

from mdp_dagster.connectors.base import Report
from mdp_dagster.ingest.tables import EXTRACTS, report_table
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow

# How long after the lookback a day is still waited for, to be pulled a last time.
SETTLING_DAYS = 7

# Sums of doubles that should be equal differ by less.
_ROUNDING = 0.005


class Reason(Enum):
    """Why a day is to be pulled."""

    RESTATED = "restated"
    NEVER_LOADED = "never loaded"
    SETTLED = "settled"


@dataclass(frozen=True)
class LateDay:
    """One account's day. ``spend`` (in the account's currency) and ``conversions``: by how much the account's totals
    have moved since the day was pulled."""

    account_id: str
    date: date
    reason: Reason
    spend: float = 0.0
    conversions: float = 0.0


@dataclass(frozen=True)
class WatchedAccount:
    """An account that the probe follows. ``window``: the days that are probed; ``lookback_days``: the age from which on
    the platform rewrites a day no more. ``conversion_action_type``: the one that is configured; empty if none is."""

    account_id: str
    window: DateWindow
    lookback_days: int
    conversion_action_type: str = ""


def late_days(
    warehouse: Warehouse, totals: Report, report: Report, accounts: Mapping[str, WatchedAccount]
) -> list[LateDay]:
    """The days of ``report`` that are to be pulled, of these accounts, in order of account and day.

    *Restated*: the totals differ from those known when the day was pulled; or, if none were known then, from the sums
    of the day's own rows. *Never loaded*: inside the lookback, the totals have been pulled and the day never was.
    *Settled*: the platform rewrites the day no more, and it hasn't been pulled since.
    """
    if not accounts:
        return []
    window = DateWindow(
        min(account.window.start for account in accounts.values()) - timedelta(days=SETTLING_DAYS),
        max(account.window.end for account in accounts.values()),
    )
    known = [row for row in _known_days(warehouse, totals, report, window) if row["account_id"] in accounts]
    suspected = [row for row in known if _may_be_restated(accounts[row["account_id"]], row)]
    moved = _Moves(warehouse, totals, report, accounts, window).of(suspected)
    found = []
    for row in known:
        key = row["account_id"], row["date"]
        if key in moved:
            found.append(LateDay(*key, Reason.RESTATED, *moved[key]))
        elif reason := _other_reason(accounts[key[0]], row):
            found.append(LateDay(*key, reason))
    return sorted(found, key=lambda late: (late.account_id, late.date))


def _may_be_restated(account: WatchedAccount, row: Mapping[str, Any]) -> bool:
    there = row["date"] in account.window and row["digest"] is not None and row["pulled_at"] is not None
    return there and row["digest"] != row["digest_before"]


def _other_reason(account: WatchedAccount, row: Mapping[str, Any]) -> Reason | None:
    day: date = row["date"]
    pulled_at: datetime | None = row["pulled_at"]
    if pulled_at is None:
        return Reason.NEVER_LOADED if day in account.window else None
    is_final = (account.window.last - day).days >= account.lookback_days
    was_final = (pulled_at.date() - day).days >= account.lookback_days
    return Reason.SETTLED if is_final and not was_final else None


def _known_days(warehouse: Warehouse, totals: Report, report: Report, window: DateWindow) -> list[dict[str, Any]]:
    """What the ledger has of each account and day: the newest totals, the newest pull of the report, and the totals
    that were the newest when it began."""
    rows: list[dict[str, Any]] = warehouse.query(
        f"""
        with ledger as (
            select report, account_id, date, extract_run_id, extracted_at, content_digest, effective_run_id
            from {EXTRACTS.id}
            where {in_window(window)} and source = $source and report in ($totals, $report)
        ),
        pulled as (
            select account_id, date, extracted_at as pulled_at, effective_run_id as effective_rows
            from ledger
            where report = $report
            qualify row_number() over (
                partition by account_id, date order by extracted_at desc, extract_run_id desc
            ) = 1
        ),
        totals as (
            select account_id, date, content_digest as digest, effective_run_id as effective
            from ledger
            where report = $totals
            qualify row_number() over (
                partition by account_id, date order by extracted_at desc, extract_run_id desc
            ) = 1
        ),
        totals_before as (
            select
                ledger.account_id, ledger.date, ledger.content_digest as digest_before,
                ledger.effective_run_id as effective_before
            from ledger
            inner join pulled on ledger.account_id = pulled.account_id and ledger.date = pulled.date
            where ledger.report = $totals and ledger.extracted_at <= pulled.pulled_at
            qualify row_number() over (
                partition by ledger.account_id, ledger.date
                order by ledger.extracted_at desc, ledger.extract_run_id desc
            ) = 1
        )
        select
            coalesce(totals.account_id, pulled.account_id) as account_id, coalesce(totals.date, pulled.date) as date,
            pulled_at, effective_rows, digest, effective, digest_before, effective_before
        from totals
        full outer join pulled on totals.account_id = pulled.account_id and totals.date = pulled.date
        left join totals_before
            on pulled.account_id = totals_before.account_id and pulled.date = totals_before.date
        """,
        {"source": report.source, "totals": totals.name, "report": report.name},
    ).to_pylist()
    return rows


class _Moves:
    """By how much days have moved since they were pulled, from the raw rows."""

    def __init__(
        self,
        warehouse: Warehouse,
        totals: Report,
        report: Report,
        accounts: Mapping[str, WatchedAccount],
        window: DateWindow,
    ) -> None:
        self._warehouse = warehouse
        self._totals = totals
        self._report = report
        self._accounts = accounts
        self._window = window

    def of(self, days: Sequence[Mapping[str, Any]]) -> dict[tuple[str, date], tuple[float, float]]:
        """Spend and conversions of those that moved. A day whose totals were not known when it was pulled is measured
        by its rows, and has moved if their sums differ."""
        compared = [day for day in days if day["effective_before"] is not None]
        unknown = [day for day in days if day["effective_before"] is None]
        runs = {day["effective"] for day in days} | {day["effective_before"] for day in compared}
        totals = self._amounts(self._totals, runs)
        rows = self._amounts(self._report, {day["effective_rows"] for day in unknown})
        moved = {}
        for day in compared:
            moved[day["account_id"], day["date"]] = _difference(
                totals.get(_key(day, "effective")), totals.get(_key(day, "effective_before"))
            )
        for day in unknown:
            difference = _difference(totals.get(_key(day, "effective")), rows.get(_key(day, "effective_rows")))
            if any(abs(amount) > _ROUNDING for amount in difference):
                moved[day["account_id"], day["date"]] = difference
        return moved

    def _amounts(self, report: Report, runs: set[str]) -> dict[tuple[str, date, str], tuple[float, float]]:
        if not runs:
            return {}
        names = {f"run_{n}": run for n, run in enumerate(sorted(runs))}
        found = self._warehouse.query(
            f"select * from {report_table(report).id} "
            f"where {in_window(self._window)} and extract_run_id in ({', '.join(f'${name}' for name in names)})",
            names,
        )
        amounts: dict[tuple[str, date, str], tuple[float, float]] = {}
        for row in found.to_pylist():
            account = self._accounts.get(row["account_id"])
            if account is None:
                continue
            key = row["account_id"], row["date"], row["extract_run_id"]
            spend, conversions = amounts.get(key, (0.0, 0.0))
            conversions += report.conversions(row, account.conversion_action_type)
            amounts[key] = spend + report.spend(row), conversions
        return amounts


def _key(day: Mapping[str, Any], run: str) -> tuple[str, date, str]:
    return day["account_id"], day["date"], day[run]


def _difference(now: tuple[float, float] | None, before: tuple[float, float] | None) -> tuple[float, float]:
    """A day without activity has no row."""
    spend, conversions = now or (0.0, 0.0)
    spend_before, conversions_before = before or (0.0, 0.0)
    return spend - spend_before, conversions - conversions_before
