"""A shop with scripted answers, as a transport: for answers that the sandbox does not give."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import httpx

from mdp_dagster.connectors.retry import RetryPolicy
from mdp_dagster.connectors.shopify.bulk_operation import BulkLimits
from mdp_dagster.connectors.shopify.connector import ShopifySync, SyncLimits
from mdp_dagster.connectors.shopify.settings import ShopifySettings

DOMAIN = "aurora-skincare.myshopify.com"
SECRET, TOKEN = "shpss_0123456789abcdef", "shpat_fedcba9876543210"
FILE_URL = "https://files.example.com/bulk.jsonl?X-Goog-Signature=5167ed51"
SCOPES = ("read_orders", "read_all_orders", "read_products", "read_customers")

FAST = SyncLimits(
    retry=RetryPolicy(first_wait_seconds=0.001, longest_wait_seconds=0.002, longest_quota_wait_seconds=0.1),
    download_retry=RetryPolicy(attempts=3, first_wait_seconds=0.001, longest_wait_seconds=0.002),
    bulk=BulkLimits(
        run_seconds=0.05, cancel_seconds=0.05, slot_seconds=0.05, first_poll_seconds=0.001, longest_poll_seconds=0.002
    ),
)

Reply = httpx.Response | Exception


def order_line(number: int = 1, **changes: Any) -> dict[str, Any]:
    """An order as a bulk operation writes it."""
    money = {"shopMoney": {"amount": "59.80"}}
    return {
        "id": f"gid://shopify/Order/{number}",
        "name": f"#{number}",
        "createdAt": "2026-11-20T09:30:00Z",
        "processedAt": "2026-11-20T09:30:00Z",
        "updatedAt": "2026-11-21T10:00:00Z",
        "cancelledAt": None,
        "cancelReason": None,
        "test": False,
        "sourceName": "web",
        "taxesIncluded": True,
        "currencyCode": "EUR",
        "presentmentCurrencyCode": "EUR",
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "FULFILLED",
        "discountCodes": ["AUTUMN"],
        "customer": {"id": "gid://shopify/Customer/77"},
        "shippingAddress": {"countryCodeV2": "FR", "provinceCode": None, "city": "Lyon"},
        "billingAddress": {"countryCodeV2": "BE", "provinceCode": "VLG"},
        "totalPriceSet": money,
        "currentTotalPriceSet": money,
        "originalTotalPriceSet": money,
    } | changes


def item_line(number: int = 11, order: int = 1, **changes: Any) -> dict[str, Any]:
    """A line item as a bulk operation writes it."""
    return {
        "id": f"gid://shopify/LineItem/{number}",
        "title": "Crème de nuit",
        "variantTitle": "50 ml",
        "sku": "CN-50",
        "vendor": "Aurora",
        "quantity": 2,
        "currentQuantity": 2,
        "isGiftCard": False,
        "product": {"id": "gid://shopify/Product/501"},
        "variant": {"id": "gid://shopify/ProductVariant/601"},
        "originalUnitPriceSet": {"shopMoney": {"amount": "29.90"}},
        "totalDiscountSet": {"shopMoney": {"amount": "0.0"}},
        "__parentId": f"gid://shopify/Order/{order}",
    } | changes


def agreement_line(number: int = 21, order: int = 1, **changes: Any) -> dict[str, Any]:
    """A sales agreement as a bulk operation writes it."""
    return {
        "id": f"gid://shopify/OrderAgreement/{number}",
        "happenedAt": "2026-11-20T09:30:00Z",
        "reason": "ORDER",
        "__parentId": f"gid://shopify/Order/{order}",
    } | changes


def sale_line(number: int = 31, agreement: int = 21, **changes: Any) -> dict[str, Any]:
    """A sale as a bulk operation writes it."""
    return {
        "id": f"gid://shopify/ProductSale/{number}",
        "actionType": "ORDER",
        "lineType": "PRODUCT",
        "quantity": 2,
        "totalAmount": {"shopMoney": {"amount": "59.80"}},
        "totalTaxAmount": {"shopMoney": {"amount": "9.97"}},
        "totalDiscountAmountBeforeTaxes": {"shopMoney": {"amount": "0.0"}},
        "lineItem": {"id": "gid://shopify/LineItem/11"},
        "__parentId": f"gid://shopify/OrderAgreement/{agreement}",
    } | changes


ORDER = [order_line(), item_line(), agreement_line(), sale_line()]


def as_bytes(*lines: dict[str, Any]) -> bytes:
    """Lines of JSON, as in a file."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


