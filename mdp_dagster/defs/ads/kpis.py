"""Which campaigns meet their targets: pure functions over the mart's sums, so tests need no warehouse.

A target is a property of the settled value, but the conversions of young days are still arriving. So a campaign misses
a target only if it also misses it with the most conversions that its days will probably have once they have settled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import inf, isfinite, sqrt

from mdp_dagster.clients.model import Clients, KpiTargets

_STANDARD_DEVIATIONS = 2.0


@dataclass(frozen=True)
class CampaignTotals:
    """A campaign's sums over the days that are judged.

    Args:
        client_id: The client.
        platform: The ad platform.
        campaign_id: The campaign.
        campaign_name: The campaign's name.
        impressions: Impressions.
        clicks: Link clicks.
        conversions: The conversions so far.
        spend: In the client's reporting currency; None without an exchange rate.
        completeness: The share of the days' conversions that has usually arrived at their ages. Each day counts by its
            clicks. 1 if all days are final.
        measured_on: Where the completeness comes from: the weakest of the days' sources.
        days: The number of days with a row.
    """

    client_id: str
    platform: str
    campaign_id: str
    campaign_name: str
    impressions: int
    clicks: int
    conversions: float
    spend: float | None
    completeness: float = 1.0
    measured_on: str = "final"
    days: int = 0

    @property
    def most_conversions(self) -> float:
        """The most conversions that these days will probably have when all have arrived.

        If n conversions are the share c of all, those that are still to come have a negative binomial distribution
        with the mean (n + 1)(1 - c) / c. This is its mean plus two standard deviations: in 2 to 3 of 100 cases, more
        arrive.
        """
        if self.completeness >= 1:
            return self.conversions
        if self.completeness <= 0:
            return inf
        to_come = (max(self.conversions, 0.0) + 1) * (1 - self.completeness) / self.completeness
        return self.conversions + to_come + _STANDARD_DEVIATIONS * sqrt(to_come / self.completeness)


@dataclass(frozen=True)
class Kpi:
    """A KPI that has a target.

    ``value`` is None when the campaign can't be judged: it is too small, it has no exchange rate, or there is nothing
    to divide by. ``meets`` compares a value with the target. ``times_off`` returns how many times the target the value
    is off (larger is worse).
    """

    name: str
    value: Callable[[CampaignTotals, KpiTargets], float | None]
    target: Callable[[KpiTargets], float]
    higher_is_better: bool

    def meets(self, value: float, target: float) -> bool:
        """Whether the value meets the target."""
        return value > target if self.higher_is_better else value < target

    def times_off(self, value: float, target: float) -> float:
        """The distance to the target as a factor: 2 for half of a rate's target, and for twice a cost's target."""
        better, worse = (value, target) if self.higher_is_better else (target, value)
        if better > 0:
            return worse / better
        return inf if worse > 0 else 1.0


def _ctr(totals: CampaignTotals, targets: KpiTargets) -> float | None:
    """Clicks / impressions. Without a positive number of impressions there is nothing to judge."""
    if totals.impressions < max(targets.min_impressions, 1):
        return None
    return totals.clicks / totals.impressions


def _conversion_rate(totals: CampaignTotals, targets: KpiTargets) -> float | None:
    """Conversions / clicks. Without a positive number of clicks there is nothing to judge.

    Net conversions below zero give a negative rate, which misses every target.
    """
    if totals.clicks < max(targets.min_clicks, 1):
        return None
    return totals.conversions / totals.clicks


def _cpa(totals: CampaignTotals, targets: KpiTargets) -> float | None:
    """Spend / conversions.

    Spend without a positive number of conversions is the worst value, not an unknown one: the money is gone. Without
    spend and conversions there is nothing to judge. Neither is there if the spend is negative: a credit is not the cost
    of a conversion.
    """
    if totals.clicks < max(targets.min_clicks, 1) or totals.spend is None or totals.spend < 0:
        return None
    if totals.conversions > 0:
        return totals.spend / totals.conversions
    return inf if totals.spend > 0 else None


KPIS = (
    Kpi("ctr", _ctr, lambda t: t.ctr, higher_is_better=True),
    Kpi("cpa", _cpa, lambda t: t.cpa, higher_is_better=False),
    Kpi("conversion_rate", _conversion_rate, lambda t: t.conversion_rate, higher_is_better=True),
)


@dataclass(frozen=True)
class Judged:
    """A campaign's KPI that has a verdict.

    Args:
        kpi: The KPI.
        totals: The campaign.
        value: The KPI's value with the conversions so far.
        at_best: The value with the most conversions that the days will probably have.
        target: The client's target.
        meets: Whether the campaign meets the target.
    """

    kpi: Kpi
    totals: CampaignTotals
    value: float
    at_best: float
    target: float
    meets: bool

    @property
    def key(self) -> str:
        """Identifies the campaign and the KPI."""
        return f"{self.totals.platform}/{self.totals.campaign_id}/{self.kpi.name}"

    @property
    def times_off(self) -> float:
        """How many times the target the best possible value is off."""
        return self.kpi.times_off(self.at_best, self.target)


@dataclass(frozen=True)
class Verdict:
    """The result of a KPI for all campaigns.

    Args:
        kpi: The KPI.
        judged: The campaigns that certainly meet their target or certainly miss it.
        undecided: The number of campaigns for which it depends on the conversions that are still to come.
        too_small: The number of campaigns that can't be judged.
    """

    kpi: Kpi
    judged: list[Judged]
    undecided: int
    too_small: int

    @property
    def missed(self) -> list[Judged]:
        """The campaigns that miss their target, the worst first."""
        return worst_first(judged for judged in self.judged if not judged.meets)

    @property
    def share(self) -> float | None:
        """The share of judged campaigns that meet their target; None if no campaign was judged."""
        return 1 - len(self.missed) / len(self.judged) if self.judged else None


def worst_first(misses: Iterable[Judged]) -> list[Judged]:
    """Returns the misses, sorted by the distance to their targets, then by spend."""
    return sorted(misses, key=lambda miss: (miss.times_off, miss.totals.spend or 0.0), reverse=True)


def judge(kpi: Kpi, campaigns: Iterable[CampaignTotals], clients: Clients) -> Verdict:
    """Compares each campaign with its client's target on its platform. A client outside the file has the defaults."""
    targets_of = {client.id: client.targets for client in clients.clients}
    judged, undecided, too_small = [], 0, 0
    for totals in campaigns:
        own = targets_of.get(totals.client_id)
        targets = own.on(totals.platform) if own else KpiTargets()
        value = kpi.value(totals, targets)
        if value is None:
            too_small += 1
            continue
        at_best = kpi.value(replace(totals, conversions=totals.most_conversions), targets)
        target = kpi.target(targets)
        if at_best is None or (kpi.meets(at_best, target) and not kpi.meets(value, target)):
            undecided += 1
            continue
        judged.append(Judged(kpi, totals, value, at_best, target, kpi.meets(value, target)))
    return Verdict(kpi, judged, undecided, too_small)


def shown(value: float) -> float | None:
    """Returns a value for a table. JSON has no infinity, so a CPA without any conversion is empty."""
    return round(value, 4) if isfinite(value) else None
