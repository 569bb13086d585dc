"""Writes documents as the lines of a bulk file: plain code, because an executor of GraphQL is too slow for that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

Document = dict[str, Any]
Line = dict[str, Any]


class Projection:
    """A selection of fields, ready to be applied to documents.

    A field that is a connection becomes lines of its own. The others stay in the document's line.
    """

    def __init__(self, schema: GraphQLSchema, selections: list[SelectionSetNode], fragments: Mapping[str, Any]) -> None:
        self._schema = schema
        self._selections = selections
        self._fragments = fragments
        self._by_type: dict[str, tuple[list[tuple[str, str, Projection | None]], list[tuple[str, Projection]]]] = {}

    def lines(self, document: Document, parent_id: str | None = None) -> Iterator[Line]:
        """Yields the line of a document, then those of its children."""
        fields, connections = self._fields(document["__typename"])
        line = _values(document, fields)
        if parent_id is not None:
            line["__parentId"] = parent_id
        yield line
        for name, children in connections:
            own_id = document["id"]
            for child in document[name]:
                yield from children.lines(child, own_id)

    def value(self, document: Document) -> Line:
        """Returns the selected fields of an object within a line."""
        return _values(document, self._fields(document.get("__typename", ""))[0])

    def _fields(self, typename: str) -> tuple[list[tuple[str, str, Projection | None]], list[tuple[str, Projection]]]:
        known = self._by_type.get(typename)
        if known is None:
            nodes: dict[str, list[FieldNode]] = {}
            for selection in self._selections:
                for node in self._selected(selection, typename):
                    nodes.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
            fields: list[tuple[str, str, Projection | None]] = []
            connections = []
            for key, same in nodes.items():
                inner = [node.selection_set for node in same if node.selection_set is not None]
                nested = connection_nodes(inner)
                if nested:
                    connections.append((same[0].name.value, Projection(self._schema, nested, self._fragments)))
                else:
                    below = Projection(self._schema, inner, self._fragments) if inner else None
                    fields.append((key, same[0].name.value, below))
            known = self._by_type[typename] = (fields, connections)
        return known

    def _selected(self, selection: SelectionSetNode, typename: str) -> Iterator[FieldNode]:
        for node in selection.selections:
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self._is(typename, node.type_condition.name.value):
                    yield from self._selected(node.selection_set, typename)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments[node.name.value]
                if self._is(typename, fragment.type_condition.name.value):
                    yield from self._selected(fragment.selection_set, typename)

    def _is(self, typename: str, condition: str) -> bool:
        if typename == condition or not typename:
            return True
        kind, own = self._schema.get_type(condition), self._schema.get_type(typename)
        return isinstance(kind, GraphQLInterfaceType) and kind in getattr(own, "interfaces", ())


def bulk_projection(schema: GraphQLSchema, document: DocumentNode) -> tuple[FieldNode, Projection]:
    """Returns the top field of a valid bulk query, and the projection of its nodes."""
    fragments = {part.name.value: part for part in document.definitions if isinstance(part, FragmentDefinitionNode)}
    operation = next(part for part in document.definitions if isinstance(part, OperationDefinitionNode))
    top = next(node for node in operation.selection_set.selections if isinstance(node, FieldNode))
    assert top.selection_set is not None
    return top, Projection(schema, connection_nodes([top.selection_set]), fragments)


def connection_nodes(selections: list[SelectionSetNode]) -> list[SelectionSetNode]:
    """Returns what is selected at ``edges { node { … } }``; nothing, if the field is not a connection."""
    found = []
    for selection in selections:
        for edges in selection.selections:
            if isinstance(edges, FieldNode) and edges.name.value == "edges" and edges.selection_set is not None:
                found += [
                    node.selection_set
                    for node in edges.selection_set.selections
                    if isinstance(node, FieldNode) and node.name.value == "node" and node.selection_set is not None
                ]
    return found


def _values(document: Document, fields: list[tuple[str, str, Projection | None]]) -> Line:
    line: Line = {}
    for key, name, below in fields:
        value = document.get(name)
        if below is None or value is None:
            line[key] = value
        elif isinstance(value, list):
            line[key] = [below.value(each) for each in value]
        else:
            line[key] = below.value(value)
    return line