class ScriptedShop:
    """Answers as Shopify does. A test changes a part of it.

    ``before`` has replies that come before the normal ones, by the name of the GraphQL operation, or ``token`` or
    ``file``.
    """

    def __init__(self, content: bytes = as_bytes(*ORDER)) -> None:
        self.content = content
        self.before: dict[str, list[Reply]] = {}
        self.requests: list[tuple[str, httpx.Request]] = []
        self.tokens = 0
        self.domain, self.shop_id, self.scopes = DOMAIN, 900, SCOPES
        self.version = "2026-10"
        self.states: list[dict[str, Any]] = []
        self.windows: list[str] = []
        self.counts: dict[str, int] = {}
        self.headers: dict[str, str] = {}
        self.cost = {"requestedQueryCost": 10, "throttleStatus": {"currentlyAvailable": 1900.0, "restoreRate": 100.0}}

    def sync(self, limits: SyncLimits = FAST, **settings: Any) -> ShopifySync:
        """The access to this shop."""
        given = {"client_id": "app-1", "client_secret": SECRET, "start_date": "2026-10-15", "_env_file": None}
        transport = httpx.MockTransport(self._reply)
        return ShopifySync(DOMAIN, ShopifySettings(**(given | settings)), limits, transport)

    def sent(self, name: str) -> list[httpx.Request]:
        """The requests of this name, in order."""
        return [request for sent, request in self.requests if sent == name]

    def data(self, **data: Any) -> httpx.Response:
        """A GraphQL answer."""
        headers = {"X-Shopify-API-Version": self.version, **self.headers}
        return httpx.Response(200, json={"data": data, "extensions": {"cost": self.cost}}, headers=headers)

    def _reply(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else {}
        path = request.url.path
        name = "token" if path.endswith("/oauth/access_token") else "file"
        if path.endswith("/graphql.json"):
            name = body["query"].split()[1].split("(")[0]
        self.requests.append((name, request))
        if self.before.get(name):
            reply = self.before[name].pop(0)
            if isinstance(reply, Exception):
                raise reply
            return reply
        answer: Callable[[dict[str, Any]], httpx.Response] = getattr(self, f"_{name.lower()}")
        return answer(body.get("variables") or {})

    def _token(self, _: dict[str, Any]) -> httpx.Response:
        self.tokens += 1
        return httpx.Response(200, json={"access_token": f"{TOKEN}{self.tokens}", "expires_in": 86_399, "scope": ""})

    def _file(self, _: dict[str, Any]) -> httpx.Response:
        return httpx.Response(200, content=self.content)

    def _shopfacts(self, _: dict[str, Any]) -> httpx.Response:
        return self.data(
            shop={
                "id": f"gid://shopify/Shop/{self.shop_id}", "name": "Aurora", "myshopifyDomain": self.domain,
                "ianaTimezone": "Europe/Paris", "currencyCode": "EUR",
            },
            currentAppInstallation={"accessScopes": [{"handle": handle} for handle in self.scopes]},
        )  # fmt: skip

    def _runbulkoperation(self, variables: dict[str, Any]) -> httpx.Response:
        self.windows.append(variables["query"])
        operation = {"id": f"gid://shopify/BulkOperation/{len(self.windows)}", "status": "CREATED"}
        return self.data(bulkOperationRunQuery={"bulkOperation": operation, "userErrors": []})

    def _bulkoperationstate(self, variables: dict[str, Any]) -> httpx.Response:
        lines = self.content.splitlines()
        finished = {
            "id": variables["id"], "status": "COMPLETED", "errorCode": None, "url": FILE_URL,
            "objectCount": str(len(lines)), "fileSize": str(len(self.content)),
            "rootObjectCount": str(sum("__parentId" not in json.loads(line) for line in lines)),
        }  # fmt: skip
        return self.data(bulkOperation=finished | (self.states.pop(0) if self.states else {}))

    def _runningbulkoperations(self, _: dict[str, Any]) -> httpx.Response:
        node = {"id": "gid://shopify/BulkOperation/5", "status": "RUNNING", "createdAt": "2026-11-27T01:00:00Z"}
        return self.data(bulkOperations={"nodes": [node]})

    def _cancelbulkoperation(self, variables: dict[str, Any]) -> httpx.Response:
        operation = {"id": variables["id"], "status": "CANCELING"}
        return self.data(bulkOperationCancel={"bulkOperation": operation, "userErrors": []})


class MemoryLanding:
    """A landing place in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.discarded = 0

    def new_file(self, path: str) -> MemoryFile:
        """Begins a file."""
        return MemoryFile(self)

    def open(self, path: str) -> io.BytesIO:
        """Opens a finished file."""
        return io.BytesIO(self.files[path])

    def content(self, path: str) -> bytes:
        """The unpacked content of a finished file."""
        return gzip.decompress(self.files[path])


class MemoryFile:
    """A file in memory that is being written."""

    def __init__(self, landing: MemoryLanding) -> None:
        self._landing = landing
        self.content = io.BytesIO()

    def finish(self, path: str) -> None:
        """Makes the file appear."""
        assert path not in self._landing.files
        self._landing.files[path] = self.content.getvalue()

    def discard(self) -> None:
        """Forgets the file."""
        self._landing.discarded += 1
