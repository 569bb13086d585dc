"""The cost of a query in points, and the bucket of points of each shop, as Shopify's rate limits describe them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_composite_type,
)

MUTATION_POINTS = 10
LARGEST_QUERY_POINTS = 1000


def query_points(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> int:
    """Returns the points of an operation before it runs.

    An object costs 1, a connection 2 and its nodes as often as the page is long, a mutation 10, anything else nothing.
    """
    if operation.operation == OperationType.MUTATION:
        return MUTATION_POINTS * len(operation.selection_set.selections)

    def of_selection(selection: SelectionSetNode | None, parent: GraphQLNamedType | None) -> int:
        return sum(of_node(node, parent) for node in (selection.selections if selection else ()))

    def of_node(node: Any, parent: GraphQLNamedType | None) -> int:
        if isinstance(node, InlineFragmentNode):
            name = node.type_condition.name.value if node.type_condition else None
            return of_selection(node.selection_set, schema.get_type(name) if name else parent)
        if isinstance(node, FragmentSpreadNode):
            fragment = fragments[node.name.value]
            return of_selection(fragment.selection_set, schema.get_type(fragment.type_condition.name.value))
        fields = getattr(parent, "fields", {})
        if node.name.value not in fields:
            return 0
        kind = get_named_type(fields[node.name.value].type)
        if not is_composite_type(kind):
            return 0
        inside = of_selection(node.selection_set, kind)
        if kind.name.endswith("Connection"):
            return 2 + _page_size(node, variables) * inside
        return inside if kind.name.endswith("Edge") or kind.name == "PageInfo" else 1 + inside

    return max(1, of_selection(operation.selection_set, schema.query_type))


def _page_size(node: FieldNode, variables: Mapping[str, Any]) -> int:
    for argument in node.arguments:
        if argument.name.value in ("first", "last"):
            value: Any = argument.value
            if isinstance(value, IntValueNode):
                return int(value.value)
            if isinstance(value, VariableNode):
                given = variables.get(value.name.value)
                return given if isinstance(given, int) else 1
    return 1


class Bucket:
    """The points of one shop: a bucket that refills at a steady rate. Safe to use from several threads."""

    def __init__(self, maximum: float, restore_rate: float) -> None:
        self.maximum = maximum
        self.restore_rate = restore_rate
        self._lock = threading.Lock()
        self._level = maximum
        self._at = time.monotonic()

    def take(self, points: float) -> bool:
        """Takes points. Returns False, and takes nothing, if there are too few."""
        with self._lock:
            self._refill()
            if points > self._level:
                return False
            self._level -= points
            return True

    def give_back(self, points: float) -> None:
        """Puts points back that a query didn't need."""
        with self._lock:
            self._refill()
            self._level = min(self.maximum, self._level + points)

    def fill(self, level: float | None = None) -> None:
        """Sets the level; without one, fills the bucket."""
        with self._lock:
            self._level, self._at = self.maximum if level is None else level, time.monotonic()

    def status(self) -> dict[str, float]:
        """Returns the state as the API shows it."""
        with self._lock:
            self._refill()
            return {
                "maximumAvailable": float(self.maximum),
                "currentlyAvailable": int(self._level),
                "restoreRate": float(self.restore_rate),
            }

    def _refill(self) -> None:
        now = time.monotonic()
        self._level = min(self.maximum, self._level + (now - self._at) * self.restore_rate)
        self._at = now
