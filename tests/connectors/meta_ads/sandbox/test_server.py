"""The real client reads accounts, campaigns and insights, page by page, from the Graph API."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import requests
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.user import User
from facebook_business.api import FacebookAdsApi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import Sandbox, World
from tests.support.limits import HANG_SECONDS
from tests.support.sandbox_clients import META_LEADS, META_PURCHASE, META_SALES, Graph

PURCHASE = ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase")
FIELDS = (
    "campaign_id,campaign_name,account_currency,impressions,clicks,spend,reach,inline_link_clicks,actions,action_values"
)
EVERY_STATUS = [
    {
        "field": "campaign.effective_status",
        "operator": "IN",
        "value": ["ACTIVE", "PAUSED", "ARCHIVED", "DELETED"],
    }
]
WINDOW = {"since": "2026-09-22", "until": "2026-11-20"}
ACCOUNTS = [a for a in World().accounts("meta_ads") if a.serves_ads]

Pages = Callable[..., list[dict[str, Any]]]


def _act(account_id: str) -> str:
    return f"act_{account_id}"


def _value(entries: list[dict[str, str]], types: tuple[str, ...]) -> Decimal:
    by_type = {entry["action_type"]: Decimal(entry["value"]) for entry in entries}
    return next((by_type[name] for name in types if name in by_type), Decimal(0))


def test_ad_accounts_of_the_user(meta_api: FacebookAdsApi, graph: Graph) -> None:
    mine = list(User("me", api=meta_api).get_ad_accounts(fields=["account_id", "currency", "timezone_name"]))
    assert {account["account_id"] for account in mine} == {account.id for account in ACCOUNTS}
    assert {account["currency"] for account in mine} == {"EUR", "USD", "CHF", "SEK"}
    first = graph("me", "adaccounts", limit=3)
    assert len(first["data"]) == 3 and set(first["data"][0]) == {"id", "account_id"}
    assert "next" in first["paging"]


def test_an_account_has_the_requested_fields(graph: Graph) -> None:
    assert graph(_act(META_SALES)) == {"id": _act(META_SALES)}
    account = graph(
        _act(META_PURCHASE),
        fields="account_id,name,currency,timezone_name,timezone_offset_hours_utc,account_status,disable_reason",
    )
    assert account == {
        "id": _act(META_PURCHASE),
        "account_id": META_PURCHASE,
        "name": "Alpenzeit",
        "currency": "CHF",
        "timezone_name": "Europe/Zurich",
        "timezone_offset_hours_utc": 1.0,
        "account_status": 1,
        "disable_reason": 0,
    }


def test_archived_and_deleted_campaigns_are_listed_only_on_request(graph: Graph, all_pages: Pages) -> None:
    fields = "id,name,status,effective_status,objective"
    current = all_pages(_act(META_SALES), "campaigns", fields=fields, limit=2)
    every = all_pages(
        _act(META_SALES),
        "campaigns",
        fields=fields,
        effective_status=["ACTIVE", "PAUSED", "ARCHIVED", "DELETED"],
    )
    filtered = all_pages(_act(META_SALES), "campaigns", fields=fields, filtering=EVERY_STATUS)
    assert every == filtered
    assert {c["effective_status"] for c in current} <= {"ACTIVE", "PAUSED"}
    assert {c["effective_status"] for c in every} >= {"ACTIVE", "ARCHIVED", "DELETED"}
    assert {c["id"] for c in current} < {c["id"] for c in every}
    assert all(int(c["id"]) > 2**53 and isinstance(c["id"], str) for c in every)


@given(
    account=st.sampled_from(ACCOUNTS),
    first=st.dates(date(2026, 7, 1), date(2026, 11, 19)),
    length=st.integers(1, 40),
    limit=st.integers(1, 200),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_campaign_rows_are_the_truth(
    all_pages: Pages, sandbox: Sandbox, account: Any, first: date, length: int, limit: int
) -> None:
    last = date.fromordinal(first.toordinal() + length - 1)
    types = (account.conversion_action_type,) if account.conversion_action_type else PURCHASE
    rows = all_pages(
        _act(account.id),
        "insights",
        level="campaign",
        time_increment=1,
        time_range={"since": str(first), "until": str(last)},
        fields=FIELDS,
        filtering=EVERY_STATUS,
        limit=limit,
    )
    served = {
        (
            row["date_start"],
            row["campaign_id"],
            row["campaign_name"],
            int(row["impressions"]),
            int(row["clicks"]),
            Decimal(row["spend"]),
            _value(row.get("actions", []), types),
            _value(row.get("action_values", []), types),
        )
        for row in rows
    }
    assert all(row["date_start"] == row["date_stop"] for row in rows) and len(served) == len(rows)
    truth = sandbox.world.truth("meta_ads", first, date.fromordinal(last.toordinal() + 1), account_ids=[account.id])
    assert served == {
        (
            str(t["date"]),
            t["campaign_id"],
            t["campaign_name"],
            t["impressions"],
            t["clicks"],
            t["spend"],
            t["conversions"],
            t["conversion_value"],
        )
        for t in truth
    }


def test_account_totals_are_sums_except_for_reach(all_pages: Pages) -> None:
    common = {"time_increment": 1, "time_range": WINDOW, "limit": 500}
    totals = all_pages(_act(META_SALES), "insights", level="account", fields=FIELDS, **common)
    campaigns = all_pages(
        _act(META_SALES), "insights", level="campaign", fields=FIELDS, filtering=EVERY_STATUS, **common
    )
    visible = all_pages(_act(META_SALES), "insights", level="campaign", fields=FIELDS, **common)
    assert len(visible) < len(campaigns)
    for total in totals:
        parts = [row for row in campaigns if row["date_start"] == total["date_start"]]
        for name in ("impressions", "clicks", "inline_link_clicks"):
            assert int(total[name]) == sum(int(row.get(name, 0)) for row in parts)
        assert Decimal(total["spend"]) == sum(Decimal(row["spend"]) for row in parts)
        assert _value(total["actions"], PURCHASE) == sum(_value(row.get("actions", []), PURCHASE) for row in parts)
        assert int(total["reach"]) < sum(int(row["reach"]) for row in parts)
        assert "campaign_id" not in total


def test_one_purchase_is_counted_under_many_action_types(all_pages: Pages) -> None:
    def types(account_id: str) -> set[str]:
        rows = all_pages(
            _act(account_id),
            "insights",
            level="campaign",
            time_increment=1,
            time_range=WINDOW,
            fields="actions",
        )
        return {entry["action_type"] for row in rows for entry in row.get("actions", [])}

    assert types(META_SALES) >= {
        *PURCHASE,
        "web_in_store_purchase",
        "onsite_web_purchase",
        "link_click",
        "add_to_cart",
    }
    assert "omni_purchase" not in types(META_PURCHASE) and "purchase" in types(META_PURCHASE)
    assert types(META_LEADS) >= {"lead", "onsite_conversion.lead_grouped", "omni_purchase"}


def test_fields_without_a_value_are_left_out(all_pages: Pages) -> None:
    rows = all_pages(
        _act(META_PURCHASE),
        "insights",
        level="campaign",
        time_increment=1,
        time_range=WINDOW,
        fields=FIELDS,
        limit=900,
    )
    assert any("action_values" not in row for row in rows)
    assert all(row.get("actions") != [] and row.get("action_values") != [] for row in rows)
    assert all(isinstance(row[name], str) for row in rows for name in ("impressions", "clicks", "spend", "reach"))


def test_increments_split_the_range_and_keep_the_sums(all_pages: Pages) -> None:
    def spend(increment: object) -> tuple[int, Decimal]:
        rows = all_pages(
            _act(META_SALES),
            "insights",
            time_increment=increment,
            time_range=WINDOW,
            fields="spend",
            limit=200,
        )
        return len(rows), sum((Decimal(row["spend"]) for row in rows), Decimal(0))

    days, total = spend(1)
    assert 55 <= days <= 60
    assert spend("all_days") == (1, total)
    assert spend("monthly") == (3, total)
    assert spend(7) == (9, total)


def test_the_default_is_the_account_over_thirty_days(graph: Graph) -> None:
    (row,) = graph(_act(META_SALES), "insights")["data"]
    assert set(row) == {"account_id", "impressions", "spend", "date_start", "date_stop"}
    assert (row["date_start"], row["date_stop"]) == ("2026-10-21", "2026-11-19")


def test_filters_are_honoured(all_pages: Pages) -> None:
    common = {"level": "campaign", "time_increment": 1, "time_range": WINDOW, "fields": FIELDS, "limit": 500}
    every = all_pages(_act(META_SALES), "insights", **common, filtering=EVERY_STATUS)
    one = every[0]["campaign_id"]

    def filtered(*conditions: tuple[str, str, Any]) -> list[dict[str, Any]]:
        filtering = [{"field": f, "operator": o, "value": v} for f, o, v in conditions]
        return all_pages(_act(META_SALES), "insights", **common, filtering=EVERY_STATUS + filtering)

    assert filtered(("campaign.id", "IN", [one])) == [row for row in every if row["campaign_id"] == one]
    assert filtered(("spend", "GREATER_THAN", 40)) == [row for row in every if Decimal(row["spend"]) > 40]
    assert filtered(("impressions", "LESS_THAN", 5000)) == [row for row in every if int(row["impressions"]) < 5000]
    gone = all_pages(
        _act(META_SALES),
        "insights",
        **common,
        filtering=[{"field": "campaign.effective_status", "operator": "NOT_IN", "value": ["ACTIVE", "PAUSED"]}],
    )
    assert gone and all(row in every for row in gone)


def test_attribution_windows_are_next_to_the_value(graph: Graph) -> None:
    (row,) = graph(
        _act(META_SALES),
        "insights",
        fields="actions",
        action_attribution_windows=["1d_click", "7d_click", "1d_view", "28d_click"],
    )["data"]
    purchase = next(entry for entry in row["actions"] if entry["action_type"] == "omni_purchase")
    assert int(purchase["7d_click"]) + int(purchase["1d_view"]) == int(purchase["value"])
    assert int(purchase["1d_click"]) < int(purchase["7d_click"]) < int(purchase["28d_click"])


def test_pages_have_cursors_and_the_token(sandbox: Sandbox, graph: Graph) -> None:
    first = graph(_act(META_SALES), "insights", time_increment=1, time_range=WINDOW, limit=10)
    assert sandbox.env["META_ACCESS_TOKEN"] in first["paging"]["next"]
    second = graph(
        _act(META_SALES), "insights", time_increment=1, time_range=WINDOW, limit=10,
        after=first["paging"]["cursors"]["after"],
    )  # fmt: skip
    assert second["data"] and second["data"][0]["date_start"] > first["data"][-1]["date_start"]
    assert requests.get(first["paging"]["next"], timeout=HANG_SECONDS).json()["data"] == second["data"]
    empty = graph(_act(META_SALES), "insights", time_range={"since": "2030-01-01", "until": "2030-01-02"})
    assert empty == {"data": []}


def test_parameters_can_be_text_json_or_in_brackets(sandbox: Sandbox, graph: Graph) -> None:
    expected = graph(
        _act(META_SALES),
        "insights",
        fields="spend,clicks",
        time_range={"since": "2026-11-01", "until": "2026-11-02"},
    )
    url = f"{sandbox.url}/v26.0/{_act(META_SALES)}/insights"
    token = {"Authorization": f"Bearer {sandbox.env['META_ACCESS_TOKEN']}"}
    query = {
        "fields": json.dumps(["spend", "clicks"]),
        "time_range[since]": "2026-11-01",
        "time_range[until]": "2026-11-02",
    }
    assert requests.get(url, params=query, headers=token, timeout=HANG_SECONDS).json() == expected


def test_the_sdks_objects_can_read_the_answers(meta_api: FacebookAdsApi) -> None:
    account = AdAccount(_act(META_SALES), api=meta_api)
    rows = account.get_insights(
        fields=["campaign_id", "spend", "actions"],
        params={"level": "campaign", "time_increment": 1, "date_preset": "last_7d", "limit": 5},
    )
    assert len(list(rows)) > 20
    assert account.api_get(fields=["currency"])["currency"] == "EUR"


def test_headers_have_the_usage(meta_api: FacebookAdsApi) -> None:
    headers = meta_api.call("GET", (_act(META_SALES), "insights")).headers()
    (usage,) = json.loads(headers["X-Business-Use-Case-Usage"])[META_SALES]
    assert usage["type"] == "ads_insights" and usage["estimated_time_to_regain_access"] == 0
    assert json.loads(headers["X-FB-Ads-Insights-Throttle"])["acc_id_util_pct"] < 50
    assert headers["x-fb-trace-id"] and json.loads(headers["x-ad-account-usage"])["acc_id_util_pct"] < 50
    assert "call_count" in json.loads(meta_api.call("GET", ("me",)).headers()["x-app-usage"])
