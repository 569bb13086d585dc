"""What the probe tells the sensor: the late days of a platform, as the metadata of one event. No Dagster in here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.window import DateWindow, join_days

METADATA_KEY = "late_days"


@dataclass(frozen=True)
class LateDays:
    """The late days of one platform's accounts. ``currencies``: of each account, ISO 4217; empty if unknown."""

    days: tuple[LateDay, ...]
    currencies: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """By day, then by account, in short: fifty accounts over five hundred days are still one event."""
        by_day: dict[str, dict[str, list[Any]]] = {}
        for late in sorted(self.days, key=lambda late: (late.date, late.account_id)):
            is_restated = late.reason is Reason.RESTATED
            moved = [round(late.spend, 6), round(late.conversions, 6), late.totals] if is_restated else []
            by_day.setdefault(late.date.isoformat(), {})[late.account_id] = [late.reason.value, *moved]
        accounts = {late.account_id for late in self.days}
        return {"days": by_day, "currencies": {a: c for a, c in self.currencies.items() if a in accounts}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LateDays:
        days = tuple(
            LateDay(account_id, date.fromisoformat(day), Reason(reason), *moved)
            for day, accounts in data["days"].items()
            for account_id, (reason, *moved) in accounts.items()
        )
        return cls(days, data["currencies"])

    def on(self, days: Collection[date]) -> LateDays:
        """Those of the given days."""
        return LateDays(tuple(late for late in self.days if late.date in days), self.currencies)

    def accounts(self) -> list[str]:
        return sorted({late.account_id for late in self.days})

    def by_account(self) -> dict[str, list[LateDay]]:
        by_account: dict[str, list[LateDay]] = {}
        for late in self.days:
            by_account.setdefault(late.account_id, []).append(late)
        return by_account

    def accounts_by_day(self) -> dict[date, set[str]]:
        by_day: dict[date, set[str]] = {}
        for late in self.days:
            by_day.setdefault(late.date, set()).add(late.account_id)
        return by_day

    def windows(self) -> list[DateWindow]:
        """The days, joined into ranges."""
        return join_days(late.date for late in self.days)

    def reason(self) -> str:
        """How many days of how many accounts, for each reason there is."""
        parts = []
        for reason in Reason:
            those = [late for late in self.days if late.reason is reason]
            if those:
                parts.append(f"{reason.value}: {_count(those)}")
        return "; ".join(parts)

    def moved(self) -> str:
        """By how much the restated days have moved, in sum, and the largest part of it."""
        restated = [late for late in self.days if late.reason is Reason.RESTATED]
        if not restated:
            return ""
        spend: dict[str, float] = {}
        for late in restated:
            currency = self.currencies.get(late.account_id) or "unknown currency"
            spend[currency] = spend.get(currency, 0.0) + late.spend
        parts = [f"spend {amount:+,.2f} {currency}" for currency, amount in sorted(spend.items()) if round(amount, 2)]
        conversions = sum(late.conversions for late in restated)
        parts += [f"conversions {conversions:+,.2f}"] if round(conversions, 2) else []
        return ", ".join(parts) or "neither spend nor conversions in sum"


def _count(days: Iterable[LateDay]) -> str:
    listed = list(days)
    dates, accounts = len({late.date for late in listed}), len({late.account_id for late in listed})
    return f"{dates} day{'s' if dates > 1 else ''} of {accounts} account{'s' if accounts > 1 else ''}"
