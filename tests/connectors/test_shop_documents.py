"""The rows of a shop, which the store's tables follow."""

from __future__ import annotations

import re

from mdp_dagster.connectors.shop_documents import COLUMNS

_PERSONAL = re.compile(r"first_name|last_name|customer_name|email|phone|street|address|zip|postcode|latitude|ip$")


def test_no_row_of_a_shop_has_a_personal_field() -> None:
    assert [f"{table}.{name}" for table, names in COLUMNS.items() for name in names if _PERSONAL.search(name)] == []


def test_each_row_begins_with_its_own_id_and_names_its_parent() -> None:
    ids = {table: names[0] for table, names in COLUMNS.items()}
    assert len(set(ids.values())) == len(ids)
    parents = {"order_items": "orders", "order_agreements": "orders", "order_sales": "order_agreements"}
    for child, parent in {**parents, "variants": "products"}.items():
        assert COLUMNS[child][1] == ids[parent]
