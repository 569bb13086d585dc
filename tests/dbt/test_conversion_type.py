"""The warning of an account without a conversion of the type that counts lists the types that do occur."""

from __future__ import annotations

import json
from decimal import Decimal

from .support import Dbt, Row, Warehouse, account, meta, node_results, went_wrong

CHECK = "conversion_type_occurs_stg_meta_ads__account_daily"
WINDOW = ("2026-01-20", "2026-01-29")


def extract(warehouse: Warehouse, account_id: str, days: range, spend: str = "7.50", **counts: int) -> None:
    actions = [{"action_type": name, "value": str(count)} for name, count in sorted(counts.items())]
    total = meta(None, spend=spend) | {"actions": json.dumps(actions) if actions else None, "action_values": None}
    for day in days:
        warehouse.extract(
            "meta_ads", "r", "2026-01-29 06:00:00", account_id, f"2026-01-{day:02}", [total], report="account_daily"
        )


def found(dbt: Dbt, warehouse: Warehouse, window: tuple[str, str] = WINDOW) -> list[Row]:
    """The rows of the check after a build over the window."""
    result = dbt.build(window)
    assert not went_wrong(result)
    [check] = [each for each in node_results(result) if each.node.name == CHECK]
    rows = warehouse.query(check.node.compiled_code)
    assert check.status == ("warn" if rows else "pass")
    return sorted(rows, key=lambda row: str(row["account_id"]))


def test_a_conversion_type_that_never_occurs_is_a_warning_with_the_types_that_do(
    dbt: Dbt, warehouse: Warehouse
) -> None:
    leads = account("meta_ads", "configured", "EUR", 1.0) | {"conversion_action_type": "complete_registration"}
    warehouse.insert("raw__accounts", [leads])
    three_days = range(21, 24)
    with warehouse.at_once():
        extract(warehouse, "leads", three_days, lead=4, link_click=50, omni_add_to_cart=4)
        extract(warehouse, "configured", three_days, lead=1, purchase=9)
        extract(warehouse, "sells", three_days, omni_purchase=1, lead=90)
        extract(warehouse, "two days only", range(21, 23), lead=4)
        extract(warehouse, "without spend", three_days, spend="0", lead=4)
        extract(warehouse, "without actions", three_days)
    assert found(dbt, warehouse) == [
        {
            "account_id": "configured",
            "days_with_spend": 3,
            "spend": Decimal("22.5"),
            "counted_type": "complete_registration",
            "types_that_occur": "purchase 27, lead 3",
            "setting": "conversion_action_type of the account in the clients file",
        },
        {
            "account_id": "leads",
            "days_with_spend": 3,
            "spend": Decimal("22.5"),
            "counted_type": "omni_purchase, purchase, offsite_conversion.fb_pixel_purchase",
            "types_that_occur": "link_click 150, lead 12, omni_add_to_cart 12",
            "setting": "conversion_action_type of the account in the clients file",
        },
    ]


def test_four_weeks_count_so_that_an_account_with_few_purchases_is_not_reported(dbt: Dbt, warehouse: Warehouse) -> None:
    with warehouse.at_once():
        extract(warehouse, "few purchases", range(5, 6), purchase=1)
        extract(warehouse, "few purchases", range(6, 29), link_click=9)
        extract(warehouse, "long ago", range(1, 2), spend="1", purchase=1)
    month = ("2026-01-01", "2026-01-29")
    assert found(dbt, warehouse, month) == []
    assert found(dbt, warehouse, ("2026-01-28", "2026-01-29")) == [], "the earlier days are in staging"
