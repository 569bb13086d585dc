"""The performance of campaigns, and how late their numbers arrive: pure functions of seed, campaign, day and age.

`mature` gives the final numbers of a campaign's day, with the conversions of that day's clicks; `served` gives those
that a platform shows at a certain age. `conversions.py` puts the same conversions on the days on which they happen.
Money is in hundredths of the account's currency, conversions and their value in hundredths. All are integers, so that
sums are exact.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from random import Random

from sandbox.model import Account, Campaign, stable_hash
from sandbox.platforms import platforms

FIRST_SHARE = 0.55  # of the conversions of a day's clicks happen on the same day
COST_PROVISIONAL_DAYS = 3
_DELIVERED = (0.98, 0.995)  # of impressions and clicks are shown on the day, and on the next

# Monday to Sunday.
_WEEK = (0.96, 0.92, 0.95, 1.0, 1.08, 1.16, 1.13)


@dataclass(frozen=True, slots=True)
class Traits:
    """The constant part of a campaign: its volume, rates and prices."""

    impressions: float
    ctr: float
    conversion_rate: float
    cpa: float
    order_value: float
    frequency: float


@dataclass(frozen=True, slots=True)
class Mature:
    """A campaign's day when all is settled.

    Args:
        lags: For each conversion of the day's clicks, after how many days it happens, ascending.
        weight: Hundredths that each of these conversions counts.
        unit_value: The value of each of them.
        drift: By how much the first cost is off.
    """

    impressions: int
    clicks: int
    spend: int
    lags: tuple[int, ...]
    weight: int
    unit_value: int
    drift: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """Additive metrics: money, conversions and value in hundredths. `by_date`: on the day of the conversion."""

    impressions: int = 0
    clicks: int = 0
    spend: int = 0
    conversions: int = 0
    conversion_value: int = 0
    conversions_by_date: int = 0
    conversion_value_by_date: int = 0

    def __add__(self, other: Metrics) -> Metrics:
        return Metrics(
            self.impressions + other.impressions,
            self.clicks + other.clicks,
            self.spend + other.spend,
            self.conversions + other.conversions,
            self.conversion_value + other.conversion_value,
            self.conversions_by_date + other.conversions_by_date,
            self.conversion_value_by_date + other.conversion_value_by_date,
        )

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


@lru_cache(maxsize=65_536)
def traits(seed: int, platform: str, campaign: Campaign) -> Traits:
    """Returns the traits of a campaign. They depend only on the seed and the campaign's ids."""
    rng = Random(f"{seed}/{campaign.account_id}/{campaign.id}")
    profile = platforms()[platform].profiles[campaign.kind]
    low, high = profile.impressions
    cpa = math.exp(rng.uniform(math.log(2.2), math.log(13.0)))
    return Traits(
        impressions=campaign.size * math.exp(rng.uniform(math.log(low), math.log(high))),
        ctr=rng.uniform(*profile.click_rate),
        conversion_rate=rng.uniform(*profile.conversion_rate),
        cpa=cpa,
        order_value=cpa * rng.uniform(1.3, 6.5),
        frequency=rng.uniform(1.1, 1.7),
    )


def demand(day: date) -> float:
    """Demand relative to an ordinary day: the week, the year, and the weeks before Christmas."""
    of_year = day.timetuple().tm_yday
    yearly = 1 + 0.14 * math.cos(2 * math.pi * (of_year - 340) / 365.25)
    black_week = 1.45 if 325 <= of_year <= 334 else 1.0
    holidays = 0.72 if of_year >= 358 or of_year == 1 else 1.0
    return _WEEK[day.weekday()] * yearly * black_week * holidays


