"""After any edit, at any moment, the servers serve the truth of that moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import Metrics, Sandbox
from tests.support.sandbox_clients import META_LEADS, META_PURCHASE, META_SALES, NORDLICHT, NOW, Ads

FIRST, LAST = date(2026, 11, 10), date(2026, 11, 16)
EVERY_STATUS = [
    {"field": "campaign.effective_status", "operator": "IN", "value": ["ACTIVE", "PAUSED", "ARCHIVED", "DELETED"]}
]
NAMES = tuple(Metrics.__dataclass_fields__)
days = st.dates(FIRST, LAST)
edits = st.lists(
    st.one_of(
        st.tuples(st.just("empty"), days),
        st.tuples(st.just("fill"), days),
        st.tuples(st.just("restate"), days, st.sampled_from([0, 0.3, 0.5, 1.37, 2]), st.sets(st.sampled_from(NAMES))),
        st.tuples(st.just("add"), days, st.integers(1, 9)),
        st.tuples(st.just("wait"), days, st.integers(1, 200)),
    ),
    max_size=6,
)


def _apply(sandbox: Sandbox, platform: Any, account_id: str, edit: tuple[Any, ...]) -> None:
    world = sandbox.world
    match edit:
        case ("empty", day):
            world.empty_day(platform, account_id, day)
        case ("fill", day):
            world.add_rows(platform, account_id, day)
        case ("restate", day, factor, names):
            world.restate(platform, account_id, day, factor=factor, metrics=names)
        case ("add", day, number):
            account = world.account(platform, account_id)
            assert account
            value = 0 if account.conversion == "lead" else 1250 * number
            campaign = world.campaigns(account)[number % 3].id
            world.add_rows(platform, account_id, day, {campaign: Metrics(900, 90, 777, 100 * number, value)})
        case ("wait", _, hours):
            world.now += timedelta(hours=hours)


@given(changes=edits)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_google_serves_the_truth(sandbox: Sandbox, ads: Ads, changes: list[tuple[Any, ...]]) -> None:
    sandbox.world.forget_edits()
    sandbox.world.now = NOW
    for change in changes:
        _apply(sandbox, "google_ads", NORDLICHT, change)
    rows = ads(
        "SELECT campaign.id, segments.date, metrics.impressions, metrics.clicks, metrics.cost_micros, "
        "metrics.conversions, metrics.conversions_value, metrics.conversions_by_conversion_date, "
        "metrics.conversions_value_by_conversion_date FROM campaign "
        f"WHERE segments.date BETWEEN '{FIRST}' AND '{LAST}'"
    )
    served = {
        (
            row.segments.date,
            str(row.campaign.id),
            row.metrics.impressions,
            row.metrics.clicks,
            Decimal(row.metrics.cost_micros) / 1_000_000,
            Decimal(str(row.metrics.conversions)),
            Decimal(str(row.metrics.conversions_value)),
            Decimal(str(row.metrics.conversions_by_conversion_date)),
            Decimal(str(row.metrics.conversions_value_by_conversion_date)),
        )
        for row in rows
    }
    assert served == _truth(sandbox, "google_ads", NORDLICHT)


@given(changes=edits, account_id=st.sampled_from([META_SALES, META_LEADS, META_PURCHASE]))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_meta_serves_the_truth(
    sandbox: Sandbox, all_pages: Callable[..., Any], changes: list[tuple[Any, ...]], account_id: str
) -> None:
    sandbox.world.forget_edits()
    sandbox.world.now = NOW
    for change in changes:
        _apply(sandbox, "meta_ads", account_id, change)
    rows = all_pages(
        f"act_{account_id}",
        "insights",
        level="campaign",
        time_increment=1,
        time_range={"since": str(FIRST), "until": str(LAST)},
        fields="campaign_id,impressions,clicks,inline_link_clicks,spend,actions,action_values",
        filtering=EVERY_STATUS,
    )
    type_ = {META_SALES: "omni_purchase", META_LEADS: "lead", META_PURCHASE: "purchase"}[account_id]

    def amount(row: dict[str, Any], name: str) -> Decimal:
        return sum((Decimal(a["value"]) for a in row.get(name, []) if a["action_type"] == type_), Decimal(0))

    served = {
        (
            row["date_start"],
            row["campaign_id"],
            int(row["impressions"]),
            int(row["clicks"]),
            Decimal(row["spend"]),
            amount(row, "actions"),
            amount(row, "action_values"),
            amount(row, "actions"),
            amount(row, "action_values"),
        )
        for row in rows
    }
    assert served == _truth(sandbox, "meta_ads", account_id)
    link_clicks = {(row["date_start"], row["campaign_id"]): int(row.get("inline_link_clicks", 0)) for row in rows}
    assert link_clicks == {
        (str(row["date"]), row["campaign_id"]): row["link_clicks"]
        for row in sandbox.world.truth("meta_ads", FIRST, LAST + timedelta(days=1), account_ids=[account_id])
    }


def _truth(sandbox: Sandbox, platform: Any, account_id: str) -> set[tuple[Any, ...]]:
    return {
        (
            str(row["date"]),
            row["campaign_id"],
            row["impressions"],
            row["clicks"],
            row["spend"],
            row["conversions"],
            row["conversion_value"],
            row["conversions_by_conversion_date"],
            row["conversion_value_by_conversion_date"],
        )
        for row in sandbox.world.truth(platform, FIRST, LAST + timedelta(days=1), account_ids=[account_id])
    }
