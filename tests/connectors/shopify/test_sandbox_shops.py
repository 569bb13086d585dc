"""The production access against the sandbox's shops: complete rows, also with faults, or a clear error and no file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from graphql import parse, validate

from mdp_dagster.connectors.api_version import ApiVersion
from mdp_dagster.connectors.errors import AccountError, ConnectorError, PlatformError, QuotaError, TransientError
from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.connectors.shop_documents import (
    SHOP_REPORTS,
    AgreementRow,
    CustomerRow,
    ItemRow,
    OrderRow,
    ProductRow,
    RejectedRow,
    SaleRow,
    ShopRow,
    ShopWindow,
    VariantRow,
)
from mdp_dagster.connectors.shopify import reports
from mdp_dagster.connectors.shopify.bulk_operation import BulkLimits
from mdp_dagster.connectors.shopify.connector import ShopifySync, SyncLimits
from mdp_dagster.connectors.shopify.errors import IncompleteFileError
from mdp_dagster.connectors.shopify.settings import ShopifySettings
from sandbox import Sandbox
from sandbox.shopify.admin_api import admin_schema
from sandbox.shopify.bulk_rules import bulk_document
from sandbox.shopify.shops import HARBORLINE, NORDLICHT
from tests.connectors.shopify.scripted_shop import MemoryLanding
from tests.connectors.shopify.test_shop_access import error_of
from tests.support.clock import NOW
from tests.support.limits import HANG_SECONDS

DOMAINS = (NORDLICHT.domain, HARBORLINE.domain)
DAY = ShopWindow(NOW - timedelta(days=1), NOW - timedelta(minutes=2))
_SOON = RetryPolicy(first_wait_seconds=0.005, longest_wait_seconds=0.02, longest_quota_wait_seconds=HANG_SECONDS)


def limits(**bulk: float) -> SyncLimits:
    patient = {"run_seconds": HANG_SECONDS, "cancel_seconds": HANG_SECONDS, "slot_seconds": HANG_SECONDS}
    polls = {"first_poll_seconds": 0.005, "longest_poll_seconds": 0.05}
    return SyncLimits(
        retry=_SOON,
        download_retry=RetryPolicy(attempts=3, first_wait_seconds=0.005, longest_wait_seconds=0.02),
        bulk=BulkLimits(**(patient | polls | bulk)),
        request_seconds=HANG_SECONDS,
    )


@pytest.fixture
def shop(sandbox: Sandbox) -> Callable[..., ShopifySync]:
    """Returns the access to a shop of the sandbox."""

    def access(domain: str = NORDLICHT.domain, within: SyncLimits | None = None, **changes: Any) -> ShopifySync:
        env = sandbox.env
        given = {
            "client_id": env["SHOPIFY_CLIENT_ID"],
            "client_secret": env["SHOPIFY_CLIENT_SECRET"],
            "api_url": env["SHOPIFY_API_URL"],
            "start_date": NOW.date() - timedelta(days=40),
            "_env_file": None,
        }
        return ShopifySync(domain, ShopifySettings(**(given | changes)), within or limits())

    return access


def rows_of(sync: ShopifySync, report: Any = "orders", window: ShopWindow = DAY) -> list[ShopRow]:
    return list(sync.read(report, window, MemoryLanding()))


@pytest.mark.parametrize(
    "document", [v for v in vars(reports).values() if isinstance(v, str) and v[:5] in ("query", "mutat")]
)
def test_each_query_is_one_of_shopifys_schema(document: str) -> None:
    assert validate(admin_schema(), parse(document)) == []


@pytest.mark.parametrize("report", SHOP_REPORTS)
def test_each_bulk_query_keeps_shopifys_rules(report: Any) -> None:
    document, messages = bulk_document(admin_schema(), reports.bulk_query(report, DAY))
    assert document is not None and messages == []


@pytest.mark.parametrize("home", [NORDLICHT, HARBORLINE], ids=lambda home: home.client_id)
def test_the_facts_are_those_of_the_shop(shop: Callable[..., ShopifySync], home: Any) -> None:
    facts = shop(home.domain).facts()
    assert (facts.shop_id, facts.name) == (home.id, home.name)
    assert (facts.time_zone, facts.currency) == (home.time_zone, home.currency)


@pytest.mark.parametrize("home", [NORDLICHT, HARBORLINE], ids=lambda home: home.client_id)
def test_the_sales_of_each_day_since_the_start_are_shopifys(
    shop: Callable[..., ShopifySync], sandbox: Sandbox, home: Any
) -> None:
    """All days from the date of the first change on are complete, with returns of older orders."""
    zone = ZoneInfo(home.time_zone)
    first = NOW.date() - timedelta(days=3)
    sync = shop(home.domain, start_date=first)
    [window] = sync.windows("orders", None, NOW)
    rows = rows_of(sync, window=window)
    assert not [row for row in rows if isinstance(row, RejectedRow)]
    tests = {row.order_id for row in rows if isinstance(row, OrderRow) and row.test}
    agreements = {row.agreement_id: row for row in rows if isinstance(row, AgreementRow)}
    net: dict[date, Decimal] = defaultdict(Decimal)
    for sale in (row for row in rows if isinstance(row, SaleRow)):
        event = agreements[sale.agreement_id]
        if sale.line_type == "PRODUCT" and event.order_id not in tests:
            day = datetime.fromisoformat(event.happened_at.replace("Z", "+00:00")).astimezone(zone).date()
            net[day] += Decimal(sale.amount) - Decimal(sale.tax)
    truth = sandbox.servers["shopify"].control.truth(home.domain, window.start)  # type: ignore[attr-defined]
    complete = first + timedelta(days=1)
    expected = {row["jour"]: row["ca_net"] for row in truth.shop_daily(complete, NOW.date())}
    assert len(expected) == 2
    assert {day: amount for day, amount in net.items() if complete <= day < NOW.date()} == expected


def test_orders_have_their_items_and_ids_are_exact(shop: Callable[..., ShopifySync]) -> None:
    rows = rows_of(shop(HARBORLINE.domain))
    orders = {row.order_id for row in rows if isinstance(row, OrderRow)}
    items = {row.order_id for row in rows if isinstance(row, ItemRow)}
    assert orders and items <= orders and min(orders) > 2**53
    assert len(orders) == len([row for row in rows if isinstance(row, OrderRow)])
    assert {row.order_id for row in rows if isinstance(row, AgreementRow)} == orders


def test_products_and_customers_are_read(shop: Callable[..., ShopifySync]) -> None:
    sync = shop()
    [whole] = sync.windows("products", None, NOW)
    rows = rows_of(sync, "products", whole)
    products = {row.product_id for row in rows if isinstance(row, ProductRow)}
    assert products == {product.id for product in NORDLICHT.products if product.created_at < NOW.timestamp()}
    assert {row.product_id for row in rows if isinstance(row, VariantRow)} == products
    customers = rows_of(sync, "customers", DAY)
    assert customers and {type(row) for row in customers} == {CustomerRow}


def test_the_counts_of_a_day_are_the_numbers_of_its_ids_and_a_deleted_order_is_missing(
    shop: Callable[..., ShopifySync], sandbox: Sandbox
) -> None:
    sync, days = shop(), [NOW.date() - timedelta(days=n) for n in (2, 3)]
    before, ids = sync.order_counts(days), sync.order_ids(days[0])
    assert before[days[0]] == len(ids) > 0
    deleted = min(ids)
    sandbox.servers["shopify"].control.edits(NORDLICHT.domain).delete(deleted)  # type: ignore[attr-defined]
    assert sync.order_counts(days) == {days[0]: before[days[0]] - 1, days[1]: before[days[1]]}
    assert ids - sync.order_ids(days[0]) == {deleted}


def test_shopifys_own_totals_of_a_day(shop: Callable[..., ShopifySync]) -> None:
    day = NOW.date() - timedelta(days=2)
    [totals] = shop().day_totals(day, day) or []
    assert totals.day == day
    assert Decimal(totals.net_sales) == sum(map(Decimal, (totals.gross_sales, totals.discounts, totals.returns)))


def test_the_requested_version_is_supported_for_a_year(shop: Callable[..., ShopifySync], sandbox: Sandbox) -> None:
    assert shop().api_version() == ApiVersion("2026-10", NOW.date() < date(2027, 10, 1), date(2027, 10, 1))


# ---- faults ----------------------------------------------------------------------------------------------------------

HARMLESS: list[tuple[str, dict[str, Any]]] = [
    ("throttled", {"times": 2}),
    ("too_many_requests", {"times": 2, "retry_after_s": 0.01}),
    ("server_error", {"times": 3}),
    ("internal_error", {"times": 2}),
    ("expired_token", {"times": 1, "method": "BulkOperationState"}),
    ("connection_reset", {"times": 2}),
    ("connection_reset", {"times": 2, "method": "RunBulkOperation"}),
    ("operation_in_progress", {"times": 3}),
    ("operation_in_progress", {"times": 1, "code": "LIMIT_REACHED"}),
    ("bulk_failed", {"times": 2}),
    ("bulk_failed", {"times": 1, "error_code": "TIMEOUT"}),
    ("bulk_canceled", {"times": 1}),
    ("broken_download", {"times": 2}),
    ("children_first", {}),
]


@pytest.fixture(scope="module")
def undisturbed(sandbox: Sandbox) -> list[str]:
    """The rows of the window without a fault."""
    sandbox.faults.clear()
    env = sandbox.env
    given: dict[str, Any] = {
        "client_id": env["SHOPIFY_CLIENT_ID"], "client_secret": env["SHOPIFY_CLIENT_SECRET"],
        "api_url": env["SHOPIFY_API_URL"], "_env_file": None,
    }  # fmt: skip
    return sorted(map(repr, rows_of(ShopifySync(NORDLICHT.domain, ShopifySettings(**given), limits()))))


@pytest.mark.parametrize(("kind", "fault"), HARMLESS, ids=lambda value: str(value))
def test_a_fault_that_passes_costs_no_row_and_doubles_none(
    shop: Callable[..., ShopifySync], sandbox: Sandbox, undisturbed: list[str], kind: str, fault: dict[str, Any]
) -> None:
    sandbox.faults.add("shopify", kind, **fault)
    assert sorted(map(repr, rows_of(shop()))) == undisturbed
    assert all(active["kind"] == "children_first" for active in sandbox.faults.active())


def test_an_operation_that_hangs_is_cancelled_and_its_window_is_read_in_halves(
    shop: Callable[..., ShopifySync], sandbox: Sandbox, undisturbed: list[str]
) -> None:
    sandbox.faults.add("shopify", "bulk_stuck", times=1)
    sandbox.faults.add("shopify", "bulk_slow_to_cancel", times=1)
    landing = MemoryLanding()
    rows = list(shop(within=limits(run_seconds=1.5)).read("orders", DAY, landing))
    assert sorted(map(repr, rows)) == undisturbed
    assert len(landing.files) >= 2
    operations = sandbox.servers["shopify"].operations.all(NORDLICHT.domain)  # type: ignore[attr-defined]
    assert sorted(operation.status for operation in operations)[:1] == ["CANCELED"]


REFUSALS: list[tuple[str, dict[str, Any], type[ConnectorError], str]] = [
    ("wrong_credentials", {}, PlatformError, r"are invalid \(invalid_client\) → set SHOPIFY_CLIENT_ID"),
    ("server_error", {}, TransientError, "HTTP 503: .*Something went wrong"),
    ("too_many_requests", {"retry_after_s": 3600}, QuotaError, "Exceeded 40 calls .* → the platform requests a pause"),
    ("locked_shop", {"status": 402}, AccountError, "Payment Required → open the shop's admin"),
    ("locked_shop", {"status": 403}, AccountError, "Forbidden → grant the app the scopes"),
    ("locked_shop", {"status": 423}, AccountError, "Unavailable Shop → open the shop's admin"),
    ("missing_scope", {"scope": "read_customers"}, AccountError, "the app lacks the scopes read_customers → add them"),
    ("other_version", {"version": "2026-01"}, PlatformError, "has API version 2026-01, and MDP requested 2026-10 →"),
    ("redirected_shop", {}, AccountError, f"leads to another shop: {HARBORLINE.domain} → write"),
    ("moved_shop", {}, AccountError, "HTTP 301.* leads to another one → check the shop's domain"),
    ("bulk_failed", {}, TransientError, r"ended as FAILED \(INTERNAL_SERVER_ERROR\) → run the sync again"),
    ("bulk_failed", {"error_code": "ACCESS_DENIED"}, AccountError, r"\(ACCESS_DENIED\) → grant the app the scopes"),
    ("bulk_without_url", {}, IncompleteFileError, "0 lines instead of .* → nothing of it was committed"),
    ("wrong_counts", {}, IncompleteFileError, "lines instead of"),
    ("wrong_counts", {"objects": 0, "roots": 1}, IncompleteFileError, "lines without a parent instead of"),
    ("wrong_counts", {"objects": 0, "bytes": -1}, IncompleteFileError, "bytes instead of"),
    ("truncated_file", {}, IncompleteFileError, "lines instead of"),
    ("broken_download", {}, TransientError, "the file broke off"),
    ("expired_url", {}, AccountError, "HTTP 400 for the file of the bulk operation → run the sync again"),
]


@pytest.mark.parametrize(("kind", "fault", "error", "words"), REFUSALS, ids=lambda value: str(value)[:40])
def test_a_fault_that_stays_is_an_error_with_a_remedy_and_no_file(
    shop: Callable[..., ShopifySync],
    sandbox: Sandbox,
    kind: str,
    fault: dict[str, Any],
    error: type[ConnectorError],
    words: str,
) -> None:
    sandbox.faults.add("shopify", kind, **fault)
    landing = MemoryLanding()
    sync = shop()
    with pytest.raises(error, match=words) as caught:
        list(sync.read("orders", DAY, landing))
    assert type(caught.value) is error
    assert landing.files == {}
    assert sandbox.env["SHOPIFY_CLIENT_SECRET"] not in str(caught.value) and "shpat_" not in str(caught.value)


def test_without_read_all_orders_an_old_start_is_refused(shop: Callable[..., ShopifySync], sandbox: Sandbox) -> None:
    sandbox.faults.add("shopify", "missing_scope", scope="read_all_orders")
    sync = shop(start_date=NOW.date() - timedelta(days=61))
    assert "SHOPIFY_START_DATE=" in error_of(lambda: sync.windows("orders", None, NOW), AccountError)
    assert shop().windows("orders", None, NOW)


@pytest.mark.parametrize(
    ("field", "table", "reason"),
    [
        ("id", "orders", "id is missing"),
        ("processedAt", "orders", "processedAt is unreadable"),
        ("updatedAt", "orders", "updatedAt is unreadable"),
        ("happenedAt", "order_agreements", "happenedAt is unreadable"),
        ("currencyCode", "orders", "currencyCode is not three capital letters"),
        ("amount", "order_sales", "totalAmount is unreadable"),
        ("quantity", "order_sales", "quantity is negative on an ORDER row"),
        ("large_id", "orders", "id is unreadable"),
    ],
)
def test_a_damaged_order_is_a_reject_with_its_reason(
    shop: Callable[..., ShopifySync], sandbox: Sandbox, undisturbed: list[str], field: str, table: str, reason: str
) -> None:
    sandbox.faults.add("shopify", "malformed", field=field)
    rows = rows_of(shop())
    [reject] = [row for row in rows if isinstance(row, RejectedRow)]
    assert (reject.table, reject.reason) == (table, reason)
    assert len(rows) == len(undisturbed)


@pytest.mark.parametrize("field", ["nul", "surrogate"])
def test_a_title_with_characters_that_no_database_takes_is_not_lost(
    shop: Callable[..., ShopifySync], sandbox: Sandbox, field: str
) -> None:
    sandbox.faults.add("shopify", "malformed", field=field)
    titles = [row.title for row in rows_of(shop()) if isinstance(row, ItemRow)]
    assert [title for title in titles if title and title.startswith("Schuh") and "\ufffd" in title]


def test_a_line_that_is_not_json_rejects_its_order(shop: Callable[..., ShopifySync], sandbox: Sandbox) -> None:
    sandbox.faults.add("shopify", "malformed", field="json")
    [reject] = [row for row in rows_of(shop()) if isinstance(row, RejectedRow)]
    assert reject.reason == "the line is not JSON"
    assert reject.document_id or reject.agreement_id


def test_only_the_shops_own_requests_have_its_token(shop: Callable[..., ShopifySync], sandbox: Sandbox) -> None:
    rows_of(shop())
    assert rows_of(shop(HARBORLINE.domain))
    methods = [request["method"] for request in sandbox.requests.requests()]
    assert methods.count("token") == 2 and methods.count("bulk_file") == 2


def test_a_restart_of_the_day_reads_the_same_rows(shop: Callable[..., ShopifySync], undisturbed: list[str]) -> None:
    midnight = datetime.combine(NOW.date(), time(), timezone.utc)
    parts = [ShopWindow(DAY.start, midnight), ShopWindow(midnight, DAY.end)]
    rows = [row for part in parts for row in rows_of(shop(), window=part)]
    assert sorted(map(repr, rows)) == undisturbed
