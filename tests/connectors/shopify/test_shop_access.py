"""The requests to a shop: credentials, waits, checks of the shop, and clear errors without secrets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from mdp_dagster.connectors.api_version import ApiVersion
from mdp_dagster.connectors.errors import (
    AccountError,
    ConnectorError,
    DeadlineError,
    PlatformError,
    QuotaError,
    TransientError,
)
from mdp_dagster.connectors.redaction import redact
from mdp_dagster.connectors.shop_documents import ShopFacts
from mdp_dagster.connectors.shopify.connector import ShopifySync, SyncLimits
from mdp_dagster.connectors.shopify.settings import ShopifySettings
from mdp_dagster.connectors.shopify.shop_http import ShopHttp
from tests.connectors.conftest import causes
from tests.connectors.meta_ads.scripted_graph import ScriptedGraph
from tests.connectors.shopify.scripted_shop import DOMAIN, FAST, SECRET, TOKEN, ScriptedShop

NOW = datetime(2026, 11, 27, 2, tzinfo=timezone.utc)


@pytest.fixture
def shop() -> ScriptedShop:
    return ScriptedShop()


def error_of(call: Callable[[], object], kind: type[ConnectorError]) -> str:
    """The message of the error. Neither it nor its causes contain a secret."""
    with pytest.raises(kind) as caught:
        call()
    for error in causes(caught.value):
        shown = f"{error!r} {error!s} {vars(error)}"
        assert SECRET not in shown and TOKEN not in shown and "5167ed51" not in shown
    assert type(caught.value) is kind
    return str(caught.value)


def test_the_facts_of_a_shop(shop: ScriptedShop) -> None:
    assert shop.sync().facts() == ShopFacts(
        shop_id=900, domain=DOMAIN, name="Aurora", time_zone="Europe/Paris", currency="EUR"
    )
    assert shop.sent("ShopFacts")[0].url == f"https://{DOMAIN}/admin/api/2026-10/graphql.json"


def test_a_request_to_this_machine_does_not_go_to_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ScriptedGraph(lambda asked, number: {}) as server, ScriptedGraph(lambda asked, number: {}) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with ShopHttp(server.url, 60.0) as http:
            assert http.get(f"https://{DOMAIN}/admin").status_code == 200
    assert ([asked.path for asked in server.asked], proxy.asked) == (["/admin"], [])


def test_one_token_serves_all_requests_and_is_renewed_once_when_shopify_refuses_it(shop: ScriptedShop) -> None:
    sync = shop.sync()
    sync.facts()
    sync.order_counts([])
    assert shop.tokens == 1
    shop.before["ApiVersions"] = [httpx.Response(401, json={"errors": "[API] Invalid API key or access token"})]
    shop._apiversions = lambda _: shop.data(publicApiVersions=[])  # type: ignore[attr-defined]
    assert sync.api_version() == ApiVersion("2026-10", False, date(2027, 10, 1))
    assert shop.tokens == 2
    tokens = [request.headers["X-Shopify-Access-Token"] for request in shop.sent("ApiVersions")]
    assert tokens == [f"{TOKEN}1", f"{TOKEN}2"]


def test_a_token_that_is_about_to_expire_is_renewed_before_the_request(shop: ScriptedShop) -> None:
    shop.before["token"] = [httpx.Response(200, json={"access_token": "shpat_short0000", "expires_in": 60})]
    sync = shop.sync()
    shop._apiversions = lambda _: shop.data(publicApiVersions=[])  # type: ignore[attr-defined]
    sync.api_version()
    sync.api_version()
    assert (len(shop.sent("token")), shop.tokens) == (2, 1)


def test_a_token_of_the_settings_is_used_without_a_fetch_and_its_refusal_names_the_setting(shop: ScriptedShop) -> None:
    own: dict[str, Any] = {"client_id": None, "client_secret": None, "access_token": f"{TOKEN}own"}
    shop.sync(**own).facts()
    assert shop.sent("token") == []
    assert shop.sent("ShopFacts")[0].headers["X-Shopify-Access-Token"] == f"{TOKEN}own"
    refusal = f"[API] Invalid API key or access token {TOKEN}own"
    shop.before["ShopFacts"] = [httpx.Response(401, json={"errors": refusal})]
    message = error_of(shop.sync(**own).facts, AccountError)
    assert "HTTP 401: [API] Invalid API key" in message and "→ set SHOPIFY_ACCESS_TOKEN to this shop's own" in message


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (
            400,
            {"error": "invalid_client"},
            PlatformError,
            "invalid_client (invalid_client) → set SHOPIFY_CLIENT_ID and",
        ),
        (401, {}, PlatformError, "HTTP 401: {} → set SHOPIFY_CLIENT_ID"),
        (
            400,
            {"error": "shop_not_permitted", "error_description": f"not on this shop {SECRET}"},
            AccountError,
            "not on this shop *** (shop_not_permitted) → install the app in this shop",
        ),
        (404, {}, AccountError, "→ check the shop's domain"),
        (402, {"errors": "Payment Required"}, AccountError, "Payment Required → open the shop's admin"),
        (200, {}, PlatformError, "the answer has no token → check SHOPIFY_API_URL"),
        (200, [], PlatformError, "the answer has no token → check SHOPIFY_API_URL"),
    ],
)
def test_credentials_that_shopify_does_not_accept_name_the_remedy(
    shop: ScriptedShop, status: int, body: Any, kind: type[ConnectorError], words: str
) -> None:
    shop.before["token"] = [httpx.Response(status, json=body)]
    assert words in error_of(shop.sync().facts, kind)


def test_no_credentials_is_an_error_on_first_use(shop: ScriptedShop) -> None:
    sync = shop.sync(client_secret=None)
    assert "no Shopify credentials are set → set SHOPIFY_CLIENT_ID" in error_of(sync.facts, PlatformError)
    assert shop.requests == []


def test_another_server_gets_the_requests_of_all_shops_with_the_shops_own_host(shop: ScriptedShop) -> None:
    shop.sync(api_url="http://127.0.0.1:8900/shopify/").facts()
    for name, path in (("token", "/admin/oauth/access_token"), ("ShopFacts", "/admin/api/2026-10/graphql.json")):
        [request] = shop.sent(name)
        assert request.url == f"http://127.0.0.1:8900/shopify{path}"
        assert request.headers["Host"] == DOMAIN


@pytest.mark.parametrize("url", ["http://shop.example.com", "ftp://127.0.0.1", "https://", "http://127.0.0.1:0"])
def test_an_address_that_would_expose_the_secret_is_refused(shop: ScriptedShop, url: str) -> None:
    assert "SHOPIFY_API_URL" in error_of(shop.sync(api_url=url).facts, PlatformError)
    assert shop.requests == []


@pytest.mark.parametrize("domain", ["", "evil.example.com", "a.myshopify.com/x", "a@b.myshopify.com"])
def test_a_domain_that_would_lead_elsewhere_sends_nothing(shop: ScriptedShop, domain: str) -> None:
    sync = shop.sync()
    sync._client.domain = domain
    assert "is not a valid account id → correct the clients file" in error_of(sync.facts, AccountError)
    assert shop.requests == []


# ---- waits and retries -----------------------------------------------------------------------------------------------


def throttled(requested: float, available: float, rate: float) -> httpx.Response:
    state = {"maximumAvailable": 2000.0, "currentlyAvailable": available, "restoreRate": rate}
    return httpx.Response(
        200,
        json={
            "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
            "extensions": {"cost": {"requestedQueryCost": requested, "throttleStatus": state}},
        },
    )


def test_a_throttled_query_waits_until_the_points_suffice_and_is_sent_again(shop: ScriptedShop) -> None:
    shop.before["ShopFacts"] = [throttled(50, 10, 1000)]
    started = time.monotonic()
    shop.sync().facts()
    assert time.monotonic() - started >= 0.04
    assert len(shop.sent("ShopFacts")) == 2


def test_a_query_waits_before_it_is_sent_when_the_last_answer_left_too_few_points(shop: ScriptedShop) -> None:
    shop.cost = {"requestedQueryCost": 40, "throttleStatus": {"currentlyAvailable": 0.0, "restoreRate": 500.0}}
    sync = shop.sync()
    shop._apiversions = lambda _: shop.data(publicApiVersions=[])  # type: ignore[attr-defined]
    sync.api_version()
    started = time.monotonic()
    sync.api_version()
    assert time.monotonic() - started >= 0.07
    assert len(shop.sent("ApiVersions")) == 2


def test_a_longer_wait_than_the_limit_is_reported_with_its_delay(shop: ScriptedShop) -> None:
    shop.before["ShopFacts"] = [throttled(1000, 0, 10)]
    with pytest.raises(QuotaError, match="Throttled → the platform requests a pause of 100 s") as caught:
        shop.sync().facts()
    assert caught.value.retry_after_seconds == pytest.approx(100, abs=1)
    shop.before["ShopFacts"] = [httpx.Response(429, headers={"Retry-After": "20.0"}, text="slow down")]
    assert "a pause of 20 s" in error_of(shop.sync().facts, QuotaError)


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, content=b"\xff\xfe"),
        httpx.Response(200, json={"data": None}),
        httpx.Response(200, json={"errors": [{"message": "oops", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}),
        httpx.Response(429, headers={"Retry-After": "0.01"}, text=""),
        httpx.ConnectError("connection refused"),
        httpx.ReadTimeout("timed out"),
    ],
    ids=lambda reply: str(reply)[:40],
)
def test_a_passing_failure_is_tried_again(shop: ScriptedShop, reply: Any) -> None:
    shop.before["ShopFacts"] = [reply, reply]
    assert shop.sync().facts().shop_id == 900
    assert len(shop.sent("ShopFacts")) == 3


def test_a_failure_that_stays_is_reported_after_five_tries(shop: ScriptedShop) -> None:
    shop.before["ShopFacts"] = [httpx.ConnectError("connection refused")] * 9
    message = error_of(shop.sync().facts, TransientError)
    assert message.startswith(f"{DOMAIN}: connection refused (ConnectError) → check the connection to Shopify")
    assert len(shop.sent("ShopFacts")) == 5


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (httpx.Response(301, headers={"Location": "https://x.myshopify.com"}), AccountError, "leads to another one →"),
        (httpx.Response(402, json={"errors": "Payment Required"}), AccountError, "Payment Required → open the shop's"),
        (httpx.Response(403, json={"errors": "Forbidden"}), AccountError, "Forbidden → grant the app the scopes"),
        (httpx.Response(404, json={"errors": "Not Found"}), AccountError, "Not Found → check the shop's domain"),
        (
            httpx.Response(200, json={"errors": [{"message": "No", "extensions": {"code": "ACCESS_DENIED"}}]}),
            AccountError,
            "No → grant the app the scopes",
        ),
        (
            httpx.Response(200, json={"errors": [{"message": "Cannot query field 'x' on type 'Shop'."}]}),
            PlatformError,
            "Cannot query field 'x' on type 'Shop'. → this version of MDP requests version 2026-10",
        ),
    ],
    ids=str,
)
def test_a_refusal_has_shopifys_words_and_a_remedy(
    shop: ScriptedShop, reply: httpx.Response, kind: type[ConnectorError], words: str
) -> None:
    shop.before["ShopFacts"] = [reply]
    assert words in error_of(shop.sync().facts, kind)
    assert len(shop.sent("ShopFacts")) == 1


def test_a_missing_file_of_authorities_is_named(shop: ScriptedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
    message = error_of(shop.sync().facts, PlatformError)
    assert "can't be read from /no/such/file.pem" in message and "→ correct SSL_CERT_FILE" in message


@contextmanager
def dripping_server(start: bytes) -> Iterator[str]:
    """A server that sends the start of an answer, then a part of it every few milliseconds, for ever."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.wfile.write(start)
            try:
                while True:
                    self.wfile.write(b"X-Drip: 1\r\n")
                    time.sleep(0.02)
            except OSError:
                return

        def log_message(self, *arguments: Any) -> None:
            """Keeps the output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
def test_an_answer_that_drips_is_cut_at_the_deadline(start: bytes) -> None:
    with dripping_server(start) as url:
        given: dict[str, Any] = {"access_token": TOKEN, "api_url": url, "_env_file": None}
        limits = SyncLimits(retry=FAST.retry, request_seconds=0.3)
        sync = ShopifySync(DOMAIN, ShopifySettings(**given), limits)
        started = time.monotonic()
        message = error_of(sync.facts, DeadlineError)
    assert "the whole answer did not arrive within 0.3 s" in message
    assert time.monotonic() - started < 30


# ---- which shop answers ----------------------------------------------------------------------------------------------


def test_a_redirected_shop_is_refused_and_the_other_domain_is_named(shop: ScriptedShop) -> None:
    shop.domain = "aurora-new.myshopify.com"
    message = error_of(shop.sync().facts, AccountError)
    assert message == (
        f"{DOMAIN} leads to another shop: aurora-new.myshopify.com → write aurora-new.myshopify.com in the clients "
        "file (config/clients.yaml) if this is the shop"
    )


def test_another_shop_at_the_same_domain_is_refused(shop: ScriptedShop) -> None:
    sync = shop.sync()
    assert sync.facts(known_id=900).shop_id == 900
    message = error_of(lambda: sync.facts(known_id=901), AccountError)
    assert f"{DOMAIN} is the shop 900, and was the shop 901 before → " in message


def test_a_missing_scope_is_named_before_anything_is_read(shop: ScriptedShop) -> None:
    shop.scopes = ("read_orders", "write_products")
    message = error_of(lambda: shop.sync().windows("orders", None, NOW), AccountError)
    assert "the app lacks the scopes read_customers → add them to the app" in message


def test_an_older_version_than_the_requested_one_is_refused(shop: ScriptedShop) -> None:
    shop.version = "2026-07"
    message = error_of(shop.sync().facts, PlatformError)
    assert "the answer has API version 2026-07, and MDP requested 2026-10 → check SHOPIFY_API_URL" in message


def test_a_newer_version_is_used_with_a_warning(shop: ScriptedShop, caplog: pytest.LogCaptureFixture) -> None:
    shop.version = "2027-01"
    sync = shop.sync()
    shop._apiversions = lambda _: shop.data(publicApiVersions=[])  # type: ignore[attr-defined]
    assert sync.facts().shop_id == 900
    assert not sync.api_version().is_supported
    assert caplog.text.count("no longer serves") == 1
    assert "no longer serves API version 2026-10 and answers with 2027-01 → install a newer version" in caplog.text


def test_orders_that_shopify_would_hide_are_an_error_that_names_the_first_visible_day(shop: ScriptedShop) -> None:
    shop.scopes = ("read_orders", "read_products", "read_customers")
    message = error_of(lambda: shop.sync(start_date="2026-09-28").windows("orders", None, NOW), AccountError)
    assert "shows only the orders of the last 60 days, and the sync begins on 2026-09-28" in message
    assert "grant the app the scope read_all_orders, or set SHOPIFY_START_DATE=2026-09-29" in message
    assert shop.sync(start_date="2026-09-29").windows("orders", None, NOW)


def test_a_start_in_the_future_is_an_error(shop: ScriptedShop) -> None:
    message = error_of(lambda: shop.sync(start_date="2026-11-28").windows("orders", None, NOW), PlatformError)
    assert "SHOPIFY_START_DATE=2026-11-28 is in the future → set it to a day in the past" in message


# ---- counts of orders ------------------------------------------------------------------------------------------------


def test_orders_are_counted_by_day_without_a_limit(shop: ScriptedShop) -> None:
    today = datetime.now(timezone.utc).date()
    days = [today - timedelta(days=number) for number in range(30)]

    def counts(_: Any) -> httpx.Response:
        return shop.data(**{f"d{day:%Y%m%d}": {"count": day.day, "precision": "EXACT"} for day in days})

    shop._ordercounts = counts  # type: ignore[attr-defined]
    assert shop.sync().order_counts(days) == {day: day.day for day in days}
    assert len(shop.sent("OrderCounts")) == 2
    query = shop.sent("OrderCounts")[0].content.decode()
    first, following = today.isoformat(), (today + timedelta(days=1)).isoformat()
    assert f"created_at:>='{first}T00:00:00Z' AND created_at:<'{following}T00:00:00Z'" in query
    assert query.count("limit: null") == 25


def test_a_number_that_is_not_exact_is_not_used(shop: ScriptedShop) -> None:
    day = datetime.now(timezone.utc).date()
    inexact = {f"d{day:%Y%m%d}": {"count": 10_000, "precision": "AT_LEAST"}}
    shop._ordercounts = lambda _: shop.data(**inexact)  # type: ignore[attr-defined]
    assert "the numbers of orders are not exact" in error_of(lambda: shop.sync().order_counts([day]), TransientError)


def test_days_with_hidden_orders_are_not_counted_so_that_none_counts_as_deleted(shop: ScriptedShop) -> None:
    shop.scopes = ("read_orders", "read_products", "read_customers")
    old = datetime.now(timezone.utc).date() - timedelta(days=60)
    assert shop.sync().order_counts([old]) == {}
    assert "read_all_orders" in error_of(lambda: shop.sync().order_ids(old), AccountError)


def test_the_ids_of_a_day_are_read_page_by_page(shop: ScriptedShop) -> None:
    day = datetime.now(timezone.utc).date()

    def page(variables: dict[str, Any]) -> httpx.Response:
        hour = int(variables["filter"].split("T")[1][:2])
        number = 2 * hour + (variables["after"] is not None)
        info = {"hasNextPage": variables["after"] is None, "endCursor": "next"}
        return shop.data(orders={"nodes": [{"id": f"gid://shopify/Order/{number}"}], "pageInfo": info})

    def count(orders: int) -> httpx.Response:
        return shop.data(**{f"d{day:%Y%m%d}": {"count": orders, "precision": "EXACT"}})

    shop._orderids = page  # type: ignore[attr-defined]
    shop._ordercounts = lambda _: count(2)  # type: ignore[attr-defined]
    assert shop.sync().order_ids(day) == {0, 1}
    shop._ordercounts = lambda _: count(25_000)  # type: ignore[attr-defined]
    assert shop.sync().order_ids(day) == set(range(48)), "a large day is read in hours"


# ---- Shopify's own totals --------------------------------------------------------------------------------------------


def test_shopifys_own_totals_are_read_if_the_app_may(shop: ScriptedShop) -> None:
    columns = ("day", "gross_sales", "discounts", "returns", "net_sales", "shipping_charges", "taxes", "total_sales")
    row = ("2026-11-20", "100.00", "-10.00", "0", "90.00", "5.00", "19.00", "114.00")
    day = date(2026, 11, 20)
    assert shop.sync().day_totals(day, day) is None
    shop.scopes = (*shop.scopes, "read_reports")
    table = {"columns": [{"name": name} for name in columns], "rows": [dict(zip(columns, row, strict=True))]}
    shop._shopifyql = lambda _: shop.data(shopifyqlQuery={"parseErrors": [], "tableData": table})  # type: ignore[attr-defined]
    assert shop.sync().day_totals(day, day) == [(day, *row[1:])]
    table["rows"] = [list(row)]
    assert shop.sync().day_totals(day, day) == [(day, *row[1:])]
    shop._shopifyql = lambda _: shop.data(shopifyqlQuery={"parseErrors": ["no day"], "tableData": None})  # type: ignore[attr-defined]
    assert "totals can't be read: no day" in error_of(lambda: shop.sync().day_totals(day, day), AccountError)


@pytest.mark.parametrize("secret", [TOKEN, SECRET, "shpca_0123456789ab"])
def test_a_token_is_redacted_by_its_form_alone(secret: str) -> None:
    assert secret not in redact(f"sent {secret}, refused")
    for name in ("X-Goog-Signature", "Signature"):
        assert redact(f"GET https://files.example.com/a?x=1&{name}=5167ed51&y=1").endswith(f"&{name}=***&y=1")
