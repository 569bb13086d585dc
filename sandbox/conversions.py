"""Conversions on the day on which they happen: the same conversions as on the day of the click, on other days.

A conversion follows its click by a lag (`Mature.lags`). So a campaign can have conversions on a day on which it does
not run. An account's day without rows (an outage) has none: they count on the next day with rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from sandbox.behaviour import Mature, counted_units, days_after, known_units, settling_days, shown_age
from sandbox.model import Account, Campaign, stable_hash

_BLOCK_DAYS = 16  # days that are computed together, because they have nearly the same days of clicks
_OUTAGE_DAYS = 5  # no outage is longer
_CACHE_LIMIT = 300_000  # campaign days
_GOLDEN = 0.618  # gives each day of clicks another part of the jitter

Delivery = Callable[[Account, date], Iterable[tuple[Campaign, Mature]]]


@dataclass(frozen=True, slots=True)
class Happened:
    """The conversions of a campaign that happen on one day.

    Args:
        groups: Days since the click, and the number, weight and value of one conversion: for each day of clicks.
        jitter: From 0 to 1. Makes single conversions appear at different ages, not those of all campaigns at once.
    """

    groups: tuple[tuple[int, int, int, int], ...]
    jitter: float

    def shown(self, share: float) -> tuple[int, int]:
        """Conversions and value in hundredths, if the platform shows this share of them.

        Both never fall if the share or the number of a group grows.
        """
        conversions = value = 0
        for days, count, weight, unit_value in self.groups:
            units = count
            if share < 1:
                units = min(count, int(count * share + (self.jitter + days * _GOLDEN) % 1))
            conversions += units * weight
            value += units * unit_value
        return conversions, value


Campaigns = dict[int, tuple[Campaign, Happened]]
_Groups = dict[int, tuple[Campaign, list[tuple[int, int, int, int]]]]


class ConversionDays:
    """The conversions of all accounts by the day on which they happen. Past days are kept. Safe to use from threads.

    Args:
        seed: The world's seed.
        delivery: The campaigns and facts of an account's day of clicks; empty in an outage.
        is_outage: Whether an account's day has no rows.
    """

    def __init__(self, seed: int, delivery: Delivery, is_outage: Callable[[Account, date], bool]) -> None:
        self._seed = seed
        self._delivery = delivery
        self._is_outage = is_outage
        self._lock = threading.Lock()
        self._blocks: dict[tuple[str, str, int], dict[date, Campaigns]] = {}
        self._kept = 0

    def on(self, account: Account, day: date, *, elapsed: float | None = None) -> Campaigns:
        """The conversions of a day by campaign id. `elapsed`: the part of the day that has passed, if it is today."""
        if elapsed is not None:
            return self._happened(account, day, self._until(account, day, elapsed))
        number = day.toordinal() // _BLOCK_DAYS
        key = (account.platform, account.id, number)
        block = self._blocks.get(key)
        if block is None:
            block = self._block(account, date.fromordinal(number * _BLOCK_DAYS))
            rows = sum(len(campaigns) for campaigns in block.values())
            with self._lock:
                if self._kept > _CACHE_LIMIT:
                    self._blocks.clear()
                    self._kept = 0
                self._blocks[key] = block
                self._kept += rows
        return block.get(day, {})

    def _until(self, account: Account, day: date, elapsed: float) -> _Groups:
        """The conversions between the last day with rows and this moment of the day."""
        if self._is_outage(account, day):
            return {}
        before = day - timedelta(days=1)
        while self._is_outage(account, before):
            before -= timedelta(days=1)
        groups: _Groups = {}
        for clicks_on, campaign, facts in self._clicks(account, day, day):
            age = (day - clicks_on).days
            shown = known_units(facts, shown_age(self._seed, campaign, clicks_on, age, elapsed), elapsed)
            _add(groups, campaign, facts, age, shown - counted_units(facts, (before - clicks_on).days))
        return groups

    def _block(self, account: Account, first: date) -> dict[date, Campaigns]:
        last = first + timedelta(days=_BLOCK_DAYS - 1)
        counted_on: dict[int, date] = {}
        days: dict[date, _Groups] = {}
        for clicks_on, campaign, facts in self._clicks(account, first, last):
            start = clicks_on.toordinal()
            targets = (self._counted_on(account, start + days_after(lag), counted_on) for lag in facts.lags)
            for day, units in groupby(targets):
                if first <= day <= last:
                    days_since = (day - clicks_on).days
                    _add(days.setdefault(day, {}), campaign, facts, days_since, sum(1 for _ in units))
        return {day: self._happened(account, day, groups) for day, groups in days.items()}

    def _clicks(self, account: Account, first: date, last: date) -> Iterator[tuple[date, Campaign, Mature]]:
        """The days of clicks, the oldest first, that have conversions between two days."""
        for ago in range((last - first).days + settling_days(account) + _OUTAGE_DAYS, -1, -1):
            day = last - timedelta(days=ago)
            for campaign, facts in self._delivery(account, day):
                if facts.lags:
                    yield day, campaign, facts

    def _counted_on(self, account: Account, ordinal: int, known: dict[int, date]) -> date:
        """The first day without an outage, from a day on."""
        if ordinal not in known:
            day = date.fromordinal(ordinal)
            while self._is_outage(account, day):
                day += timedelta(days=1)
            known[ordinal] = day
        return known[ordinal]

    def _happened(self, account: Account, day: date, groups: _Groups) -> Campaigns:
        return {
            id_: (
                campaign,
                Happened(tuple(found), stable_hash(self._seed, account.platform, id_, day, "shown") / 2**64),
            )
            for id_, (campaign, found) in groups.items()
        }


def _add(groups: _Groups, campaign: Campaign, facts: Mature, days_since: int, units: int) -> None:
    if units > 0:
        found = groups.setdefault(campaign.id, (campaign, []))[1]
        found.append((days_since, units, facts.weight, facts.unit_value))
