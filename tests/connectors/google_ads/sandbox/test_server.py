"""The real client queries the Google Ads server, and gets the answer that the query defines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from google.ads.googleads.client import GoogleAdsClient
from google.ads.googleads.errors import GoogleAdsException
from google.api_core.exceptions import MethodNotImplemented

from sandbox import Sandbox
from sandbox.google_ads.protos import installed_versions
from tests.support.sandbox_clients import CLOSED, EAST, MANAGER, NEW_ZEALAND, NORDLICHT, WEST, Ads

DAILY = (
    "SELECT campaign.id, campaign.name, campaign.status, segments.date, metrics.impressions, metrics.clicks, "
    "metrics.cost_micros, metrics.conversions, metrics.conversions_value, metrics.conversions_by_conversion_date, "
    "metrics.conversions_value_by_conversion_date FROM campaign "
    "WHERE segments.date BETWEEN '2026-09-22' AND '2026-11-20'"
)


def test_the_installed_versions_are_those_of_the_client() -> None:
    from google.ads.googleads.client import _VALID_API_VERSIONS

    assert set(installed_versions()) == set(_VALID_API_VERSIONS)


@pytest.mark.parametrize("version", installed_versions())
def test_every_version_answers_and_refuses_queries(ads: Ads, version: str) -> None:
    rows = ads(DAILY, version=version)
    assert len(rows) > 200
    assert type(rows[0]).__module__ != "builtins" and rows[0].DESCRIPTOR.full_name.startswith(
        f"google.ads.googleads.{version}."
    )
    with pytest.raises(GoogleAdsException) as refused:
        ads("SELECT campaign.foo FROM campaign", version=version)
    assert refused.value.failure.errors[0].error_code.query_error


def test_campaign_rows_are_the_truth(ads: Ads, sandbox: Sandbox) -> None:
    served = [
        (
            date.fromisoformat(row.segments.date),
            str(row.campaign.id),
            row.campaign.name,
            row.metrics.impressions,
            row.metrics.clicks,
            Decimal(row.metrics.cost_micros) / 1_000_000,
            Decimal(str(row.metrics.conversions)),
            Decimal(str(row.metrics.conversions_value)),
            Decimal(str(row.metrics.conversions_by_conversion_date)),
            Decimal(str(row.metrics.conversions_value_by_conversion_date)),
        )
        for row in ads(DAILY)
    ]
    truth = [
        (
            row["date"],
            row["campaign_id"],
            row["campaign_name"],
            row["impressions"],
            row["clicks"],
            row["spend"],
            row["conversions"],
            row["conversion_value"],
            row["conversions_by_conversion_date"],
            row["conversion_value_by_conversion_date"],
        )
        for row in sandbox.world.truth("google_ads", date(2026, 9, 22), date(2026, 11, 21), account_ids=[NORDLICHT])
    ]
    assert served == truth


def test_customer_totals_are_the_sums_of_campaigns(ads: Ads) -> None:
    sums: dict[str, list[float]] = defaultdict(lambda: [0, 0])
    for row in ads(DAILY):
        sums[row.segments.date][0] += row.metrics.cost_micros
        sums[row.segments.date][1] += round(100 * row.metrics.conversions)
    totals = ads(
        "SELECT customer.id, customer.currency_code, customer.time_zone, segments.date, metrics.cost_micros, "
        "metrics.conversions FROM customer WHERE segments.date >= '2026-09-22' AND segments.date <= '2026-11-20'"
    )
    assert {
        row.segments.date: [row.metrics.cost_micros, round(100 * row.metrics.conversions)] for row in totals
    } == sums
    assert {(row.customer.id, row.customer.currency_code, row.customer.time_zone) for row in totals} == {
        (int(NORDLICHT), "EUR", "Europe/Berlin")
    }


def test_only_selected_fields_and_resource_names_are_set(ads: Ads) -> None:
    row = ads("SELECT metrics.clicks FROM campaign WHERE segments.date = '2026-11-18' LIMIT 1")[0]
    assert [field.name for field, _ in row.ListFields()] == ["campaign", "metrics"]
    assert [field.name for field, _ in row.campaign.ListFields()] == ["resource_name"]
    assert row.campaign.resource_name.startswith(f"customers/{NORDLICHT}/campaigns/")
    row = ads("SELECT campaign.id, customer.currency_code FROM campaign LIMIT 1")[0]
    assert row.customer.resource_name == f"customers/{NORDLICHT}"
    assert not row.HasField("segments") and not row.HasField("metrics")


def test_removed_campaigns_keep_their_history(ads: Ads, google_client: Callable[..., GoogleAdsClient]) -> None:
    removed = google_client().get_type("CampaignStatusEnum").CampaignStatus.Value("REMOVED")
    listed = {row.campaign.id: row.campaign.status for row in ads("SELECT campaign.id, campaign.status FROM campaign")}
    active = ads(
        "SELECT campaign.id, campaign.status, segments.date, metrics.clicks FROM campaign "
        "WHERE segments.date BETWEEN '2026-01-01' AND '2026-11-20' AND campaign.status = 'REMOVED'"
    )
    assert active and {row.campaign.status for row in active} == {removed}
    assert {row.campaign.id for row in active} <= {id_ for id_, status in listed.items() if status == removed}


def test_rows_without_activity_are_dropped_only_with_a_segment(ads: Ads) -> None:
    window = "segments.date BETWEEN '2026-11-01' AND '2026-11-20'"
    dated = ads(f"SELECT campaign.id, segments.date, metrics.conversions FROM campaign WHERE {window}")
    assert dated and all(row.metrics.conversions for row in dated)
    more = ads(f"SELECT campaign.id, segments.date, metrics.clicks FROM campaign WHERE {window}")
    assert len(more) > len(dated)
    whole = ads(f"SELECT campaign.id, metrics.clicks FROM campaign WHERE {window}")
    assert len(whole) == len(ads("SELECT campaign.id FROM campaign"))
    assert sum(row.metrics.clicks for row in whole) == sum(row.metrics.clicks for row in more)
    assert any(row.metrics.clicks == 0 for row in whole)


def test_where_order_and_limit_are_honoured(ads: Ads) -> None:
    every = ads(DAILY)
    some = ads(
        DAILY + " AND metrics.clicks >= 50 AND campaign.name LIKE '%Suche%' ORDER BY metrics.clicks DESC LIMIT 7"
    )
    expected = sorted(r.metrics.clicks for r in every if r.metrics.clicks >= 50 and "Suche" in r.campaign.name)
    assert [row.metrics.clicks for row in some] == expected[::-1][:7]
    ids = sorted({row.campaign.id for row in every})[:2]
    listed = ads(f"{DAILY} AND campaign.id IN ({ids[0]}, {ids[1]})")
    assert {row.campaign.id for row in listed} == set(ids)
    during = ads("SELECT segments.date, metrics.clicks FROM customer WHERE segments.date DURING LAST_7_DAYS")
    assert {row.segments.date for row in during} <= {f"2026-11-{day}" for day in range(13, 20)}


def test_search_pages_and_stream_give_the_same_rows(
    ads: Ads, google_client: Callable[..., GoogleAdsClient], sandbox: Sandbox
) -> None:
    service = google_client().get_service("GoogleAdsService")
    pages = list(service.search(customer_id=NORDLICHT, query=DAILY).pages)
    assert [len(page.results) for page in pages[:-1]] == [100] * (len(pages) - 1) and len(pages) > 2
    assert [row for page in pages for row in page.results] == ads(DAILY)
    batches = list(service.search_stream(customer_id=NORDLICHT, query=DAILY))
    assert [len(batch.results) for batch in batches] == [len(page.results) for page in pages]
    assert list(batches[0].field_mask.paths)[:2] == ["campaign.id", "campaign.name"]
    assert sandbox.requests.count("google_ads", "search", NORDLICHT) == len(pages)
    with pytest.raises(GoogleAdsException) as refused:
        request = google_client().get_type("SearchGoogleAdsRequest")
        request.customer_id, request.query, request.page_token = NORDLICHT, DAILY, "abc"
        service.search(request=request)
    assert refused.value.failure.errors[0].error_code.request_error


def test_an_answer_without_rows_is_one_message_without_rows(
    google_client: Callable[..., GoogleAdsClient],
) -> None:
    service = google_client().get_service("GoogleAdsService")
    query = "SELECT campaign.id, segments.date, metrics.clicks FROM campaign WHERE segments.date = '2030-01-01'"
    batches = list(service.search_stream(customer_id=NORDLICHT, query=query))
    assert len(batches) == 1 and not batches[0].results
    assert not list(service.search(customer_id=NORDLICHT, query=query))


def test_a_manager_lists_the_accounts_below_it(ads: Ads) -> None:
    query = (
        "SELECT customer_client.id, customer_client.client_customer, customer_client.level, customer_client.manager, "
        "customer_client.status, customer_client.hidden, customer_client.currency_code, customer_client.time_zone, "
        "customer_client.descriptive_name FROM customer_client"
    )
    every = {str(row.customer_client.id): row.customer_client for row in ads(query, MANAGER)}
    assert {id_: client.level for id_, client in every.items()} == {
        MANAGER: 0, EAST: 1, WEST: 1, "7001002090": 1, CLOSED: 1, NEW_ZEALAND: 2,
    }  # fmt: skip
    assert every[NEW_ZEALAND].time_zone == "Pacific/Auckland"
    assert every[WEST].client_customer == f"customers/{WEST}"
    leaves = ads(f"{query} WHERE customer_client.manager = FALSE AND customer_client.status = 'ENABLED'", MANAGER)
    assert {str(row.customer_client.id) for row in leaves} == {EAST, WEST, NEW_ZEALAND}
    assert [str(row.customer_client.id) for row in ads(query, NORDLICHT)] == [NORDLICHT]


def test_accessible_customers_are_those_that_need_no_manager(
    google_client: Callable[..., GoogleAdsClient],
) -> None:
    listed = google_client().get_service("CustomerService").list_accessible_customers().resource_names
    assert f"customers/{MANAGER}" in listed and f"customers/{EAST}" in listed
    assert not {f"customers/{id_}" for id_ in (WEST, NEW_ZEALAND, CLOSED)} & set(listed)


def test_children_are_reached_through_their_manager(ads: Ads) -> None:
    query = "SELECT customer.id, customer.time_zone FROM customer"
    for child in (EAST, WEST, NEW_ZEALAND):
        assert [str(row.customer.id) for row in ads(query, child, login=MANAGER)] == [child]
    assert ads(query, EAST)


def test_features_outside_the_sandbox_are_named_in_the_error(ads: Ads) -> None:
    for query in (
        "SELECT ad_group.id FROM ad_group",
        "SELECT segments.device, metrics.clicks FROM campaign",
        "SELECT metrics.video_trueview_views FROM campaign",
    ):
        with pytest.raises(MethodNotImplemented, match="sandbox doesn't model"):
            ads(query)


def test_the_vendors_client_works_with_the_environment_alone(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox.env.items():
        monkeypatch.setenv(name, value)
    client = GoogleAdsClient.load_from_env(version="v26")
    assert client.get_service("CustomerService").list_accessible_customers().resource_names


def test_the_certificate_has_both_names_of_the_machine(sandbox: Sandbox, google_client: Any) -> None:
    client = google_client(version="v25")
    by_address = GoogleAdsClient(
        credentials=client.credentials,
        developer_token=client.developer_token,
        endpoint=f"127.0.0.1:{sandbox.servers['google_ads'].grpc.port}",
        version="v26",
    )
    assert by_address.get_service("CustomerService").list_accessible_customers().resource_names
