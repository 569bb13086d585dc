"""Parts of the bench at a small size: the limits that must hold at any size."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from bench import agency, shop_store
from bench.shop_history import ShopHistory

pytestmark = pytest.mark.slow


def test_six_accounts_over_six_hours_keep_the_limits(tmp_path: Path) -> None:
    """The operations of a day can't be judged by six hours: they are judged in `make bench`."""
    operations, ledger_rows, files, differing_rows = agency.rows(tmp_path, accounts=6, hours=6)
    assert "operations per account and day" in operations.name and operations.ours[0] > 0
    assert ledger_rows.is_met, ledger_rows.row()
    assert files.is_met, files.row()
    assert differing_rows.is_met, differing_rows.row()


def test_a_night_of_200_orders_is_measured(tmp_path: Path) -> None:
    """The ratios can't be judged by 200 orders: they are judged in `make bench`."""
    load, memory, again, extract = shop_store.rows(tmp_path / "shop", orders=200)
    assert "200 orders" in load.name
    assert all(row.ours[0] > 0 for row in (load, memory, extract))
    assert again.is_met, again.row()


def test_a_shops_history_has_the_changed_orders_of_each_night(tmp_path: Path) -> None:
    """The ledger has an extract for each night, and the last ones have as many orders as they are given."""
    history = ShopHistory(tmp_path / "warehouse.duckdb", nights=40, orders_a_day=50)
    history.add_night(20)
    history.add_night(20)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
        nights = connection.execute(
            "select cursor_from, cursor_to, row_count from mdp_raw.raw__feeds where report = 'orders' order by 2"
        ).fetchall()
        [(orders,)] = connection.execute("select count(*) from mdp_raw.raw_shop__orders").fetchall()
    assert len(nights) == 42
    assert all(start + count == end for start, end, count in nights)
    assert orders == nights[-1][1] > 40 * 50
    assert 12 <= nights[-1][2] <= 20
