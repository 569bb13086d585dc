"""Which campaigns are judged, against which target, and which are shown first."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdp_dagster.clients.model import Clients, KpiTargets
from mdp_dagster.defs.ads.kpi_check import totals_of
from mdp_dagster.defs.ads.kpis import KPIS, CampaignTotals, Kpi, Verdict, judge, shown

CTR, CPA, CONVERSION_RATE = KPIS

CLIENTS = Clients.model_validate(
    {
        "clients": [
            {
                "id": "acme",
                "name": "Acme",
                "currency": "EUR",
                "accounts": {},
                "targets": {"ctr": 0.03, "cpa": 7, "platforms": {"meta_ads": {"cpa": 9, "min_clicks": 10}}},
            },
            {"id": "zenith", "name": "Zenith", "currency": "USD", "accounts": {}},
        ]
    }
)


def clients_with(targets: dict[str, Any]) -> Clients:
    zenith = {"id": "zenith", "name": "Zenith", "currency": "USD", "accounts": {}, "targets": targets}
    return Clients.model_validate({"clients": [zenith]})


def campaign(**values: Any) -> CampaignTotals:
    """A campaign that is large enough to be judged, and exactly on each of the default targets."""
    ordinary = CampaignTotals("zenith", "google_ads", "1", "One", 100_000, 2_000, 100.0, 500.0)
    return replace(ordinary, **values)


def verdict(kpi: Kpi, *campaigns: CampaignTotals) -> Verdict:
    return judge(kpi, campaigns, CLIENTS)


def meets(kpi: Kpi, totals: CampaignTotals) -> bool | None:
    """Whether the totals meet the target, or None without a verdict."""
    found = verdict(kpi, totals)
    assert len(found.judged) + found.undecided + found.too_small == 1
    return found.judged[0].meets if found.judged else None


# ---- what counts as met ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kpi", "values", "met"),
    [
        (CTR, {"clicks": 2_001}, True),
        (CTR, {"clicks": 2_000}, False),  # "above its target": a value equal to the target misses it
        (CTR, {"clicks": 1_999}, False),
        (CTR, {"clicks": 0}, False),
        (CPA, {"spend": 499.99}, True),
        (CPA, {"spend": 500.0}, False),
        (CPA, {"spend": 500.01}, False),
        (CPA, {"spend": 0.0}, True),
        (CONVERSION_RATE, {"conversions": 100.1}, True),
        (CONVERSION_RATE, {"conversions": 100.0}, False),
        (CONVERSION_RATE, {"conversions": 0.0}, False),
    ],
)
def test_a_target_is_met_above_or_below_it_and_not_on_it(kpi: Kpi, values: dict[str, Any], met: bool) -> None:
    assert meets(kpi, campaign(**values)) is met


def test_the_defaults_are_the_usual_targets() -> None:
    targets = KpiTargets()
    assert [kpi.target(targets) for kpi in KPIS] == [0.02, 5.0, 0.05]
    assert [kpi.name for kpi in KPIS] == ["ctr", "cpa", "conversion_rate"]


# ---- floors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kpi", "floor", "judged"),
    [
        (CTR, {"impressions": 999, "clicks": 500}, False),
        (CTR, {"impressions": 1_000, "clicks": 1}, True),
        (CPA, {"clicks": 99}, False),
        (CPA, {"clicks": 100}, True),
        (CONVERSION_RATE, {"clicks": 99}, False),
        (CONVERSION_RATE, {"clicks": 100}, True),
        (CPA, {"impressions": 0}, True),  # the campaign has only clicks
    ],
)
def test_a_campaign_below_the_floor_is_not_judged(kpi: Kpi, floor: dict[str, Any], judged: bool) -> None:
    assert (meets(kpi, campaign(**floor)) is not None) is judged


@pytest.mark.parametrize("kpi", KPIS)
def test_a_floor_of_zero_never_divides_by_zero(kpi: Kpi) -> None:
    clients = clients_with({"min_impressions": 0, "min_clicks": 0})
    nothing = campaign(impressions=0, clicks=0, conversions=0.0, spend=0.0)
    assert judge(kpi, [nothing], clients).too_small == 1
    assert len(judge(kpi, [campaign(impressions=1, clicks=1, conversions=1.0, spend=1.0)], clients).judged) == 1


# ---- cost per conversion ---------------------------------------------------------------------------------------------


def test_spend_without_conversions_is_the_worst_miss() -> None:
    found = verdict(CPA, campaign(campaign_id="dear", spend=1e9), campaign(campaign_id="void", conversions=0.0))
    assert [judged.totals.campaign_id for judged in found.missed] == ["void", "dear"]
    assert math.isinf(found.missed[0].value)


def test_without_spend_and_conversions_a_campaign_is_not_judged() -> None:
    assert meets(CPA, campaign(conversions=0.0, spend=0.0)) is None


def test_spend_with_net_conversions_below_zero_misses_the_target() -> None:
    """100.00 spent, one conversion more withdrawn than counted: a CPA of -100.00 would be below any target."""
    withdrawn = campaign(campaign_id="withdrawn", spend=100.0, conversions=-1.0, clicks=500)
    assert meets(CPA, withdrawn) is False
    assert math.isinf(verdict(CPA, withdrawn).missed[0].value)
    assert meets(CONVERSION_RATE, withdrawn) is False


@pytest.mark.parametrize("conversions", [0.0, -1.0])
def test_net_conversions_below_zero_without_spend_are_not_judged(conversions: float) -> None:
    assert meets(CPA, campaign(spend=0.0, conversions=conversions)) is None


def test_a_credit_is_not_the_cost_of_a_conversion() -> None:
    assert [meets(CPA, campaign(spend=-5.0, conversions=conversions)) for conversions in (3.0, 0.0, -1.0)] == [None] * 3


@pytest.mark.parametrize("floor", [0, 100])
def test_a_negative_denominator_is_not_judged(floor: int) -> None:
    clients = clients_with({"min_impressions": floor, "min_clicks": floor})
    negative = campaign(impressions=-2_000, clicks=-500, conversions=-100.0, spend=100.0)
    assert [judge(kpi, [negative], clients).too_small for kpi in KPIS] == [1, 1, 1]


def test_without_an_exchange_rate_the_cost_is_not_judged_but_the_rates_are() -> None:
    unknown = campaign(spend=None, clicks=3_000)
    assert [meets(kpi, unknown) for kpi in KPIS] == [True, None, False]


# ---- choice of targets -----------------------------------------------------------------------------------------------


def target_for(kpi: Kpi, client_id: str, platform: str) -> float:
    return verdict(kpi, campaign(client_id=client_id, platform=platform)).judged[0].target


def test_a_campaign_is_measured_by_its_clients_target_on_its_platform() -> None:
    assert target_for(CPA, "acme", "google_ads") == 7
    assert target_for(CPA, "acme", "meta_ads") == 9
    assert target_for(CTR, "acme", "meta_ads") == 0.03, "targets that the platform doesn't set come from the client"
    assert target_for(CPA, "zenith", "meta_ads") == 5
    assert target_for(CPA, "acme", "a new platform") == 7


@pytest.mark.parametrize("client_id", ["unassigned", "left", "", None])
def test_a_campaign_without_a_client_is_measured_by_the_defaults(client_id: Any) -> None:
    assert [target_for(kpi, client_id, "google_ads") for kpi in KPIS] == [0.02, 5.0, 0.05]


def test_a_floor_can_differ_on_a_platform() -> None:
    small = campaign(client_id="acme", clicks=10)
    assert meets(CPA, replace(small, platform="google_ads")) is None
    assert meets(CPA, replace(small, platform="meta_ads")) is not None


# ---- the verdict -----------------------------------------------------------------------------------------------------


def test_the_share_is_that_of_the_judged_campaigns() -> None:
    good, bad, small = campaign(clicks=3_000), campaign(clicks=100), campaign(impressions=10)
    found = verdict(CTR, good, bad, good, good, small)
    assert (found.share, len(found.judged), found.undecided, found.too_small) == (0.75, 4, 0, 1)
    assert verdict(CTR, good).share == 1.0 and verdict(CTR, bad).share == 0.0


@pytest.mark.parametrize("campaigns", [[], [campaign(impressions=10, clicks=0)]])
def test_without_judged_campaigns_there_is_neither_a_share_nor_a_miss(campaigns: list[CampaignTotals]) -> None:
    for kpi in KPIS:
        found = verdict(kpi, *campaigns)
        assert (found.share, found.missed, found.judged) == (None, [], [])


def test_campaigns_are_ordered_by_their_distance_from_their_own_target() -> None:
    """9.90 against 9 is a smaller miss than 7.90 against 7, though both are 0.90 above."""
    found = verdict(
        CPA,
        campaign(campaign_id="met", spend=100.0),
        campaign(campaign_id="by 10 %", client_id="acme", platform="meta_ads", spend=990.0),
        campaign(campaign_id="by 200 %", spend=1_500.0),
        campaign(campaign_id="by 13 %", client_id="acme", spend=790.0),
        campaign(campaign_id="without end", conversions=0.0),
    )
    assert [judged.totals.campaign_id for judged in found.missed] == ["without end", "by 200 %", "by 13 %", "by 10 %"]
    assert [judged.times_off for judged in found.missed] == pytest.approx([math.inf, 3, 7.9 / 7, 1.1])
    rates = verdict(CTR, *(campaign(campaign_id=str(clicks), clicks=clicks) for clicks in (1_500, 100, 5_000, 1_999)))
    assert [judged.totals.campaign_id for judged in rates.missed] == ["100", "1500", "1999"]


def test_a_target_of_zero_can_be_missed_and_is_still_ordered() -> None:
    clients = clients_with({"ctr": 0})
    assert judge(CTR, [campaign(clicks=1)], clients).missed == []
    assert [judged.times_off for judged in judge(CTR, [campaign(clicks=0)], clients).missed] == [1]


counts = st.integers(0, 10**9)
amounts = st.floats(0, 1e9) | st.just(0.0)
net_amounts = st.floats(-1e9, 1e9) | amounts
campaigns = st.builds(
    CampaignTotals,
    client_id=st.sampled_from(["acme", "zenith", "nobody"]),
    platform=st.sampled_from(["google_ads", "meta_ads"]),
    campaign_id=st.text(max_size=3),
    campaign_name=st.just(""),
    impressions=counts | st.integers(-10, 10),
    clicks=st.integers(-5_000, 5_000),
    conversions=net_amounts,
    spend=st.none() | amounts,
    completeness=st.floats(0, 1) | st.just(1.0),
)


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.name)
def test_every_campaign_is_counted_once_and_the_misses_are_in_order(kpi: Kpi) -> None:
    @given(st.lists(campaigns, max_size=12))
    def check(some: list[CampaignTotals]) -> None:
        found = judge(kpi, some, CLIENTS)
        assert len(found.judged) + found.undecided + found.too_small == len(some)
        assert all(not judged.meets and not math.isnan(judged.value) for judged in found.missed)
        met = [judged for judged in found.judged if judged.meets]
        assert len(met) + len(found.missed) == len(found.judged)
        assert found.share is None or math.isclose(found.share, len(met) / len(found.judged), abs_tol=1e-12)
        relative = [judged.times_off for judged in found.missed]
        assert relative == sorted(relative, reverse=True) and all(factor >= 1 for factor in relative)

    check()


@given(campaigns, st.integers(0, 1_000), st.floats(0, 1_000))
def test_more_conversions_or_less_spend_never_turn_a_hit_into_a_miss(
    totals: CampaignTotals, conversions: int, saved: float
) -> None:
    better = replace(
        totals,
        conversions=totals.conversions + conversions,
        spend=None if totals.spend is None else max(totals.spend - saved, 0.0),
    )
    for kpi in (CPA, CONVERSION_RATE):
        if meets(kpi, totals):
            assert meets(kpi, better)


@given(campaigns)
def test_no_campaign_meets_a_target_without_something_to_divide_by(totals: CampaignTotals) -> None:
    assert not meets(CPA, totals) or totals.conversions > 0
    assert not meets(CTR, totals) or totals.impressions > 0 < totals.clicks
    assert not meets(CONVERSION_RATE, totals) or totals.clicks > 0 < totals.conversions


# ---- maturity --------------------------------------------------------------------------------------------------------


def test_a_young_campaign_that_conversions_to_come_can_save_has_no_verdict() -> None:
    """Its CPA is 6.25 against 5. If 80 conversions are four fifths of all, 100 will give exactly 5."""
    young = campaign(conversions=80.0, completeness=0.8)
    found = verdict(CPA, young)
    assert (found.judged, found.undecided, found.too_small) == ([], 1, 0)
    assert meets(CPA, replace(young, completeness=1.0)) is False
    assert meets(CONVERSION_RATE, young) is None
    assert meets(CTR, replace(young, clicks=1_999)) is False, "clicks do not wait for conversions"


def test_a_young_campaign_that_misses_its_target_in_any_case_is_a_miss() -> None:
    [miss] = verdict(CPA, campaign(conversions=40.0, completeness=0.8)).missed
    assert miss.value == 12.5
    assert miss.at_best == pytest.approx(500 / (40 + 41 / 4 + 2 * math.sqrt(41 / 4 / 0.8)))
    assert 5 < miss.at_best < 10


def test_a_young_campaign_that_already_meets_its_target_meets_it() -> None:
    assert meets(CPA, campaign(conversions=101.0, completeness=0.1)) is True
    assert meets(CONVERSION_RATE, campaign(conversions=101.0, completeness=0.1)) is True


def test_without_a_conversion_so_far_some_can_still_come() -> None:
    nothing_yet = campaign(conversions=0.0, clicks=100, spend=12.0, completeness=0.5)
    assert meets(CPA, nothing_yet) is None
    assert meets(CPA, replace(nothing_yet, spend=1_000.0)) is False
    assert meets(CPA, replace(nothing_yet, spend=1_000.0, completeness=0.0)) is None, "none arrives that early"


def test_net_conversions_below_zero_can_become_positive() -> None:
    withdrawn = campaign(conversions=-1.0, spend=12.0, completeness=0.5)
    assert meets(CPA, withdrawn) is None
    assert meets(CPA, replace(withdrawn, spend=1_000.0)) is False


@given(campaigns, st.floats(0, 1))
def test_what_is_still_to_come_never_turns_a_hit_into_a_miss(totals: CampaignTotals, other: float) -> None:
    """The less complete the days are, the fewer misses. A verdict of final days is never reversed."""
    younger, older = sorted((totals.completeness, other))
    assert replace(totals, completeness=younger).most_conversions >= totals.conversions
    for kpi in KPIS:
        early, late = (meets(kpi, replace(totals, completeness=share)) for share in (younger, older))
        assert early is not False or late is False
        assert early is not True or late is True
        settled = meets(kpi, replace(totals, completeness=1.0))
        assert early in (None, settled)


def test_more_arrive_than_expected_in_about_two_of_a_hundred_cases() -> None:
    """Conversions arrive at random, 60 % of them early: how often are there more in the end than the most expected?"""
    random, above = Random(7), 0
    for _ in range(4_000):
        total = sum(random.random() < 0.05 for _ in range(400))
        early = sum(random.random() < 0.6 for _ in range(total))
        above += total > campaign(conversions=float(early), completeness=0.6).most_conversions
    assert 0.01 < above / 4_000 < 0.03


# ---- from the mart ---------------------------------------------------------------------------------------------------


def test_sums_can_have_any_numeric_type() -> None:
    row = {
        "client_id": "acme",
        "platform": "google_ads",
        "campaign_id": "1",
        "campaign_name": None,
        "impressions": Decimal("100000"),  # DuckDB sums integers to HUGEINT, which comes out as Decimal
        "clicks": Decimal("2000"),
        "conversions": Decimal("100.500000000"),
        "spend": Decimal("499.990000000"),
        "complete_clicks": Decimal("1500"),
        "weakest_source": Decimal("2"),
        "days": Decimal("28"),
    }
    totals = totals_of(row)
    assert totals == CampaignTotals(
        "acme", "google_ads", "1", "", 100_000, 2_000, 100.5, 499.99, 0.75, "platform", days=28
    )
    assert totals_of({**row, "spend": None}).spend is None
    assert totals_of({**row, "clicks": 0}).completeness == 0
    assert [type(value) for value in (totals.impressions, totals.clicks, totals.conversions)] == [int, int, float]


def test_a_table_has_no_infinity() -> None:
    assert [shown(value) for value in (math.inf, 0.123456)] == [None, 0.1235]
