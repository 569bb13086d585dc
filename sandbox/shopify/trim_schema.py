r"""Trims Shopify's schema to the names that MDP's operations reach, and writes `admin.graphql`. Run by hand.

    npm pack @shopify/dev-mcp@1.16.0 && tar xzf shopify-dev-mcp-1.16.0.tgz
    python -m sandbox.shopify.trim_schema package/dist/data/admin_2026-10.json.gz \
        mdp_dagster/connectors/shopify/reports.py

The first file is the introspection of the Admin API that Shopify publishes under the ISC licence (`LICENSE.shopify`).
The second one is the module with the operations. A field that no operation requests is not in the result, so the
sandbox refuses it, as Shopify refuses a field that doesn't exist. Fields with personal data are refused in this way
too.
"""

from __future__ import annotations

import argparse
import gzip
import json
import runpy
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_client_schema,
    get_named_type,
    is_abstract_type,
    is_interface_type,
    parse,
    print_schema,
    visit,
)

PERSONAL = frozenset(
    (
        "address1", "address2", "clientIp", "company", "customAttributes", "defaultEmailAddress", "defaultPhoneNumber",
        "displayAddress", "displayName", "email", "firstName", "formatted", "formattedArea", "lastName", "latitude",
        "longitude", "note", "phone", "statusPageUrl", "zip",
    )
)  # fmt: skip
TARGET = Path(__file__).with_name("admin.graphql")
_KEPT_SCALARS = {"Boolean", "Float", "ID", "Int", "String"}
_PERSON_TYPES = ("Customer", "MailingAddress", "Order")


def main(argv: list[str] | None = None) -> int:
    """Writes the trimmed schema and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("introspection", type=Path)
    parser.add_argument("operations", type=Path)
    options = parser.parse_args(argv)
    with gzip.open(options.introspection) as file:
        introspection = json.load(file)["data"]
    text = trimmed(introspection, list(documents(runpy.run_path(str(options.operations)))))
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET}: {len(text.encode()):,} bytes, {text.count(chr(10)):,} lines")
    return 0


def documents(module: Mapping[str, Any]) -> Iterator[DocumentNode]:
    """Yields the GraphQL documents of a module: its public texts, the texts in its mappings, and the query for counts.

    A private text is a part of another one.
    """
    texts = [value for name, value in module.items() if isinstance(value, str) and not name.startswith("_")]
    texts += [text for value in module.values() if isinstance(value, dict) for text in value.values()
              if isinstance(text, str)]  # fmt: skip
    if "order_counts_query" in module:
        texts.append(module["order_counts_query"]({"number": "test:false"}))
    for text in texts:
        try:
            document = parse(text)
        except GraphQLError:
            continue
        yield document


def trimmed(introspection: dict[str, Any], operations: list[DocumentNode]) -> str:
    """Returns the part of a schema that the operations reach, as text without descriptions."""
    # Shopify's own deprecations break a rule, so the schema is taken as valid.
    schema = build_client_schema(introspection, assume_valid=True)  # type: ignore[arg-type]
    fields = reached_fields(schema, operations)
    kinds = {kind["name"]: kind for kind in introspection["__schema"]["types"]}
    kept: dict[str, dict[str, Any]] = {}
    waiting = list(fields)
    while waiting:
        name = waiting.pop()
        if name in kept or name.startswith("__"):
            continue
        kept[name] = _trimmed_type(kinds[name], fields.get(name, set()), set(fields))
        waiting += _referenced(kept[name])
    if personal := {(n, f["name"]) for n in _PERSON_TYPES for f in kept.get(n, {}).get("fields") or []
                    if f["name"] in PERSONAL}:  # fmt: skip
        raise SystemExit(f"the operations request personal data: {sorted(personal)}")
    content = {"queryType": {"name": "QueryRoot"}, "mutationType": {"name": "Mutation"}, "subscriptionType": None}
    types = [kept[name] for name in sorted(kept)] + [kinds[n] for n in sorted(_KEPT_SCALARS - set(kept)) if n in kinds]
    small = build_client_schema({"__schema": {**content, "directives": [], "types": types}}, assume_valid=True)  # type: ignore[typeddict-item, list-item]
    return print_schema(small) + "\n"


def reached_fields(schema: GraphQLSchema, operations: list[DocumentNode]) -> dict[str, set[str]]:
    """Returns the selected fields by type. A field of an interface is one of every type that implements it."""
    fields: dict[str, set[str]] = defaultdict(set)
    info = TypeInfo(schema)

    class Selected(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            parent = info.get_parent_type()
            if parent is None or node.name.value.startswith("__"):
                return
            fields[parent.name].add(node.name.value)
            named = get_named_type(info.get_type())
            if named is not None and is_abstract_type(named):
                for possible in schema.get_possible_types(named):  # type: ignore[arg-type]
                    fields[possible.name].update(())

    for document in operations:
        visit(document, TypeInfoVisitor(info, Selected()))
    for name in list(fields):
        kind = schema.type_map[name]
        if is_interface_type(kind):
            for possible in schema.get_possible_types(kind):  # type: ignore[arg-type]
                fields[possible.name] |= fields[name]
    return fields


def _trimmed_type(kind: dict[str, Any], names: set[str], reached: set[str]) -> dict[str, Any]:
    own = {**kind, "description": None, "specifiedByURL": None}
    if kind.get("fields"):
        own["fields"] = [_without_words(field) for field in kind["fields"] if field["name"] in names]
    if kind.get("interfaces"):
        own["interfaces"] = [one for one in kind["interfaces"] if one["name"] in reached]
    for part in ("enumValues", "inputFields"):
        if kind.get(part):
            own[part] = [_without_words(value) for value in kind[part]]
    return own


def _without_words(part: dict[str, Any]) -> dict[str, Any]:
    own = {**part, "description": None, "deprecationReason": None, "isDeprecated": False}
    if "args" in part:
        own["args"] = [_without_words(arg) for arg in part["args"]]
    return own


def _referenced(kind: dict[str, Any]) -> Iterator[str]:
    parts = [*(kind.get("fields") or []), *(kind.get("inputFields") or [])]
    for part in [*parts, *(arg for field in parts for arg in field.get("args", []))]:
        yield _name(part["type"])
    for other in [*(kind.get("possibleTypes") or []), *(kind.get("interfaces") or [])]:
        yield other["name"]


def _name(type_: dict[str, Any]) -> str:
    while type_.get("ofType"):
        type_ = type_["ofType"]
    return str(type_["name"])


if __name__ == "__main__":
    raise SystemExit(main())
