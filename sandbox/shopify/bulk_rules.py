"""The restrictions on a bulk query, with Shopify's messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    GraphQLType,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    get_named_type,
    get_nullable_type,
    is_list_type,
    parse,
    validate,
)

from sandbox.shopify.vendor_errors import translated

LONGEST_QUERY_BYTES = 65_535
_CONNECTIONS, _DEPTH = 5, 2


@dataclass(slots=True)
class _Found:
    """The parts of a bulk query that the restrictions concern."""

    connections: int = 0
    depth: int = 0
    by_nodes: list[str] = field(default_factory=list)
    without_id: list[str] = field(default_factory=list)
    within_list: bool = False


def bulk_document(schema: GraphQLSchema, query: str) -> tuple[DocumentNode | None, list[str]]:
    """Returns a bulk query's document, or None and the messages of what it breaks."""
    try:
        document = parse(query)
    except GraphQLError as error:
        words = "syntax error, unexpected end of file" if "<EOF>" in error.message else error.message
        return None, [f"Invalid bulk query: {words}"]
    operations = [part for part in document.definitions if isinstance(part, OperationDefinitionNode)]
    if not operations or operations[0].operation != OperationType.QUERY:
        return None, ["Invalid operation type. Only `query` operations are supported."]
    if schema.query_type is None:
        raise RuntimeError("the schema has no queries")
    top = [node for node in operations[0].selection_set.selections if isinstance(node, FieldNode)]
    messages = []
    if any(node.name.value in ("node", "nodes") for node in top):
        messages = ["Bulk queries cannot contain a top level `node` field."]
    elif errors := validate(schema, document):
        return None, [f"Invalid bulk query: {translated(errors[0].message)[0]}"]
    found = _Found()
    _walk(schema, document, operations[0], schema.query_type, found)
    messages += _broken(found)
    if len(top) > 1 and not messages:
        messages = ["Bulk queries cannot contain more than one top level field."]
    if not messages and len(query.encode()) > LONGEST_QUERY_BYTES:
        size = len(query.encode())
        messages = [f"Query is too large ({size} bytes; maximum is {LONGEST_QUERY_BYTES} bytes)"]
    return (None, messages) if messages else (document, [])


def _broken(found: _Found) -> list[str]:
    messages = []
    if found.by_nodes:
        names = "', '".join(found.by_nodes)
        messages.append(
            "All connection fields in a bulk query must select their contents using 'edges' > 'node', e.g: "
            f"'{found.by_nodes[0]} {{ edges {{ node {{'. Selecting via 'nodes' is not supported. Invalid connection "
            f"fields: '{names}'."
        )
    if found.depth > _DEPTH:
        messages.append(f"Bulk queries cannot contain connections with a nesting depth greater than {_DEPTH}.")
    if found.connections > _CONNECTIONS:
        messages.append(f"Bulk queries cannot contain more than {_CONNECTIONS} connections.")
    if found.without_id:
        messages.append(
            "The parent 'node' field for a nested connection must select the 'id' field without an alias and must be "
            f"of 'ID' return type. Connection fields without 'id': {', '.join(found.without_id)}."
        )
    if found.within_list:
        messages.append("Queries that contain a connection field within a list field are not currently supported.")
    if not found.connections:
        messages.append("Bulk queries must contain at least one connection.")
    return messages


def _walk(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    root: GraphQLNamedType,
    found: _Found,
) -> None:
    fragments = {part.name.value: part for part in document.definitions if isinstance(part, FragmentDefinitionNode)}

    def fields(node: Any, parent: GraphQLNamedType | None) -> list[tuple[FieldNode, GraphQLNamedType | None]]:
        result: list[tuple[FieldNode, GraphQLNamedType | None]] = []
        for part in node.selection_set.selections if node.selection_set else ():
            if isinstance(part, FieldNode):
                result.append((part, parent))
            elif isinstance(part, InlineFragmentNode):
                condition = part.type_condition
                result += fields(part, schema.get_type(condition.name.value) if condition else parent)
            elif isinstance(part, FragmentSpreadNode):
                fragment = fragments[part.name.value]
                result += fields(fragment, schema.get_type(fragment.type_condition.name.value))
        return result

    def visit(node: Any, parent: GraphQLNamedType | None, depth: int, outer: str | None, in_list: bool) -> None:
        for part, owner in fields(node, parent):
            declared = _fields(owner).get(part.name.value)
            if declared is None or part.selection_set is None:
                continue
            kind = get_named_type(declared.type)
            if not kind.name.endswith("Connection"):
                visit(part, kind, depth, outer, in_list or _is_list(declared.type))
                continue
            found.connections += 1
            found.depth = max(found.depth, depth)
            found.within_list |= in_list
            if outer is not None and outer not in found.without_id:
                found.without_id.append(outer)
            visit_nodes(part, kind, depth)

    def visit_nodes(connection: FieldNode, kind: GraphQLNamedType, depth: int) -> None:
        """``outer`` is the name of the connection around, if its node doesn't select the id."""
        name, nodes = connection.name.value, []
        for inner, owner in fields(connection, kind):
            inner_kind = get_named_type(_fields(owner)[inner.name.value].type)
            if inner.name.value == "nodes":
                found.by_nodes.append(name)
                nodes.append((inner, inner_kind))
            for node, edge in fields(inner, inner_kind) if inner.name.value == "edges" else ():
                if node.name.value == "node":
                    nodes.append((node, get_named_type(_fields(edge)["node"].type)))
        for node, node_kind in nodes:
            has_id = any(field.name.value == "id" and field.alias is None for field, _ in fields(node, node_kind))
            visit(node, node_kind, depth + 1, None if has_id else name, False)

    visit(operation, root, 0, None, False)


def _fields(kind: GraphQLNamedType | None) -> Mapping[str, GraphQLField]:
    return getattr(kind, "fields", {})


def _is_list(type_: GraphQLType) -> bool:
    return is_list_type(get_nullable_type(type_))  # type: ignore[call-overload]
