"""The Admin GraphQL API of a shop: parses, validates, counts the cost, and answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    default_field_resolver,
    execute_sync,
    get_named_type,
    parse,
    validate,
)

from sandbox.faults import Fault
from sandbox.shopify import access, vendor_errors
from sandbox.shopify.connections import page
from sandbox.shopify.query_cost import LARGEST_QUERY_POINTS, Bucket, query_points
from sandbox.shopify.shop_world import ShopWorld

TakeFault = Callable[[str], Fault | None]


@lru_cache(maxsize=1)
def admin_schema() -> GraphQLSchema:
    """Returns Shopify's schema, trimmed to what MDP requests."""
    return build_schema(Path(__file__).with_name("admin.graphql").read_text(encoding="utf-8"), assume_valid=True)


@dataclass(slots=True)
class Call:
    """One request to a shop.

    Args:
        world: The shop.
        take: Returns the fault of a kind that hits this request.
        missing_scopes: The scopes that the app lacks.
        version: The version that answers.
    """

    world: ShopWorld
    take: TakeFault
    version: str
    missing_scopes: frozenset[str] = frozenset()
    denied: set[str] = field(default_factory=set)

    def lag(self) -> int:
        """By how many seconds the search index is behind."""
        fault = self.take("index_lag")
        return int(fault.number("seconds")) if fault else 0

    def visible_since(self) -> int | None:
        """The instant before which orders are hidden from the app."""
        if "read_all_orders" not in self.missing_scopes:
            return None
        return self.world.now - access.VISIBLE_DAYS * 86_400


Root = Callable[[Call], dict[str, Callable[..., Any]]]


class AdminApi:
    """Answers the queries of one shop.

    Args:
        root: Returns the functions of the root's fields for a call.
        bucket: The shop's points.
    """

    def __init__(self, root: Root, bucket: Bucket) -> None:
        self._root = root
        self.bucket = bucket

    def answer(self, call: Call, query: Any, variables: Any) -> dict[str, Any]:
        """Returns the body of the answer to a query."""
        if not isinstance(query, str):
            return {"errors": {"query": "Required parameter missing or invalid"}}
        document, errors = _valid_document(query)
        if document is None:
            return {"errors": errors}
        values = variables if isinstance(variables, dict) else {}
        points = self._points(document, values)
        if points > LARGEST_QUERY_POINTS:
            return {"errors": [vendor_errors.too_expensive(points, LARGEST_QUERY_POINTS)]}
        if throttled := call.take("throttled"):
            self.bucket.fill(throttled.number("available"))
        if throttled or not self.bucket.take(points):
            return {"errors": [vendor_errors.throttled()], "extensions": self._cost(points, None)}
        result = execute_sync(
            admin_schema(), document, root_value=self._root(call), context_value=call, variable_values=values,
            field_resolver=_resolve,
        )  # fmt: skip
        body: dict[str, Any] = {}
        if result.errors:
            body["errors"] = [_execution_error(error) for error in result.errors]
        if result.data is not None:
            body["data"] = result.data
        return {**body, "extensions": self._cost(points, points)}

    def _points(self, document: DocumentNode, variables: dict[str, Any]) -> int:
        operation = next(part for part in document.definitions if isinstance(part, OperationDefinitionNode))
        fragments = {part.name.value: part for part in document.definitions if isinstance(part, FragmentDefinitionNode)}
        return query_points(admin_schema(), operation, fragments, variables)

    def _cost(self, requested: int, actual: int | None) -> dict[str, Any]:
        cost = {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": self.bucket.status()}
        return {"cost": cost}


def _valid_document(query: str) -> tuple[DocumentNode | None, list[dict[str, Any]]]:
    try:
        document = parse(query)
    except GraphQLError as error:
        return None, [vendor_errors.syntax_or_validation_error(error)]
    errors = validate(admin_schema(), document)
    if errors:
        return None, [vendor_errors.syntax_or_validation_error(error) for error in errors]
    return document, []


def _resolve(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    call: Call = info.context
    if info.path.prev is None:
        scope = access.required_scope(info.field_name)
        if scope is not None and scope in call.missing_scopes:
            raise vendor_errors.access_denied(info.field_name, (scope,))
    value = default_field_resolver(source, info, **arguments)
    if isinstance(value, list) and get_named_type(info.return_type).name.endswith("Connection"):
        return page(value, arguments)
    return value


def _execution_error(error: GraphQLError) -> dict[str, Any]:
    shown: dict[str, Any] = {"message": error.message}
    if error.locations:
        shown["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        shown["path"] = error.path
    return shown | ({"extensions": error.extensions} if error.extensions else {})
