"""The shop's tables: a run writes what changed, and the result is that of a full build, row for row."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .shop_history import SHOPS, ShopHistory
from .support import SHOP_TABLES, WAREHOUSE_FILE, Dbt, Row, Warehouse, node_results, point_dbt_at, table, went_wrong

NOT_COMPARED = {"int_shop__touched_dates"}
UPSTREAM = ["+int_shop__sales", "+int_shop__customers", "+int_shop__touched_dates", "+mart_shop__daily"]
VARIABLES = {"now": "2026-05-20 12:00:00", "premium_min_units": "3"}


@pytest.fixture
def shop_warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A warehouse with the shop's raw tables only, and dbt pointed at it."""
    point_dbt_at(tmp_path / WAREHOUSE_FILE, monkeypatch)
    return Warehouse(tmp_path / WAREHOUSE_FILE, SHOP_TABLES)


def contents(dbt: Dbt, warehouse: Warehouse) -> dict[str, list[Row]]:
    """All tables except int_shop__touched_dates: it shows what was touched, so a full build has more."""
    models = [(name, node["schema"]) for name, node in dbt.nodes("model", "shop").items() if name not in NOT_COMPARED]
    return {name: table(warehouse, f"{schema}.{name}") for name, schema in sorted(models)}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_incremental_builds_end_with_the_tables_of_a_full_build(
    seed: int, dbt: Dbt, shop_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = ShopHistory(seed, shop_warehouse)
    for shop in SHOPS:
        history.extract(shop, 40)
    first = dbt("build", "--select", "tag:shop", **VARIABLES)  # with the unit tests of the definitions
    assert not went_wrong(first)
    unit_tests = [each for each in node_results(first) if each.node.resource_type == "unit_test"]
    assert len(unit_tests) == len(dbt.nodes("unit_test", "shop")) > 5
    for night in range(4):
        for shop in SHOPS:
            if history.random.random() < 0.7:
                history.extract(shop, history.random.randint(0, 6), facts=night == 3 and shop == 1)
        # some runs are killed on their way
        built = ["tag:shop"] if night in (0, 3) else history.random.sample(UPSTREAM, 2)
        assert not went_wrong(dbt("run", "--select", *built, **VARIABLES))
    incremental = contents(dbt, shop_warehouse)
    assert all(incremental[name] for name in incremental if name not in ("stg_shop__variants", "stg_shop__customers"))

    (tmp_path / "full").mkdir()
    shop_warehouse.query("checkpoint")
    shutil.copyfile(shop_warehouse.path, tmp_path / "full" / WAREHOUSE_FILE)
    point_dbt_at(tmp_path / "full" / WAREHOUSE_FILE, monkeypatch)
    full = Warehouse(tmp_path / "full" / WAREHOUSE_FILE, SHOP_TABLES)
    for schema in ("mdp_staging", "mdp_marts"):
        full.query(f"drop schema {schema} cascade")
    assert not went_wrong(dbt.build_shop(**VARIABLES))
    assert contents(dbt, full) == incremental
