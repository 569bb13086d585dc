"""Which campaigns meet their targets: pure functions over the mart's sums, so tests need no warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mdp_dagster.clients.model import Clients, KpiTargets


@dataclass(frozen=True)
class CampaignTotals:
    """A campaign's sums over a window. ``spend`` is in the client's reporting currency; None without a rate."""

    client_id: str
    platform: str
    campaign_id: str
    campaign_name: str
    impressions: int
    clicks: int
    conversions: float
    spend: float | None


@dataclass(frozen=True)
class Kpi:
    """A KPI that has a target.

    ``value`` is None when the campaign can't be judged: it is too small, it has no exchange rate, or there is nothing
    to divide by. ``meets`` compares a value with the target. ``miss`` returns the distance to the target (larger is
    worse).
    """

    name: str
    description: str
    value: Callable[[CampaignTotals, KpiTargets], float | None]
    target: Callable[[KpiTargets], float]
    higher_is_better: bool

    def meets(self, value: float, target: float) -> bool:
        """Whether the value meets the target."""
        return value > target if self.higher_is_better else value < target

    def miss(self, value: float, target: float) -> float:
        """The distance to the target. A larger number is worse."""
        return target - value if self.higher_is_better else value - target


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
    return float("inf") if totals.spend > 0 else None


KPIS = (
    Kpi(
        "ctr_above_target",
        "CTR (clicks / impressions) above its target.",
        _ctr,
        lambda t: t.ctr,
        higher_is_better=True,
    ),
    Kpi(
        "cpa_below_target",
        "CPA (spend / conversions, in the reporting currency) below its target.",
        _cpa,
        lambda t: t.cpa,
        higher_is_better=False,
    ),
    Kpi(
        "conversion_rate_above_target",
        "Conversion rate (conversions / clicks) above its target.",
        _conversion_rate,
        lambda t: t.conversion_rate,
        higher_is_better=True,
    ),
)


@dataclass(frozen=True)
class Judged:
    """A campaign that was large enough to judge, with its target."""

    totals: CampaignTotals
    value: float
    target: float
    meets: bool
    miss: float


@dataclass(frozen=True)
class Verdict:
    """The result of a KPI for all campaigns."""

    judged: list[Judged]
    not_judged: int

    @property
    def missed(self) -> list[Judged]:
        """The campaigns that miss their target, sorted by the distance relative to the target, the largest first."""
        return sorted((j for j in self.judged if not j.meets), key=lambda j: j.miss / (j.target or 1), reverse=True)

    @property
    def share(self) -> float | None:
        """The share of judged campaigns that meet their target; None if no campaign was judged."""
        return 1 - len(self.missed) / len(self.judged) if self.judged else None


def judge(kpi: Kpi, campaigns: Iterable[CampaignTotals], clients: Clients) -> Verdict:
    """Compares each campaign with its client's target on its platform. A client outside the file has the defaults."""
    targets_of = {client.id: client.targets for client in clients.clients}
    judged, not_judged = [], 0
    for totals in campaigns:
        own = targets_of.get(totals.client_id)
        targets = own.on(totals.platform) if own else KpiTargets()
        value = kpi.value(totals, targets)
        if value is None:
            not_judged += 1
            continue
        target = kpi.target(targets)
        judged.append(Judged(totals, value, target, kpi.meets(value, target), kpi.miss(value, target)))
    return Verdict(judged, not_judged)


def totals_of(row: dict[str, Any]) -> CampaignTotals:
    """Returns the totals in a row of the mart's sums."""
    return CampaignTotals(
        client_id=row["client_id"],
        platform=row["platform"],
        campaign_id=row["campaign_id"],
        campaign_name=row["campaign_name"] or "",
        impressions=int(row["impressions"]),
        clicks=int(row["clicks"]),
        conversions=float(row["conversions"]),
        spend=None if row["spend"] is None else float(row["spend"]),
    )
