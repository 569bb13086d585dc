"""The message from the probe to the sensor: the late days of one source, as metadata of one event."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone
from typing import Any

from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.window import DateWindow, join_days

METADATA_KEY = "late_days"


@dataclass(frozen=True)
class LateDays:
    """The late days of one source's accounts.

    Args:
        days: The late days.
        currencies: The currency of each account (ISO 4217), by account id; empty if it is unknown.
        money: The names of the amounts that are in the account's currency.
        time_zones: The time zone of each account (IANA name), by account id; empty if it is unknown.
    """

    days: tuple[LateDay, ...]
    currencies: Mapping[str, str]
    money: frozenset[str] = frozenset()
    time_zones: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns the days in a compact form, by day and account: 500 days of 50 accounts fit into one event.

        Days that only have to be built are ranges by account: a changed fact can make years of 200 accounts late.
        """
        names = self._amount_names(self.days)
        by_day: dict[str, dict[str, list[Any]]] = {}
        extracted = [late for late in self.days if late.reason.needs_extract]
        for late in sorted(extracted, key=lambda late: (late.date, late.account_id)):
            moved = [round(late.moved.get(name, 0.0), 6) for name in names]
            changed_at = late.changed_at and round(late.changed_at.timestamp(), 3)
            if late.reason is Reason.RESTATED:
                details: list[Any] = [*moved, late.totals, changed_at]
            else:
                details = [changed_at] if changed_at else []
            by_day.setdefault(late.date.isoformat(), {})[late.account_id] = [late.reason.value, *details]
        accounts = {late.account_id for late in self.days}
        return {
            "amounts": names,
            "money": sorted(self.money),
            "days": by_day,
            "to_build": {account: _ranges(days) for account, days in self._to_build().items()},
            "currencies": {a: c for a, c in self.currencies.items() if a in accounts},
            "time_zones": {a: zone for a, zone in self.time_zones.items() if a in accounts},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LateDays:
        """Reads what ``to_json`` returned.

        Events of earlier versions do not list the amounts, which were these two, or do not have the last detail.
        """
        names = data.get("amounts", ["spend", "conversions"])
        days = []
        for day, accounts in data["days"].items():
            for account_id, (reason, *details) in accounts.items():
                moved, totals, changed_at = {}, "", details[0] if details else None
                if Reason(reason) is Reason.RESTATED:
                    moved = dict(zip(names, details, strict=False)) if details else {}
                    totals, changed_at = [*details[len(names) :], None, None][:2]
                days.append(
                    LateDay(account_id, date.fromisoformat(day), Reason(reason), moved, totals or "", _utc(changed_at))
                )
        days += [
            LateDay(account_id, day, Reason.NOT_BUILT)
            for account_id, ranges in data.get("to_build", {}).items()
            for first, last in ranges
            for day in DateWindow.of_days(first, last).days()
        ]
        money, zones = frozenset(data.get("money", ["spend"])), data.get("time_zones", {})
        days.sort(key=lambda late: (late.date, late.account_id))
        return cls(tuple(days), data["currencies"], money, zones)

    def _to_build(self) -> dict[str, list[date]]:
        """Returns the days that only have to be built, by account."""
        by_account: dict[str, list[date]] = {}
        for late in self.days:
            if not late.reason.needs_extract:
                by_account.setdefault(late.account_id, []).append(late.date)
        return dict(sorted(by_account.items()))

    def on(self, days: Collection[date]) -> LateDays:
        """Returns the late days that are among ``days``."""
        return replace(self, days=tuple(late for late in self.days if late.date in days))

    def among(self, windows: Mapping[str, Collection[DateWindow]]) -> LateDays:
        """Returns the late days that are in a window of their account."""
        found = (late for late in self.days if any(late.date in w for w in windows.get(late.account_id, ())))
        return replace(self, days=tuple(found))

    def accounts(self) -> list[str]:
        """Returns the ids of the accounts that have late days."""
        return sorted({late.account_id for late in self.days})

    def by_account(self) -> dict[str, list[LateDay]]:
        """Returns the late days of each account."""
        by_account: dict[str, list[LateDay]] = {}
        for late in self.days:
            by_account.setdefault(late.account_id, []).append(late)
        return by_account

    def windows(self) -> list[DateWindow]:
        """Returns the days, joined into contiguous windows."""
        return join_days(late.date for late in self.days)

    def reason(self) -> str:
        """Describes how many days of how many accounts are late, for each reason."""
        by_reason = {reason: [late for late in self.days if late.reason is reason] for reason in Reason}
        return "; ".join(f"{reason.value}: {_count(days)}" for reason, days in by_reason.items() if days)

    def moved(self) -> str:
        """Describes by how much the restated days have changed in sum; empty if no day is restated."""
        restated = [late for late in self.days if late.reason is Reason.RESTATED]
        names = self._amount_names(restated)
        parts = [part for name in names for part in self._sums(name, restated)]
        return ", ".join(parts) or _unchanged(names)

    def _amount_names(self, days: Iterable[LateDay]) -> list[str]:
        return list(dict.fromkeys(name for late in days for name in late.moved))

    def _sums(self, name: str, days: Iterable[LateDay]) -> list[str]:
        """Describes one amount: a sum for each currency if it is money, otherwise one sum. Sums of 0 are left out."""
        sums: dict[str, float] = {}
        for late in days:
            unit = (self.currencies.get(late.account_id) or "unknown currency") if name in self.money else ""
            sums[unit] = sums.get(unit, 0.0) + late.moved.get(name, 0.0)
        return [f"{name} {amount:+,.2f} {unit}".rstrip() for unit, amount in sorted(sums.items()) if round(amount, 2)]


def _ranges(days: Iterable[date]) -> list[list[str]]:
    return [[str(window.start), str(window.last)] for window in join_days(days)]


def _utc(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, timezone.utc)


def _unchanged(names: list[str]) -> str:
    if len(names) > 1:
        return f"neither {' nor '.join(names)} in sum"
    return f"{names[0]} unchanged in sum" if names else ""


def _count(days: Iterable[LateDay]) -> str:
    listed = list(days)
    dates, accounts = len({late.date for late in listed}), len({late.account_id for late in listed})
    return f"{dates} day{'s' if dates > 1 else ''} of {accounts} account{'s' if accounts > 1 else ''}"
