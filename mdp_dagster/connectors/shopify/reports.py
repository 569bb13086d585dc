"""The reports of a Shopify shop, and the GraphQL documents that request them.

Every document is checked against Shopify's schema of ``API_VERSION``. None of them requests a name, an email address, a
phone number, a street or a postcode.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone

from mdp_dagster.connectors.shop_documents import ShopReport, ShopWindow

API_VERSION = "2026-10"

REQUIRED_SCOPES = ("read_orders", "read_products", "read_customers")
ALL_ORDERS_SCOPE = "read_all_orders"
"""Without this scope, Shopify leaves out the orders of more than ``VISIBLE_DAYS`` days ago, without an error."""
VISIBLE_DAYS = 60
REPORTS_SCOPE = "read_reports"

_MONEY = "{ shopMoney { amount } }"

_ORDERS = f"""{{
  orders(query: "$FILTER", sortKey: UPDATED_AT) {{ edges {{ node {{
    id name createdAt processedAt updatedAt cancelledAt cancelReason test sourceName taxesIncluded
    currencyCode presentmentCurrencyCode displayFinancialStatus displayFulfillmentStatus discountCodes
    customer {{ id }}
    shippingAddress {{ countryCodeV2 provinceCode city }}
    billingAddress {{ countryCodeV2 provinceCode }}
    totalPriceSet {_MONEY} currentTotalPriceSet {_MONEY} originalTotalPriceSet {_MONEY}
    lineItems {{ edges {{ node {{
      id title variantTitle sku vendor quantity currentQuantity isGiftCard
      product {{ id }} variant {{ id }}
      originalUnitPriceSet {_MONEY} totalDiscountSet {_MONEY}
    }} }} }}
    agreements {{ edges {{ node {{
      id happenedAt reason
      sales {{ edges {{ node {{
        id actionType lineType quantity
        totalAmount {_MONEY} totalTaxAmount {_MONEY} totalDiscountAmountBeforeTaxes {_MONEY}
        ... on ProductSale {{ lineItem {{ id }} }}
        ... on GiftCardSale {{ lineItem {{ id }} }}
        ... on TipSale {{ lineItem {{ id }} }}
      }} }} }}
    }} }} }}
  }} }} }}
}}"""

_PRODUCTS = """{
  products(query: "$FILTER", sortKey: UPDATED_AT) { edges { node {
    id title vendor productType status createdAt updatedAt
    variants { edges { node { id title sku price updatedAt } } }
  } } }
}"""

_CUSTOMERS = """{
  customers(query: "$FILTER", sortKey: UPDATED_AT) { edges { node {
    id createdAt updatedAt defaultAddress { countryCodeV2 }
  } } }
}"""

_BULK_QUERIES: Mapping[ShopReport, str] = {"orders": _ORDERS, "products": _PRODUCTS, "customers": _CUSTOMERS}

SHOP_FACTS = """query ShopFacts {
  shop { id name myshopifyDomain ianaTimezone currencyCode }
  currentAppInstallation { accessScopes { handle } }
}"""

API_VERSIONS = "query ApiVersions { publicApiVersions { handle supported } }"

RUN_BULK_OPERATION = """mutation RunBulkOperation($query: String!) {
  bulkOperationRunQuery(query: $query, groupObjects: false) {
    bulkOperation { id status createdAt }
    userErrors { code field message }
  }
}"""

BULK_OPERATION = """query BulkOperationState($id: ID!) {
  bulkOperation(id: $id) { id status errorCode createdAt objectCount rootObjectCount fileSize url }
}"""

RUNNING_BULK_OPERATIONS = """query RunningBulkOperations {
  bulkOperations(first: 10, query: "status:RUNNING") { nodes { id status createdAt } }
}"""

CANCEL_BULK_OPERATION = """mutation CancelBulkOperation($id: ID!) {
  bulkOperationCancel(id: $id) { bulkOperation { id status } userErrors { field message } }
}"""

ORDER_IDS = """query OrderIds($filter: String!, $after: String) {
  orders(first: 250, after: $after, query: $filter, sortKey: CREATED_AT) {
    nodes { id }
    pageInfo { hasNextPage endCursor }
  }
}"""

SHOPIFYQL = """query Shopifyql($query: String!) {
  shopifyqlQuery(query: $query) { parseErrors tableData { columns { name } rows } }
}"""

REQUESTED_FIELDS = frozenset(re.findall(r"[A-Za-z]\w*", " ".join(_BULK_QUERIES.values()))) | {"__parentId"}
"""The names in the bulk queries. A rejected row shows no other field."""
REQUESTED_INNER_FIELDS = frozenset({"id", "shopMoney", "amount", "countryCodeV2", "provinceCode", "city"})
"""The names that the bulk queries request of an object within a row, such as an address."""


def bulk_query(report: ShopReport, window: ShopWindow, instant: str = "updated_at") -> str:
    """Returns the bulk query for everything that was last changed in a window, or has another instant in it."""
    return _BULK_QUERIES[report].replace("$FILTER", instants_filter(instant, window))


def order_counts_query(filters: Mapping[str, str]) -> str:
    """Returns the query for several numbers of orders.

    Without a limit, Shopify would stop to count at 10,000.

    Args:
        filters: The orders to count, by the name of the number in the answer.
    """
    counts = (
        f'{name}: ordersCount(query: "{text}", limit: null) {{ count precision }}' for name, text in filters.items()
    )
    return f"query OrderCounts {{ {' '.join(counts)} }}"


def instants_filter(field: str, window: ShopWindow) -> str:
    """Returns Shopify's search text for a field within a window.

    The quotes are required. Without ``Z``, Shopify takes the shop's zone, but not always. The query does not filter by
    status, so closed orders belong to the answer.
    """
    return f"{since_filter(field, window.start)} AND {field}:<'{_utc(window.end)}'"


def since_filter(field: str, instant: datetime) -> str:
    """Returns Shopify's search text for a field at an instant or later."""
    return f"{field}:>='{_utc(instant)}'"


def _utc(instant: datetime) -> str:
    return instant.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
