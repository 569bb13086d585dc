"""The choice of one action type per row, in SQL, against the rule written a second time in Python."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .support import Dbt, Row, Warehouse, node_results

WINDOW = ("2026-01-01", "2026-01-02")
MODEL = "stg_meta_ads__campaign_daily"
PREFERRED = ["omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase"]

action_types = st.sampled_from([*PREFERRED, "lead", "link_click", "Purchase", "it's"])
amounts = st.one_of(
    st.decimals(min_value=-1000, max_value=10**9, places=2).map(str),
    st.integers(min_value=0, max_value=100),
    st.sampled_from(["?", "", None]),
)
entries = st.fixed_dictionaries({"action_type": action_types}, optional={"value": amounts, "7d_click": st.just("1")})
texts = st.one_of(
    st.none(),
    st.lists(entries, max_size=6).map(json.dumps),
    st.sampled_from(["", "[", "{}", "null", '"purchase"', "[1, null]", '[{"value": "1"}]']),
)
configured_types = st.sampled_from([None, "", "lead", "it's", "purchase"])
Case = tuple[str | None, str | None, str | None]


def parsed(text: str | None) -> list[Row] | None:
    """The entries of a list, or None for any other value."""
    if text is None:
        return []
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else None


def number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value))
    except ArithmeticError:
        return None


def total(entries: list[Row] | None, action_type: str | None) -> Decimal | None:
    if entries is None:
        return None
    values = [number(e.get("value")) for e in entries if e.get("action_type") == action_type and action_type]
    return None if None in values else sum(filter(None, values), Decimal(0))


def expected(configured: str | None, actions: str | None, values: str | None) -> Row:
    lists = [parsed(actions), parsed(values)]
    present = [{e.get("action_type") for e in entries or []} for entries in lists]
    chosen = configured or next((t for types in present for t in PREFERRED if t in types), None)
    count, worth = (total(entries, chosen) for entries in lists)
    return {
        "conversion_action_type": chosen,
        "conversions": count or Decimal(0),
        "conversion_value": worth or Decimal(0),
        "is_invalid_conversions": count is None or count < 0,
        "is_invalid_conversion_value": worth is None or worth < 0,
    }


def store(connection: duckdb.DuckDBPyConnection, cases: list[Case]) -> None:
    """Each case is a row of a separate account."""
    accounts = [str(number) for number in range(len(cases))]
    connection.executemany(
        "insert into mdp_raw.raw__accounts (source, account_id, conversion_action_type) values ('meta_ads', ?, ?)",
        [(account, configured) for account, (configured, _, _) in zip(accounts, cases, strict=True)],
    )
    connection.executemany(
        "insert into mdp_raw.raw__extracts (source, report, account_id, date, effective_run_id) "
        f"values ('meta_ads', 'campaign_daily', ?, '{WINDOW[0]}', 'r')",
        [(account,) for account in accounts],
    )
    connection.executemany(
        "insert into mdp_raw.raw_meta_ads__campaign_daily "
        f"(date, extract_run_id, account_id, actions, action_values) values ('{WINDOW[0]}', 'r', ?, ?, ?)",
        [(account, actions, values) for account, (_, actions, values) in zip(accounts, cases, strict=True)],
    )


def test_one_action_type_is_chosen_per_row(dbt: Dbt, warehouse: Warehouse) -> None:
    """The compiled query of the staging model runs on many lists at once."""
    results = node_results(dbt("compile", "--select", MODEL, window=WINDOW))
    compiled = next(r for r in results if r.node.name == MODEL)
    columns = list(expected(None, None, None))
    query = f"select {', '.join(columns)} from ({compiled.node.compiled_code}) order by account_id::int"

    with duckdb.connect(str(warehouse.path)) as connection:

        @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(st.lists(st.tuples(configured_types, texts, texts), min_size=1, max_size=25))
        def check(cases: list[Case]) -> None:
            connection.execute("begin")
            try:
                store(connection, cases)
                found = connection.execute(query).fetchall()
            finally:
                connection.execute("rollback")
            assert [dict(zip(columns, row, strict=True)) for row in found] == [expected(*case) for case in cases]

        check()
