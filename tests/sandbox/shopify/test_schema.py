"""The trimmed schema has exactly what MDP requests."""

from __future__ import annotations

import pytest
from graphql import DocumentNode, GraphQLInterfaceType, GraphQLObjectType, print_ast, validate

from mdp_dagster.connectors.shopify import reports
from sandbox.shopify.admin_api import admin_schema
from sandbox.shopify.trim_schema import documents, reached_fields

DOCUMENTS = list(documents(vars(reports)))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: " ".join(print_ast(document).split())[:40])
def test_every_operation_of_mdp_is_valid(document: DocumentNode) -> None:
    assert validate(admin_schema(), document) == []


def test_no_field_is_there_that_mdp_does_not_request() -> None:
    schema = admin_schema()
    reached = reached_fields(schema, DOCUMENTS)
    for name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and not name.startswith("__"):
            assert set(kind.fields) <= reached[name], name
    assert len(DOCUMENTS) >= 10
