"""The queries that MDP builds follow Google's grammar, and contain the window's days and nothing foreign."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mdp_dagster.connectors.base import Report
from mdp_dagster.connectors.google_ads import REPORTS, accounts
from mdp_dagster.connectors.google_ads.reports import gaql, gaql_field
from mdp_dagster.connectors.meta_ads import REPORTS as META_REPORTS
from mdp_dagster.connectors.meta_ads.reports import insights_params
from mdp_dagster.window import DateWindow
from sandbox.google_ads.conditions import days_of
from sandbox.google_ads.gaql import QueryError, parse
from sandbox.google_ads.protos import protos
from tests.connectors.google_ads.messages import Response
from tests.connectors.google_ads.scripted_server import Script, ScriptedAds
from tests.support.effort import fuzzed
from tests.test_window_fuzz import windows

TODAY = date(2026, 11, 20)


@fuzzed(200)
@given(report=st.sampled_from(REPORTS), window=windows())
@example(REPORTS[0], DateWindow(date.min, date.max))
@example(REPORTS[1], DateWindow(date(999, 12, 31), date(1000, 1, 1)))
def test_a_query_parses_and_names_exactly_the_windows_days(report: Report, window: DateWindow) -> None:
    query = parse(gaql(report, window))
    assert query.select == tuple(gaql_field(column.name) for column in report.columns)
    (condition,) = query.where
    first, last = (date.fromisoformat(day) for day in days_of(condition, TODAY))
    assert (first, last + timedelta(days=1)) == (window.start, window.end)
    assert query.limit is None and not query.order_by and not query.parameters
    assert re.fullmatch(r"[\w.,' -]+", gaql(report, window), re.ASCII)


@pytest.mark.parametrize("text", [*(gaql(r, DateWindow(TODAY, TODAY + timedelta(1))) for r in REPORTS),
                                  accounts.CUSTOMER, accounts.CUSTOMER_CLIENTS])  # fmt: skip
def test_every_requested_field_exists_in_the_api(text: str) -> None:
    query, schema = parse(text), protos("v26").schema
    assert schema.has_resource(query.resource)
    assert all(schema.has_field(field) for field in query.select)


@fuzzed(60)
@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.just("x' OR campaign.id > 0 --"),
    own=st.integers(1, 10**10),
)
def test_no_name_or_id_from_the_platform_gets_into_a_query(
    ads: ScriptedAds, ads_script: Script, name: str, own: int
) -> None:
    answer = Response()
    client = answer.results.add().customer_client
    client.id, client.descriptive_name, client.currency_code, client.time_zone = own, name, name, name
    connector = ads.connector()
    connector._clients._streams = STREAMS
    ads_script.begin([answer.SerializeToString()])
    found, _ = connector.accounts(["123"])
    window = DateWindow(date.today() - timedelta(2), date.today())
    for report in REPORTS:
        ads_script.begin()
        assert list(connector.extract(report, found[0], window)) == []
        asked = ads_script.asked[0]
        assert asked == request(str(own), gaql(report, window))


STREAMS: dict[str, object] = {}


def request(customer_id: str, query: str) -> bytes:
    from google.ads.googleads.v26.services.types.google_ads_service import SearchGoogleAdsStreamRequest

    return bytes(
        SearchGoogleAdsStreamRequest.serialize(SearchGoogleAdsStreamRequest(customer_id=customer_id, query=query))
    )


@fuzzed(200)
@given(st.text("SELECTFROMWHERAND 'x\\\"().,=0-9_", max_size=40) | st.text(max_size=20))
def test_the_grammar_accepts_or_refuses_any_text(text: str) -> None:
    for query in (text, f"SELECT a.b FROM c WHERE {text}", f"SELECT {text}"):
        try:
            parse(query)
        except QueryError as error:
            assert error.code


@fuzzed(150)
@given(report=st.sampled_from(META_REPORTS), window=windows())
def test_metas_range_of_days_is_exactly_the_window(report: Report, window: DateWindow) -> None:
    params = insights_params(report, window)
    since, until = (date.fromisoformat(params["time_range"][end]) for end in ("since", "until"))
    assert (since, until + timedelta(days=1)) == (window.start, window.end)
    assert params["time_increment"] == 1
