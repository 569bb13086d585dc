"""The parts of the fictional world: ad accounts and campaign slots, and the campaigns that a slot gives.

Nothing here depends on the clock. A campaign's life follows from the calendar alone, never from "now", so that a
server started a week later shows the same history.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from sandbox.platforms import platforms

# always: runs every day; flight: runs in bursts and is paused in between; promo: every season a new campaign, which is
# removed when it is over.
Pattern = Literal["always", "flight", "promo"]

EPOCH = date(2019, 1, 1)  # before it nothing was ever advertised
FLIGHT_PERIOD, FLIGHT_DAYS = 63, 35
# A promo starts and ends in nearly every window of 60 days, and the one before it is removed by then.
PROMO_PERIOD, PROMO_DAYS, PROMO_PAUSED_DAYS = 60, 25, 3


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for campaigns. `kind` is one of the platform's profiles; `size` scales the volume."""

    name: str
    kind: str
    pattern: Pattern = "always"
    size: float = 1.0


@dataclass(frozen=True, slots=True)
class Account:
    """An ad account of a platform. An ad day is a day in `time_zone`.

    `direct` says whether the sandbox's user can reach the account without naming its manager; `manager_id` is the
    account one level above. `conversion` matters on Meta: `omni` (a purchase is under `omni_purchase` and its
    sisters), `purchase` (no `omni_purchase`), `lead`.
    """

    platform: str
    id: str
    name: str
    currency: str
    time_zone: str
    client_id: str
    slots: tuple[Slot, ...] = ()
    manager_id: str | None = None
    is_manager: bool = False
    direct: bool = True
    status: str = "ENABLED"
    conversion: Literal["omni", "purchase", "lead"] = "omni"

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def conversion_action_type(self) -> str | None:
        """The action type configured for the account in clients.yaml, if any."""
        return "lead" if self.conversion == "lead" else None

    @property
    def serves_ads(self) -> bool:
        """Whether the account can have campaigns that run."""
        return not self.is_manager and self.status == "ENABLED"


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign. `first_day` and `last_day` (inclusive) bound a promo; both are None for the other patterns."""

    account_id: str
    id: int
    name: str
    kind: str
    pattern: Pattern
    size: float
    phase: int
    first_day: date | None = None
    last_day: date | None = None

    def runs_on(self, day: date) -> bool:
        """Returns whether the campaign is served on the day."""
        if day < EPOCH:
            return False
        if self.first_day is not None and self.last_day is not None:
            return self.first_day <= day <= self.last_day
        if self.pattern == "flight":
            return (day.toordinal() + self.phase) % FLIGHT_PERIOD < FLIGHT_DAYS
        return True

    def status_on(self, day: date) -> Literal["ENABLED", "PAUSED", "REMOVED"]:
        """The campaign's status at the end of a day."""
        if self.last_day is not None and day > self.last_day + timedelta(days=PROMO_PAUSED_DAYS):
            return "REMOVED"
        return "ENABLED" if self.runs_on(day) else "PAUSED"

    def exists_on(self, day: date) -> bool:
        """Returns whether the campaign was created by the day."""
        return self.first_day is None or self.first_day <= day


def stable_hash(*parts: object) -> int:
    """A 64-bit number from the parts, the same in every process (unlike `hash`)."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _campaign_id(account: Account, slot: int, season: int) -> int:
    number = stable_hash(account.platform, account.id, "campaign") % 700_000 * 100_000 + slot * 100 + season
    return number + platforms()[account.platform].first_campaign_id


def _promo(account: Account, index: int, slot: Slot, phase: int, season: int) -> Campaign:
    first = EPOCH + timedelta(days=season * PROMO_PERIOD + phase % PROMO_PERIOD)
    return Campaign(
        account_id=account.id,
        id=_campaign_id(account, index, season),
        name=f"{slot.name} {first:%Y-%m}",
        kind=slot.kind,
        pattern="promo",
        size=slot.size,
        phase=phase,
        first_day=first,
        last_day=first + timedelta(days=PROMO_DAYS - 1),
    )


@lru_cache(maxsize=4096)
def _permanent(account: Account) -> tuple[Campaign, ...]:
    return tuple(
        Campaign(account.id, _campaign_id(account, i, 0), s.name, s.kind, s.pattern, s.size, _phase(account, i))
        for i, s in enumerate(account.slots)
        if s.pattern != "promo"
    )


def _phase(account: Account, slot: int) -> int:
    return stable_hash(account.platform, account.id, slot, "phase") % 10_000


@lru_cache(maxsize=4096)
def _promos(account: Account, last_season: int) -> tuple[Campaign, ...]:
    return tuple(
        _promo(account, i, slot, _phase(account, i), season)
        for i, slot in enumerate(account.slots)
        if slot.pattern == "promo"
        for season in range(last_season + 1)
    )


def campaigns_until(account: Account, day: date) -> tuple[Campaign, ...]:
    """All campaigns of the account that ever existed up to and including `day`, the removed ones too."""
    last_season = max(0, (day - EPOCH).days // PROMO_PERIOD)
    return _permanent(account) + tuple(c for c in _promos(account, last_season) if c.exists_on(day))


def campaigns_running(account: Account, day: date) -> Iterator[Campaign]:
    """The campaigns that run on a day."""
    for campaign in _permanent(account):
        if campaign.runs_on(day):
            yield campaign
    for index, slot in enumerate(account.slots):
        if slot.pattern == "promo" and day >= EPOCH:
            phase = _phase(account, index)
            season = ((day - EPOCH).days - phase % PROMO_PERIOD) // PROMO_PERIOD
            if season >= 0:
                campaign = _promo(account, index, slot, phase, season)
                if campaign.runs_on(day):
                    yield campaign
