"""The functions of the API's root: each field of a query or mutation of a shop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone
from typing import Any

from graphql import FieldNode, StringValueNode

from sandbox.shopify import access, vendor_errors
from sandbox.shopify.admin_api import Call, admin_schema
from sandbox.shopify.bulk import LARGEST_NUMBER, BulkOperations
from sandbox.shopify.bulk_rules import bulk_document
from sandbox.shopify.connections import page
from sandbox.shopify.documents import customer_document, gid, order_document, product_document, shop_document
from sandbox.shopify.facts import OrderState
from sandbox.shopify.filters import Search, UnmodelledFilter, parse_search
from sandbox.shopify.projection import Document, bulk_projection
from sandbox.shopify.shopifyql import shopifyql_answer

Resolver = Callable[..., Any]

_ORDER_KEYS: dict[str, Callable[[OrderState], tuple[int, int]]] = {
    "CREATED_AT": lambda state: (state.order.created_at, state.order.id),
    "PROCESSED_AT": lambda state: (state.order.processed_at, state.order.id),
    "UPDATED_AT": lambda state: (state.updated_at, state.order.id),
    "ID": lambda state: (state.order.id, 0),
}


def root_fields(call: Call, operations: BulkOperations) -> dict[str, Resolver]:
    """Returns the functions of the root's fields for a request."""
    fields = _Fields(call, operations)
    names = (
        "shop", "publicApiVersions", "currentAppInstallation", "orders", "ordersCount", "products", "customers",
        "shopifyqlQuery", "bulkOperation", "bulkOperations", "bulkOperationRunQuery", "bulkOperationCancel",
    )  # fmt: skip
    return {name: getattr(fields, name) for name in names}


