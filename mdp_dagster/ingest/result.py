"""What came of an ingest, account by account, for people and for checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from mdp_dagster.connectors.base import DayReport, PlatformAccount
from mdp_dagster.connectors.errors import ConnectorError, QuotaError
from mdp_dagster.ingest.extraction import Pulled
from mdp_dagster.ingest.landing import LOADED
from mdp_dagster.window import DateWindow


class IngestError(Exception):
    """A report could not be ingested. Says why for each account, and the remedy."""


@dataclass
class AccountResult:
    """One account, over all of its pulls in the run. ``money``: sums by amount, in the account's currency;
    ``failure`` is empty when it was pulled and committed, or was already."""

    account_id: str
    name: str = ""
    currency: str = ""
    received: int = 0
    rejected: int = 0
    duplicates: int = 0
    loaded_days: list[date] = field(default_factory=list)
    days_unchanged: int = 0
    restated_days: list[date] = field(default_factory=list)
    money: dict[str, float] = field(default_factory=dict)
    reject_reasons: str = ""
    failure: str = ""

    @property
    def days_loaded(self) -> int:
        return len(self.loaded_days)

    def add(self, pulled: Pulled) -> None:
        self.received += pulled.received
        self.rejected += pulled.rejected
        self.reject_reasons = pulled.common_reasons() or self.reject_reasons
        if pulled.refused:
            self.failure = f"{pulled.rejected} of {pulled.received} rows rejected: {pulled.common_reasons()}"
            return
        self.duplicates += pulled.duplicates
        for name, amount in pulled.money.items():
            self.money[name] = self.money.get(name, 0.0) + amount
        self.loaded_days += [day.date for day in pulled.extract.days if day.status == LOADED]
        self.days_unchanged += pulled.days_unchanged
        self.restated_days += pulled.restated_days


@dataclass
class IngestResult:
    """One report, one window. ``retry_after_seconds``: the longest delay that the platform named for an account
    whose quota is used up; None if there is none such. ``days_beyond_history``: days of the window that the platform
    keeps no more, so that nobody asked for them."""

    report: DayReport
    window: DateWindow
    extract_run_id: str
    accounts: dict[str, AccountResult] = field(default_factory=dict)
    retry_after_seconds: float | None = None
    days_beyond_history: int = 0

    def expect(self, accounts: Iterable[PlatformAccount]) -> None:
        """Have an entry for each account; what is known from an earlier try stays, but its failure."""
        for account in accounts:
            fresh = AccountResult(account.account_id, account.name, account.currency)
            self.accounts.setdefault(account.account_id, fresh).failure = ""

    def add(self, account_id: str, pulled: Pulled) -> None:
        self.accounts[account_id].add(pulled)

    def fail(self, account_id: str, error: ConnectorError) -> None:
        self.accounts.setdefault(account_id, AccountResult(account_id)).failure = str(error)
        if isinstance(error, QuotaError):
            self.retry_after_seconds = max(self.retry_after_seconds or 0.0, error.retry_after_seconds)

    def refuse(self, accounts: Iterable[PlatformAccount], why: str) -> None:
        """None of these was committed."""
        for account in accounts:
            self.accounts[account.account_id].failure = why

    @property
    def failed(self) -> list[AccountResult]:
        return [account for account in self.accounts.values() if account.failure]

    @property
    def received(self) -> int:
        return sum(account.received for account in self.accounts.values())

    @property
    def rejected(self) -> int:
        return sum(account.rejected for account in self.accounts.values())

    @property
    def restated_days(self) -> list[date]:
        return sorted({day for account in self.accounts.values() for day in account.restated_days})

    def money(self) -> dict[tuple[str, str], float]:
        """Returns the sums of the amounts that are money, by the amount's name and currency."""
        totals: dict[tuple[str, str], float] = {}
        for account in self.accounts.values():
            for name, amount in account.money.items():
                if amount:
                    key = name, account.currency or "unknown"
                    totals[key] = totals.get(key, 0.0) + amount
        return {key: round(total, 2) for key, total in sorted(totals.items())}

    def require_an_account(self) -> None:
        """Raise ``IngestError`` if there are accounts and every one failed."""
        if self.accounts and len(self.failed) == len(self.accounts):
            failures = "\n".join(f"  {a.account_id} {a.name}: {a.failure}" for a in self.failed)
            raise IngestError(f"{self.report.table}: no account could be pulled\n{failures}")
