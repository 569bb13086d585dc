"""Fills raw's tables with years of a shop's orders, without MDP's ingest: an extract for each night."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb

from mdp_dagster.ingest.feed_tables import feed_tables
from mdp_dagster.operational.shop_reports import FEEDS
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse

ORDERS_A_DAY = 5_000
_MACROS = """
create temp macro drawn_number(n, salt, below) as (hash(n, salt) % below)::bigint;
create temp macro customer(n) as case
    when drawn_number(n, 'buyer', 100) < 6 then null
    when drawn_number(n, 'buyer', 100) < 51 then 7000000000 + n
    else 7000000000 + greatest(n - 1 - drawn_number(n, 'known', 600000), 0)
end;
create temp macro units(n, item) as 1 + drawn_number(n, -item - 1, 2);
create temp macro cents(n, item) as 500 + drawn_number(n, 100 + item, 20000);
create temp macro placed_at(n) as getvariable('start') + to_seconds(n * 86400 // getvariable('per_day'));
create temp macro decimal_text(cents) as (cents / 100)::decimal(18, 2)::text;
"""
# Version 1 of each order, and version 2 of 8 % of them: an item is returned 2 to 30 days later.
_DRAWN = """
select 1 as version, n // {per_day} as night, n from range({first}, {last}) as numbers(n)
union all
select 2, n // {per_day} + 2 + drawn_number(n, 'late', 29), n from range({first}, {last}) as numbers(n)
where drawn_number(n, 'changed', 100) < 8
"""
_KEYS = """
    'shop' as source, 'bench.example.com' as account_id, 'night-' || lpad(night::text, 5, '0') as extract_run_id,
    getvariable('start') + to_days(night::int + 1) as ingested_at, 64000000000 as shop_id, change_seq,
"""
_ITEMS = "(select *, unnest(range({first}, 2 + drawn_number(n, 'items', 4) + {more})) as item from versions)"
_TABLES = {
    "orders": f"""
        select {_KEYS} 9000000000 + n as order_id, '#' || n as name, customer(n) as customer_id,
            placed_at(n) as processed_at, processed_at as created_at,
            false as test, 'web' as source_name, true as taxes_included, 'EUR' as currency, 'paid' as financial_status,
            'EUR' as presentment_currency, ['DE', 'FR', 'AT', 'CH'][1 + drawn_number(n, 'place', 4)] as ship_country,
            'Hamburg' as ship_city, ship_country as bill_country, decimal_text(cents(n, 0)) as total_price,
            total_price as current_total_price, total_price as original_total_price, '[]' as discount_codes
        from versions
    """,
    "order_items": f"""
        select {_KEYS} 9000000000 + n as order_id, 10 * n + item as line_item_id,
            1 + drawn_number(n, item, 500) as product_id, product_id * 10 as variant_id,
            'Product ' || product_id as title, 'SKU-' || product_id as sku, 'Vendor ' || product_id % 20 as vendor,
            units(n, item) as quantity, quantity as current_quantity, false as gift_card,
            decimal_text(cents(n, item)) as unit_price, '0.00' as discount
        from {_ITEMS.format(first=1, more=0)}
    """,
    # Item 0 is the shipping. The last one of a second version is the return of item 1.
    "order_sales": f"""
        select {_KEYS} 9000000000 + n as order_id, 10 * n + item as sale_id,
            if(returned, 2000000000 + n, n) as agreement_id, if(returned, 'REFUND', 'ORDER') as reason,
            if(returned, getvariable('start') + to_hours(24 * night + 12), placed_at(n)) as happened_at,
            if(returned, 'RETURN', 'ORDER') as action_type, if(item = 0, 'SHIPPING', 'PRODUCT') as line_type,
            if(item = 0, null, 10 * n + of_item) as line_item_id,
            if(item = 0, null, sign * units(n, of_item)) as quantity,
            decimal_text(if(item = 0, 490, quantity * cents(n, of_item))) as amount,
            decimal_text(sign * 78) as tax, '0.00' as discount_before_tax
        from (
            select *, version = 2 and item = 2 + drawn_number(n, 'items', 4) as returned,
                if(returned, 1, item) as of_item, if(returned, -1, 1) as sign
            from {_ITEMS.format(first=0, more="(version = 2)::int")}
        )
    """,
}
_FACTS = {
    "raw_shop__shops": f"""
        select {_KEYS} 'bench.example.com' as domain, 'Bench' as name, 'Europe/Berlin' as time_zone, 'EUR' as currency
        from versions
    """,
    "raw_shop__products": f"""
        select {_KEYS} product_id, 'Product ' || product_id as title, 'Vendor ' || product_id % 20 as vendor
        from versions, range(1, 501) as products(product_id)
    """,
    "raw__feeds": f"""
        select * exclude (night, shop_id, change_seq)
        from (
            select {_KEYS} night, unnest(['shops', 'products']) as report, 0 as cursor_from, 1 as cursor_to,
                ingested_at as extracted_at, 1 as row_count, 1 as contract_version
            from versions
        )
    """,
}
_LEDGER = f"""
    select * exclude (night, change_seq, shop_id), change_seq as cursor_to, ingested_at as extracted_at,
        1 as contract_version
    from (
        select {_KEYS} night, 'orders' as report, cursor_from, row_count from (
            select night, min(change_seq) - 1 as cursor_from, max(change_seq) as change_seq, count(*) as row_count
            from versions group by night
        )
    )
"""


class ShopHistory:
    """A shop in a new warehouse, with orders on each night up to yesterday's.

    Args:
        database: The warehouse.
        nights: The length of the history.
        orders_a_day: The orders of each day.
    """

    def __init__(self, database: Path, nights: int, orders_a_day: int = ORDERS_A_DAY) -> None:
        self._database, self._nights, self._per_day = database, nights, orders_a_day
        self._start = date.today() - timedelta(days=nights)
        DuckDBWarehouse(database).prepare(feed_tables(FEEDS))
        drawn = _DRAWN.format(per_day=orders_a_day, first=0, last=nights * orders_a_day)
        with self._connection() as connection:
            self._add_facts(connection)
            self._add(connection, f"select * from ({drawn}) where night < {nights}")

    def add_night(self, orders: int) -> None:
        """Adds the next night, with this many changed orders: new ones, and those of the last month with a return."""
        first, new = self._nights * self._per_day, orders * 3 // 5
        drawn = _DRAWN.format(per_day=self._per_day, first=max(first - 31 * self._per_day, 0), last=first + new)
        of_night = f"select * from ({drawn}) where night = {self._nights} order by version, hash(n) limit {orders}"
        with self._connection() as connection:
            self._add(connection, of_night)
        self._nights += 1

    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(str(self._database), config={"threads": 2})
        connection.execute(_MACROS)
        connection.execute(f"set variable start = timestamp '{self._start}'; set variable per_day = {self._per_day}")
        return connection

    def _add(self, connection: duckdb.DuckDBPyConnection, drawn: str) -> None:
        connection.execute(
            "create or replace temp table versions as select *, row_number() over (order by night, n) "
            f"+ (select coalesce(max(change_seq), 0) from mdp_raw.raw_shop__orders) as change_seq from ({drawn}) "
            "order by change_seq"
        )
        for table, sql in _TABLES.items():
            connection.execute(f"insert into mdp_raw.raw_shop__{table} by name {sql}")
        connection.execute(f"insert into mdp_raw.raw__feeds by name {_LEDGER}")

    def _add_facts(self, connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("create temp table versions as select 0 as night, 1 as change_seq")
        for table, sql in _FACTS.items():
            connection.execute(f"insert into mdp_raw.{table} by name {sql}")