class _Fields:
    """The fields have Shopify's names."""

    def __init__(self, call: Call, operations: BulkOperations) -> None:
        self._call = call
        self._world = call.world
        self._operations = operations

    def shop(self, info: Any) -> Document:
        return shop_document(self._world)

    def publicApiVersions(self, info: Any) -> list[Document]:  # noqa: N802
        today = self._today()
        stable = [(handle, handle, True) for handle in access.versions(today)]
        coming = access.candidate(today)
        every = [*stable, (coming, f"{coming} (Release candidate)", False), ("unstable", "unstable", False)]
        return [{"handle": h, "displayName": name, "supported": supported} for h, name, supported in every]

    def currentAppInstallation(self, info: Any) -> Document:  # noqa: N802
        granted = [scope for scope in access.SCOPES if scope not in self._call.missing_scopes]
        return {"id": gid("AppInstallation", 1), "accessScopes": [{"handle": scope} for scope in granted]}

    def orders(self, info: Any, **arguments: Any) -> list[Document]:
        page([], arguments)  # refuses wrong arguments before the search
        states = list(self._states(self._search(arguments)))
        key = arguments.get("sortKey", "PROCESSED_AT")
        if key not in _ORDER_KEYS:
            raise vendor_errors.not_modelled(f"The sandbox doesn't model the sort key {key}.")
        states.sort(key=_ORDER_KEYS[key], reverse=bool(arguments.get("reverse")))
        return _Lazy(states)

    def ordersCount(self, info: Any, **arguments: Any) -> Document:  # noqa: N802
        count = sum(1 for _ in self._states(self._search(arguments)))
        if wrong := self._call.take("wrong_order_count"):
            count += int(wrong.number("difference"))
        limit = arguments.get("limit")
        if limit is not None and count > limit:
            return {"count": limit, "precision": "AT_LEAST"}
        return {"count": count, "precision": "EXACT"}

    def products(self, info: Any, **arguments: Any) -> list[Document]:
        found = list(self._products(self._search(arguments)))
        return _sorted(found, arguments)

    def customers(self, info: Any, **arguments: Any) -> list[Document]:
        return _sorted(list(self._customers(self._search(arguments))), arguments)

    def shopifyqlQuery(self, info: Any, query: str) -> Document:  # noqa: N802
        return shopifyql_answer(self._world, query)

    # --- bulk operations

    def bulkOperation(self, info: Any, id: str) -> Document | None:  # noqa: N802
        operation = self._operations.find(self._world.shop.domain, id)
        return self._operations.document(operation) if operation else None

    def bulkOperations(self, info: Any, **arguments: Any) -> list[Document]:  # noqa: N802
        found = [self._operations.document(each) for each in self._operations.all(self._world.shop.domain)]
        for term in (arguments.get("query") or "").split():
            name, _, value = term.partition(":")
            if name == "status":
                found = [each for each in found if each["status"] == value.strip("'\"").upper()]
            elif name == "operation_type":
                found = [each for each in found if each["type"] == value.strip("'\"").upper()]
            elif term != "AND":
                raise vendor_errors.not_modelled(f"The sandbox doesn't model the filter {term!r}.")
        return found[::-1] if arguments.get("reverse") else found

    def bulkOperationRunQuery(self, info: Any, query: str, groupObjects: bool = False) -> Document:  # noqa: N802, N803
        domain = self._world.shop.domain
        document, messages = bulk_document(admin_schema(), query)
        if document is None:
            return _refused(*({"field": ["query"], "message": text, "code": "INVALID"} for text in messages))
        if busy := self._call.take("operation_in_progress"):
            code = str(busy.params["code"])
            other = gid("BulkOperation", 7_699_999_999_999)
            return _refused({"field": None, "message": _in_progress(other, code), "code": code})
        running = self._operations.running(domain)
        if len(running) >= LARGEST_NUMBER:
            code = "OPERATION_IN_PROGRESS"
            return _refused({"field": None, "message": _in_progress(running[0].id, code), "code": code})
        top, projection = bulk_projection(admin_schema(), document)
        if access.required_scope(top.name.value) in self._call.missing_scopes:
            operation = self._operations.deny(domain, query, self._world.now)
        else:
            operation = self._operations.start(
                domain, query, self._world.now, self._bulk_documents(top), projection, grouped=groupObjects,
                take=self._call.take,
            )  # fmt: skip
        return {"bulkOperation": self._as_created(self._operations.document(operation)), "userErrors": []}

    def bulkOperationCancel(self, info: Any, id: str) -> Document:  # noqa: N802
        operation = self._operations.by_number(id.rpartition("/")[2])
        if operation is None or operation.domain != self._world.shop.domain:
            return _refused({"field": ["id"], "message": "Bulk operation does not exist"})
        message = self._operations.cancel(operation)
        errors = [] if message is None else [{"field": None, "message": message}]
        return {"bulkOperation": self._operations.document(operation), "userErrors": errors}

    def _as_created(self, document: Document) -> Document:
        """An operation is always shown as new when it is started."""
        zero = {"objectCount": "0", "rootObjectCount": "0", "fileSize": None, "url": None, "completedAt": None}
        return {**document, "status": "CREATED", "errorCode": None, **zero}

    def _bulk_documents(self, top: FieldNode) -> Iterator[Document]:
        text = next(
            (a.value.value for a in top.arguments if a.name.value == "query" and isinstance(a.value, StringValueNode)),
            None,
        )
        search = self._search({"query": text})
        if top.name.value == "orders":
            return map(order_document, self._states(search))
        return self._products(search) if top.name.value == "products" else self._customers(search)

    # --- the shop's data

    def _search(self, arguments: dict[str, Any]) -> Search:
        try:
            return parse_search(arguments.get("query"), self._world.zone)
        except UnmodelledFilter as error:
            raise vendor_errors.not_modelled(str(error)) from None

    def _states(self, search: Search) -> Iterator[OrderState]:
        return self._world.states(search, lag=self._call.lag(), visible_since=self._call.visible_since())

    def _products(self, search: Search) -> Iterator[Document]:
        now = self._world.now
        for product in self._world.products():
            if product.updated_at(now) in search.updated_at and product.created_at in search.created_at:
                yield product_document(product, now)

    def _customers(self, search: Search) -> Iterator[Document]:
        for customer in self._world.customers(search.updated_at.start):
            if customer.updated_at in search.updated_at and customer.created_at in search.created_at:
                yield customer_document(customer)

    def _today(self) -> date:
        return datetime.fromtimestamp(self._world.now, timezone.utc).date()


class _Lazy(list[Any]):
    """Orders that become documents only when a page shows them."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return [order_document(state) for state in found] if isinstance(key, slice) else order_document(found)


def _sorted(documents: list[Document], arguments: dict[str, Any]) -> list[Document]:
    key = {"UPDATED_AT": "updatedAt", "CREATED_AT": "createdAt", "ID": "id"}.get(arguments.get("sortKey", "ID"))
    if key is None:
        raise vendor_errors.not_modelled(f"The sandbox doesn't model the sort key {arguments['sortKey']}.")
    documents.sort(key=lambda each: (each[key], each["id"]), reverse=bool(arguments.get("reverse")))
    return documents


def _refused(*errors: Document) -> Document:
    return {"bulkOperation": None, "userErrors": list(errors)}


def _in_progress(id_: str, code: str) -> str:
    if code == "LIMIT_REACHED":
        return "Bulk operations limit reached. Please try again later."
    return f"A bulk query operation for this app and shop is already in progress: {id_}."