def _poisson(rng: Random, expected: float) -> int:
    if expected > 30:
        return max(0, round(rng.gauss(expected, math.sqrt(expected))))
    limit, product, count = math.exp(-expected), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def mature(seed: int, account: Account, campaign: Campaign, day: date) -> Mature:
    """The settled numbers of a campaign's day in the account's time zone."""
    own = traits(seed, account.platform, campaign)
    rng = Random(f"{seed}/{campaign.account_id}/{campaign.id}/{day.toordinal()}")
    impressions = max(0, round(own.impressions * demand(day) * rng.lognormvariate(0, 0.16)))
    clicks = min(impressions, _poisson(rng, impressions * own.ctr * rng.uniform(0.9, 1.1)))
    rate = own.conversion_rate * rng.uniform(0.85, 1.15)
    units = min(clicks, _poisson(rng, clicks * rate))
    price = own.cpa * own.conversion_rate
    spend = round(100 * clicks * price * rng.uniform(0.88, 1.12)) + (impressions and 1)
    # A platform without whole conversions splits each of them between the clicks that led to it.
    weight = 100 if platforms()[account.platform].whole_conversions else rng.randint(82, 104)
    unit_value = 0 if account.conversion == "lead" else round(own.order_value * rng.uniform(80, 120))
    lags = _lags(units, clicks, settling_days(account), jitter=rng.random())
    return Mature(impressions, clicks, spend, lags, weight, unit_value, rng.uniform(-0.015, 0.015))


def settling_days(account: Account) -> int:
    """After how many days at most a conversion of the account follows its click."""
    choices = platforms()[account.platform].settling_days
    return choices[stable_hash(account.id, "settling") % len(choices)]


@lru_cache(maxsize=1024)
def arrived_share(age: int, settling: int) -> float:
    """Share of the conversions of a day's clicks that happen within an age in days: 0.55 at first, 1 when settled."""
    if age >= settling:
        return 1.0
    pace = settling / 6
    progress = (1 - math.exp(-max(0, age) / pace)) / (1 - math.exp(-settling / pace))
    return FIRST_SHARE + (1 - FIRST_SHARE) * progress


def shown_age(seed: int, campaign: Campaign, day: date, age: int, elapsed: float) -> int:
    """The age in days of the numbers that the platform shows of a past day; `elapsed` is the part of today that passed.

    Each campaign's day gets tomorrow's numbers at an hour of its own, from 1 to 23. So past days change during the day,
    and at midnight all of them have the numbers of their age.
    """
    if age < 1:
        return age
    hour = 1 + stable_hash(seed, campaign.account_id, campaign.id, day, age, "hour") % 23
    return age + (round(24 * elapsed) >= hour)


@lru_cache(maxsize=256)
def _arrived_shares(settling: int) -> tuple[float, ...]:
    return tuple(arrived_share(age, settling) for age in range(settling + 1))


def _lags(units: int, clicks: int, settling: int, *, jitter: float) -> tuple[int, ...]:
    """The lag of each conversion. The jitter makes single ones come on different days, not those of all rows at once.

    The first days have no more conversions than clicks.
    """
    shares = _arrived_shares(settling)
    at_once = int(clicks * _DELIVERED[0])
    return tuple(
        max(bisect_left(shares, (number - jitter) / units), 0 if number <= at_once else len(_DELIVERED))
        for number in range(1, units + 1)
    )


def days_after(lag: int) -> int:
    """How many days after its click a conversion counts by its own day.

    It is the day during which the platform first shows it, which `shown_age` decides: from the second day on, the
    numbers of an age are shown in the course of the day before.
    """
    return lag if lag < 2 else lag - 1


def counted_units(facts: Mature, days: int) -> int:
    """How many of the conversions of a day's clicks count on the day of the click or one of that many days after it."""
    return bisect_right(facts.lags, days if days < 1 else days + 1)


def known_units(facts: Mature, age: int, elapsed: float) -> int:
    """How many of the conversions of a day's clicks have happened at an age in days; 0 before the day."""
    units = bisect_right(facts.lags, age)
    return int(units * elapsed) if age == 0 else units


def served(facts: Mature, age: int, elapsed: float) -> Metrics:
    """The numbers that the platform shows for a day at an age in days; `elapsed` is the part of today that has passed.

    Conversions count on the day of the click. They and their value never fall as the age grows. Impressions and clicks
    are complete after two days; cost is provisional for three.
    """
    if age < 0:
        return Metrics()
    passed = elapsed if age == 0 else 1.0
    delivery = passed * _DELIVERED[age] if age < len(_DELIVERED) else 1.0
    provisional = facts.drift * max(0, COST_PROVISIONAL_DAYS - age) / COST_PROVISIONAL_DAYS
    units = known_units(facts, age, elapsed)
    return Metrics(
        impressions=int(facts.impressions * delivery),
        clicks=int(facts.clicks * delivery),
        spend=round(facts.spend * passed * (1 + provisional)),
        conversions=units * facts.weight,
        conversion_value=units * facts.unit_value,
    )
