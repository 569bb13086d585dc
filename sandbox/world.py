"""One coherent fictional world of advertising, as it looks at a given instant.

All numbers follow from (seed, now): asking for one day computes that day only, and two worlds with the same seed and
the same now give the same rows. Edits come on top: a test can restate or empty a day.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

from sandbox.behaviour import Mature, Metrics, mature, served, shown_age
from sandbox.conversions import ConversionDays
from sandbox.model import Account, Campaign, campaigns_running, campaigns_until, stable_hash
from sandbox.platforms import platforms
from sandbox.rows import CampaignDay, normalised
from sandbox.scale import enlarge

HISTORY_MONTHS = 37  # the platforms keep daily numbers for that long
_OUTAGE_ONE_DAY_IN = 47
_CACHE_LIMIT = 300_000  # campaign days


@dataclass(slots=True)
class _Edits:
    """The edits of one account's day."""

    empty: bool | None = None
    factors: list[tuple[int | None, float, frozenset[str]]] = field(default_factory=list)
    rows: dict[int, Metrics] = field(default_factory=dict)


class World:
    """The facts behind all sandbox servers.

    `now` is an aware datetime; without it the world lives in real time. `accounts` (per platform) and
    `campaigns_per_account` make the world larger for measurements. Safe to use from several threads.
    """

    def __init__(
        self,
        seed: int = 7,
        now: datetime | None = None,
        *,
        accounts: int | None = None,
        campaigns_per_account: int | None = None,
    ) -> None:
        self.seed = seed
        self._lock = threading.RLock()
        self._now = _aware(now)
        named = [account for platform in platforms().values() for account in platform.accounts]
        self._accounts = enlarge(named, accounts=accounts, campaigns_per_account=campaigns_per_account)
        self._by_id = {(account.platform, account.id): account for account in self._accounts}
        self._edits: dict[tuple[str, str, date], _Edits] = {}
        self._edit_count = 0
        self._mature_rows = 0
        self._conversions = ConversionDays(seed, self._delivered, self._is_outage)
        self._mature: dict[tuple[str, str, date], tuple[tuple[Campaign, Mature], ...]] = {}

    # --- the clock

    @property
    def now(self) -> datetime:
        """The sandbox's time: the machine's unless it is set."""
        return self._now or datetime.now(timezone.utc)

    @now.setter
    def now(self, value: datetime | None) -> None:
        with self._lock:
            self._now = _aware(value)

    def local_today(self, account: Account) -> date:
        """Today in the account's time zone."""
        return self.now.astimezone(account.zone).date()

    def history_start(self, account: Account) -> date:
        """The first day of which the platform still has daily numbers."""
        today = self.local_today(account)
        months = today.year * 12 + today.month - 1 - HISTORY_MONTHS
        return date(months // 12, months % 12 + 1, min(today.day, 28))

    @property
    def state(self) -> tuple[int, datetime]:
        """Changes whenever the numbers can have changed: with every edit, and with every hour."""
        with self._lock:
            return self._edit_count, self.now.replace(minute=0, second=0, microsecond=0)

    # --- the accounts

    def accounts(self, platform: str) -> tuple[Account, ...]:
        """All accounts of the platform: managers and closed ones too."""
        return tuple(account for account in self._accounts if account.platform == platform)

    def account(self, platform: str, account_id: str) -> Account | None:
        """Returns an account by its id in any form; None if there is none."""
        return self._by_id.get((platform, normal_id(platform, account_id)))

    def campaigns(self, account: Account) -> tuple[Campaign, ...]:
        """All campaigns that existed up to the account's today, removed ones included."""
        return campaigns_until(account, self.local_today(account))

    # --- the numbers

    def campaign_days(self, account: Account, start: date, end: date) -> Iterator[CampaignDay]:
        """Served rows, one per campaign and day with activity, for start <= day < end, by day and campaign."""
        local_now = self.now.astimezone(account.zone)
        today, elapsed = local_now.date(), local_now.hour / 24
        first, last = max(start, self.history_start(account)), min(end, today + timedelta(days=1))
        if not account.serves_ads:
            return
        for offset in range((last - first).days):
            day = first + timedelta(days=offset)
            age = (today - day).days
            for campaign, metrics in self._served_day(account, day, age, elapsed):
                yield CampaignDay(account, campaign, day, metrics)

    def truth(
        self, platform: str | None, start: date, end: date, *, account_ids: Iterable[str] | None = None
    ) -> list[dict[str, Any]]:
        """The rows that a mart by campaign and day must have for start <= day < end, as the world is now.

        Without a platform: of all. See `rows.normalised` for the columns.
        """
        written = None if account_ids is None else list(account_ids)
        return [
            normalised(row)
            for each in ((platform,) if platform else platforms())
            for account in self.accounts(each)
            if written is None or account.id in {normal_id(each, account_id) for account_id in written}
            for row in self.campaign_days(account, start, end)
        ]

    def _served_day(self, account: Account, day: date, age: int, elapsed: float) -> Iterable[tuple[Campaign, Metrics]]:
        with self._lock:
            edits = self._edits.get((account.platform, account.id, day))
            if edits is not None:
                edits = replace(edits, factors=list(edits.factors), rows=dict(edits.rows))
        empty = edits.empty if edits is not None and edits.empty is not None else self._is_outage(account, day)
        facts = () if empty else self._mature_day(account, day)
        rows = [
            (campaign, served(settled, shown_age(self.seed, campaign, day, age, elapsed), elapsed))
            for campaign, settled in facts
        ]
        if not empty and platforms()[account.platform].dating != "click":
            rows = self._dated_by_conversion(rows, account, day, age, elapsed)
        if edits is not None:
            rows = _edited(rows, edits, self.campaigns(account), whole=platforms()[account.platform].whole_conversions)
        return [(campaign, metrics) for campaign, metrics in rows if metrics]

    def _dated_by_conversion(
        self, rows: list[tuple[Campaign, Metrics]], account: Account, day: date, age: int, elapsed: float
    ) -> list[tuple[Campaign, Metrics]]:
        """The rows with the conversions that happen on the day. Some are of campaigns that don't run on it."""
        platform = platforms()[account.platform]
        happened = self._conversions.on(account, day, elapsed=elapsed if age == 0 else None)
        shown = {
            id_: found.shown(platform.share_shown(shown_age(self.seed, campaign, day, age, elapsed)))
            for id_, (campaign, found) in happened.items()
        }
        running = {campaign.id for campaign, _ in rows}
        rows = rows + [(campaign, Metrics()) for id_, (campaign, _) in happened.items() if id_ not in running]
        names = ("conversions", "conversion_value")
        if platform.dating == "both":
            names = ("conversions_by_date", "conversion_value_by_date")
        return [
            (campaign, replace(metrics, **dict(zip(names, shown.get(campaign.id, (0, 0)), strict=True))))
            for campaign, metrics in rows
        ]

    def _delivered(self, account: Account, day: date) -> tuple[tuple[Campaign, Mature], ...]:
        return () if self._is_outage(account, day) else self._mature_day(account, day)

    def _is_outage(self, account: Account, day: date) -> bool:
        """Now and then an account has a day without any row, as when its card is refused."""
        return stable_hash(self.seed, account.platform, account.id, day, "outage") % _OUTAGE_ONE_DAY_IN == 0

    def _mature_day(self, account: Account, day: date) -> tuple[tuple[Campaign, Mature], ...]:
        key = (account.platform, account.id, day)
        known = self._mature.get(key)
        if known is None:
            known = tuple((c, mature(self.seed, account, c, day)) for c in campaigns_running(account, day))
            with self._lock:
                if self._mature_rows > _CACHE_LIMIT:
                    self._mature.clear()
                    self._mature_rows = 0
                self._mature[key] = known
                self._mature_rows += len(known)
        return known

    # --- edits by hand

    def restate(
        self,
        platform: str,
        account_id: str,
        day: date,
        *,
        factor: float,
        campaign_id: int | str | None = None,
        metrics: Iterable[str] = ("conversions", "conversion_value"),
    ) -> None:
        """Multiplies metrics of a day, of one campaign or of all. Several factors for the same day are all applied.

        `metrics` are names of the fields of `Metrics`.
        """
        names = frozenset(metrics)
        if unknown := names - set(Metrics.__dataclass_fields__):
            raise ValueError(f"no such metrics: {', '.join(sorted(unknown))}")
        campaign = None if campaign_id is None else int(campaign_id)
        with self._lock:
            self._edit(platform, account_id, day).factors.append((campaign, factor, names))

    def empty_day(self, platform: str, account_id: str, day: date) -> None:
        """Removes all rows of a day."""
        with self._lock:
            edits = self._edit(platform, account_id, day)
            edits.empty = True
            edits.rows.clear()

    def add_rows(self, platform: str, account_id: str, day: date, rows: Mapping[int, Metrics] | None = None) -> None:
        """Adds rows with the given metrics, by campaign id. Without `rows`, an empty day gets its own rows back."""
        with self._lock:
            edits = self._edit(platform, account_id, day)
            if rows is None:
                edits.empty = False
                return
            account = self._require(platform, account_id)
            if unknown := set(rows) - {campaign.id for campaign in self.campaigns(account)}:
                raise ValueError(f"no such campaigns in {account_id}: {sorted(unknown)}")
            for metrics in rows.values():
                _check_servable(account, metrics)
            edits.rows.update(rows)

    def forget_edits(self) -> None:
        """Undo everything that was changed by hand."""
        with self._lock:
            self._edits.clear()
            self._edit_count += 1

    def _edit(self, platform: str, account_id: str, day: date) -> _Edits:
        account = self._require(platform, account_id)
        self._edit_count += 1
        return self._edits.setdefault((account.platform, account.id, day), _Edits())

    def _require(self, platform: str, account_id: str) -> Account:
        account = self.account(platform, account_id)
        if account is None:
            raise ValueError(f"no account {account_id!r} on {platform}")
        return account


def normal_id(platform: str, account_id: str) -> str:
    """An account id as the platform's API takes it, whichever way it is written."""
    known = platforms()
    return known[platform].normal_id(str(account_id)) if platform in known else str(account_id)


def instant(text: str) -> datetime:
    """An ISO instant; UTC unless it says otherwise."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 doesn't know Z
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _aware(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    return moment


def _check_servable(account: Account, metrics: Metrics) -> None:
    """Raises ``ValueError`` for numbers that the platform can't report: parts of conversions, or a lead's value."""
    if not platforms()[account.platform].whole_conversions:
        return
    worthless = account.conversion == "lead" or not metrics.conversions
    if metrics.conversions % 100 or (worthless and metrics.conversion_value):
        raise ValueError(f"{platforms()[account.platform].label} can't report {metrics} on {account.id}")


def _edited(
    rows: Iterable[tuple[Campaign, Metrics]], edits: _Edits, campaigns: Iterable[Campaign], *, whole: bool
) -> list[tuple[Campaign, Metrics]]:
    result = {campaign.id: (campaign, metrics) for campaign, metrics in rows}
    result.update({c.id: (c, edits.rows[c.id]) for c in campaigns if c.id in edits.rows})
    for wanted, factor, names in edits.factors:
        for id_, (campaign, metrics) in result.items():
            if wanted in (None, id_):
                result[id_] = (campaign, _scaled(metrics, factor, names, whole))
    return list(result.values())


def _scaled(metrics: Metrics, factor: float, names: frozenset[str], whole: bool) -> Metrics:
    scaled = {name: round(getattr(metrics, name) * factor) for name in names}
    if whole and "conversions" in scaled:  # without a conversion there is no value
        scaled["conversions"] = round(scaled["conversions"] / 100) * 100
        if not scaled["conversions"]:
            scaled["conversion_value"] = 0
    return replace(metrics, **scaled)
