"""The result of an ingest, by account, for people and for checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from mdp_dagster.connectors.base import DayReport, PlatformAccount
from mdp_dagster.connectors.errors import ConnectorError, QuotaError
from mdp_dagster.ingest.extraction import ExtractResult
from mdp_dagster.ingest.held_days import HeldDay, describe
from mdp_dagster.ingest.landing import LOADED
from mdp_dagster.window import DateWindow


class IngestError(Exception):
    """A report could not be ingested. The message has the reason for each account, and the remedy."""


@dataclass
class AccountResult:
    """One account, over all of its extracts in the run.

    Args:
        account_id: The account.
        name: Its name.
        currency: Its currency (ISO 4217).
        received: How many rows were received.
        rejected: How many of them were rejected.
        duplicates: How many of them have the key of another row.
        loaded_days: The days of which rows were appended to raw.
        days_unchanged: How many days had the same rows as before.
        restated_days: The days that had other rows before.
        days_not_answered: The days that the source did not answer.
        money: The sums of the amounts that are money, by name, in the account's currency.
        reject_reasons: Why rows were rejected.
        held: The days that are held back, because the account's total contradicts them.
        failure: Why the account was not committed, or not completely; empty if it was.
    """

    account_id: str
    name: str = ""
    currency: str = ""
    received: int = 0
    rejected: int = 0
    duplicates: int = 0
    loaded_days: list[date] = field(default_factory=list)
    days_unchanged: int = 0
    restated_days: list[date] = field(default_factory=list)
    days_not_answered: list[date] = field(default_factory=list)
    money: dict[str, float] = field(default_factory=dict)
    reject_reasons: str = ""
    held: list[HeldDay] = field(default_factory=list)
    failure: str = ""

    @property
    def days_loaded(self) -> int:
        """How many days were appended to raw."""
        return len(self.loaded_days)

    def add(self, extracted: ExtractResult) -> None:
        """Adds an extract of the account."""
        self.received += extracted.received
        self.rejected += extracted.rejected
        self.reject_reasons = extracted.common_reasons() or self.reject_reasons
        if extracted.refused:
            self.failure = f"{extracted.rejected} of {extracted.received} rows rejected: {extracted.common_reasons()}"
            return
        self.duplicates += extracted.duplicates
        for name, amount in extracted.money.items():
            self.money[name] = self.money.get(name, 0.0) + amount
        self.loaded_days += [day.date for day in extracted.extract.days if day.status == LOADED]
        self.days_unchanged += extracted.unchanged_days
        self.restated_days += extracted.restated_days
        self.days_not_answered += extracted.days_not_answered
        if extracted.held:
            self.held += extracted.held
            self.failure = describe(self.held)

    @property
    def is_committed_in_part(self) -> bool:
        """Whether some days are held back and others were committed."""
        return bool(self.held and (self.loaded_days or self.days_unchanged))


@dataclass
class IngestResult:
    """One report over one window.

    Args:
        report: The report.
        window: The days that were requested.
        extract_run_id: The id of the extract.
        accounts: The accounts, by id.
        retry_after_seconds: The longest delay that the source named for an account with a used-up quota; None if no
            quota is used up.
        days_beyond_history: How many days of the window the source no longer delivers. They were not requested.
    """

    report: DayReport
    window: DateWindow
    extract_run_id: str
    accounts: dict[str, AccountResult] = field(default_factory=dict)
    retry_after_seconds: float | None = None
    days_beyond_history: int = 0

    def expect(self, accounts: Iterable[PlatformAccount]) -> None:
        """Adds an entry for each account. An entry of an earlier attempt stays, without its failure."""
        for account in accounts:
            fresh = AccountResult(account.account_id, account.name, account.currency)
            entry = self.accounts.setdefault(account.account_id, fresh)
            entry.failure, entry.held = "", []

    def add(self, extracted: ExtractResult) -> None:
        """Adds an extract of one of the accounts."""
        self.accounts[extracted.extract.account_id].add(extracted)

    def fail(self, account_id: str, error: ConnectorError) -> None:
        """Records that an account could not be extracted."""
        self.accounts.setdefault(account_id, AccountResult(account_id)).failure = str(error)
        if isinstance(error, QuotaError):
            self.retry_after_seconds = max(self.retry_after_seconds or 0.0, error.retry_after_seconds)

    def refuse(self, accounts: Iterable[PlatformAccount], reason: str) -> None:
        """Records that none of these accounts was committed."""
        for account in accounts:
            self.accounts[account.account_id].failure = reason

    @property
    def failed(self) -> list[AccountResult]:
        """The accounts that were not committed, or not completely."""
        return [account for account in self.accounts.values() if account.failure]

    @property
    def received(self) -> int:
        """How many rows were received."""
        return sum(account.received for account in self.accounts.values())

    @property
    def rejected(self) -> int:
        """How many rows were rejected."""
        return sum(account.rejected for account in self.accounts.values())

    @property
    def restated_days(self) -> list[date]:
        """The days that any account had with other rows before."""
        return sorted({day for account in self.accounts.values() for day in account.restated_days})

    @property
    def days_not_answered(self) -> list[date]:
        """The days that the source did not answer for at least one account."""
        return sorted({day for account in self.accounts.values() for day in account.days_not_answered})

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
        """Checks that at least one account was committed, at least in part, if there are any.

        Raises:
            IngestError: Every account failed.
        """
        if self.accounts and all(a.failure and not a.is_committed_in_part for a in self.accounts.values()):
            failures = "\n".join(f"  {a.account_id} {a.name}: {a.failure}" for a in self.failed)
            raise IngestError(f"{self.report.table}: no account could be extracted\n{failures}")
