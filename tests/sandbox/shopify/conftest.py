"""A shop of the sandbox, and a plain client of its Admin API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest

from sandbox import Sandbox
from sandbox.shopify.edits import Edits
from sandbox.shopify.shop_world import ShopWorld
from sandbox.shopify.truth import Truth
from tests.support.limits import HANG_SECONDS

NORDLICHT, HARBORLINE = "nordlicht-outdoor.myshopify.com", "harborline-home.myshopify.com"
MONEY = "{ shopMoney { amount } }"
ORDERS = f"""{{
  orders(query: "$FILTER") {{ edges {{ node {{
    id createdAt processedAt updatedAt test currencyCode customer {{ id }}
    shippingAddress {{ countryCodeV2 provinceCode }} billingAddress {{ countryCodeV2 provinceCode }}
    originalTotalPriceSet {MONEY} currentTotalPriceSet {MONEY}
    lineItems {{ edges {{ node {{ id title quantity currentQuantity isGiftCard product {{ id }} }} }} }}
    agreements {{ edges {{ node {{
      id happenedAt reason
      sales {{ edges {{ node {{
        id actionType lineType quantity
        totalAmount {MONEY} totalTaxAmount {MONEY} totalDiscountAmountBeforeTaxes {MONEY}
        ... on ProductSale {{ lineItem {{ id }} }}
      }} }} }}
    }} }} }}
  }} }} }}
}}"""
RUN = """mutation Run($query: String!, $grouped: Boolean! = false) {
  bulkOperationRunQuery(query: $query, groupObjects: $grouped) {
    bulkOperation { id status } userErrors { code field message }
  }
}"""
POLL = """query Poll($id: ID!) {
  bulkOperation(id: $id) { id status errorCode objectCount rootObjectCount fileSize url }
}"""
CANCEL = """mutation Cancel($id: ID!) {
  bulkOperationCancel(id: $id) { bulkOperation { id status } userErrors { field message } }
}"""


@dataclass
class Shop:
    """A client of one shop. The token is fetched with the first query."""

    sandbox: Sandbox
    domain: str
    token: str | None = None
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=HANG_SECONDS, trust_env=False))

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """Posts JSON to the shop."""
        return self.http.post(self.sandbox.url + path, json=body, headers={"Host": self.domain, **headers})

    def new_token(self, **changes: str) -> httpx.Response:
        """Exchanges the client's credentials."""
        given = {
            "client_id": self.sandbox.env["SHOPIFY_CLIENT_ID"],
            "client_secret": self.sandbox.env["SHOPIFY_CLIENT_SECRET"],
            "grant_type": "client_credentials",
        }
        return self.post("/admin/oauth/access_token", given | changes)

    def send(self, query: str, version: str = "2026-10", /, **variables: Any) -> httpx.Response:
        """Sends a query."""
        if self.token is None:
            self.token = str(self.new_token().json()["access_token"])
        headers = {"X-Shopify-Access-Token": self.token}
        return self.post(f"/admin/api/{version}/graphql.json", {"query": query, "variables": variables}, **headers)

    def data(self, query: str, /, **variables: Any) -> Any:
        """Returns the data of an answer without errors."""
        body = self.send(query, **variables).json()
        assert "errors" not in body, body
        return body["data"]

    def errors(self, query: str, /, **variables: Any) -> Any:
        """Returns the errors of an answer."""
        return self.send(query, **variables).json()["errors"]

    def start(self, query: str, *, grouped: bool = False) -> Any:
        """Starts a bulk operation, and returns its payload."""
        return self.data(RUN, query=query, grouped=grouped)["bulkOperationRunQuery"]

    def ended(self, query: str, *, grouped: bool = False) -> Any:
        """Runs a bulk operation to its end, and returns it."""
        id_ = self.start(query, grouped=grouped)["bulkOperation"]["id"]
        deadline = time.monotonic() + HANG_SECONDS
        while time.monotonic() < deadline:
            operation = self.data(POLL, id=id_)["bulkOperation"]
            if operation["status"] not in ("CREATED", "RUNNING"):
                return operation
            time.sleep(0.01)
        raise AssertionError("the operation never ends")

    def lines(self, query: str, *, grouped: bool = False) -> list[dict[str, Any]]:
        """Returns the lines of a bulk operation."""
        operation = self.ended(query, grouped=grouped)
        assert operation["status"] == "COMPLETED"
        if operation["url"] is None:
            return []
        content = self.http.get(operation["url"]).content
        return [orjson.loads(line) for line in content.splitlines()]

    @property
    def world(self) -> ShopWorld:
        """The facts of the shop."""
        return self.sandbox.servers["shopify"].shops[self.domain]  # type: ignore[attr-defined, no-any-return]

    @property
    def edits(self) -> Edits:
        """The changes by hand."""
        return self.sandbox.servers["shopify"].control.edits(self.domain)  # type: ignore[attr-defined, no-any-return]

    def truth(self, changed_since: str | None = None) -> Truth:
        """The figures that MDP must show."""
        return self.sandbox.servers["shopify"].control.truth(self.domain, changed_since)  # type: ignore[attr-defined, no-any-return]

    def fault(self, kind: str, **details: Any) -> None:
        """Switches a fault on for this shop."""
        self.sandbox.faults.add("shopify", kind, account_id=self.domain, **details)


@pytest.fixture
def shop(sandbox: Sandbox) -> Iterator[Shop]:
    client = Shop(sandbox, NORDLICHT)
    yield client
    client.http.close()


@pytest.fixture
def other_shop(sandbox: Sandbox) -> Iterator[Shop]:
    client = Shop(sandbox, HARBORLINE)
    yield client
    client.http.close()


def changed_since(instant: str) -> str:
    """The bulk query for the orders that were changed at an instant or later."""
    return ORDERS.replace("$FILTER", f"updated_at:>='{instant}'")
