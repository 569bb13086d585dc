"""The SQL that dbt compiles for BigQuery is valid in its dialect, and reads the days of the window only.

No statement is sent here: see test_dbt_bigquery.py for the execution.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from mdp_dagster.number_text import DECIMAL_NUMBER, WHOLE_NUMBER
from tests.support.built_once import built_once

from .support import MACRO_FILES, MODEL_FILES, TEST_FILES, Dbt, code, compiled, node_results, parse_project

SHARED_FUNCTIONS = {
    "abs",
    "cast",
    "coalesce",
    "count",
    "lag",
    "lead",
    "max",
    "min",
    "nullif",
    "row_number",
    "string_agg",
    "sum",
}
KEYWORDS = {"as", "in", "and", "or", "with", "from", "join", "then", "else", "when", "where", "on", "over"}
DBTS_OWN = {"create_schema"}
"""dbt's own macro that the project replaces."""

WINDOW = ("2026-01-01", "2026-01-08")
MORNING = ("2026-03-01", "2026-03-09")
FOUR_WEEKS = ("2026-02-09", "2026-03-09")
AS_OF = {"instant": "2026-01-06 06:00:00", "schema": "then"}
INSTANT = "CAST('2026-01-06 06:00:00' AS TIMESTAMP)"


@pytest.mark.parametrize("path", [*MODEL_FILES, *TEST_FILES], ids=lambda path: path.stem)
def test_models_call_functions_that_both_engines_have(path: Path) -> None:
    """Any other function is called through a macro with a version for each engine."""
    sql = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " jinja ", code(path), flags=re.DOTALL)
    assert set(re.findall(r"(\w+)\s*\(", sql)) - SHARED_FUNCTIONS - KEYWORDS == set()


def test_every_dispatched_macro_has_both_versions() -> None:
    text = "".join(map(code, MACRO_FILES))
    dispatched = set(re.findall(r"adapter\.dispatch\('(\w+)'", text))
    assert dispatched
    for engine in ("duckdb", "bigquery"):
        assert set(re.findall(rf"macro {engine}__(\w+)\(", text)) - DBTS_OWN == dispatched


@pytest.fixture(scope="module")
def bigquery(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """Runs dbt with BigQuery's adapter, without a server."""
    environment = {
        "MDP_TARGET": "bigquery",
        "GOOGLE_CLOUD_PROJECT": "some-project",
        "BIGQUERY_LOCATION": "europe-west3",
        "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:9",
        "MDP_DBT_LABELS": '{"team": "marketing"}',
        "MDP_DBT_AS_OF_EXPIRATION_DAYS": "7",
    }
    parsed = built_once(tmp_path_factory, "parsed-bigquery", lambda folder: parse_project(folder, environment))
    return Dbt(tmp_path_factory.mktemp("dbt-bigquery"), environment, parsed)


@pytest.fixture(scope="module")
def statements(bigquery: Dbt) -> dict[str, str]:
    return compiled(
        bigquery("compile", "--no-populate-cache", window=WINDOW, recent_start=MORNING[0], recent_end=MORNING[1])
    )


def test_bigquery_can_parse_the_models_of_the_shop(bigquery: Dbt, statements: dict[str, str]) -> None:
    for name in {*bigquery.nodes("model", "shop"), *bigquery.nodes("test", "shop")}:
        query = sqlglot.parse_one(statements[name], read="bigquery")
        assert {call.name for call in query.find_all(exp.Anonymous)} == set(), name


def tables_and_filters(query: exp.Expr) -> Iterator[tuple[str, exp.Expr | None]]:
    """Each table that is read, with the condition of the select that reads it."""
    ctes = {cte.alias for cte in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        select = table.find_ancestor(exp.Select)
        if table.name and table.name not in ctes and select:
            where = select.args.get("where")
            yield table.name, where.this if where else None


def days_read(condition: exp.Expr | None) -> list[tuple[str, str]]:
    """The ranges of days, as literals, outside of which the condition is always false.

    Empty if the condition can be true on any day.
    """
    condition = condition.unnest() if condition else exp.true()
    if isinstance(condition, exp.Or):
        left, right = days_read(condition.left), days_read(condition.right)
        return [*left, *right] if left and right else []
    parts = list(condition.flatten()) if isinstance(condition, exp.And) else [condition]
    bounds = {
        type(part): part.right.this.name
        for part in parts
        if isinstance(part, (exp.GTE, exp.LT)) and part.left.name == "date" and isinstance(part.right, exp.Cast)
    }
    if len(bounds) == 2:
        return [(bounds[exp.GTE], bounds[exp.LT])]
    return next(filter(None, map(days_read, (p for p in parts if isinstance(p, (exp.And, exp.Or))))), [])


SMALL_TABLES = ("raw__accounts", "raw__accepted_differences")
"""Tables that are read as a whole."""


def test_bigquery_can_parse_and_prune(bigquery: Dbt, statements: dict[str, str]) -> None:
    """BigQuery can parse all models and tests. From daily tables they read the days of the window only.

    Tests of the current state also read the days of the morning's run.
    """
    models_and_tests = {*bigquery.nodes("model", "ads"), *bigquery.nodes("test", "ads")}
    assert {*bigquery.nodes("model"), *bigquery.nodes("test")} == set(statements) - set(bigquery.nodes("unit_test"))
    days: dict[str, set[tuple[str, str]]] = {}
    for name in models_and_tests:
        query = sqlglot.parse_one(statements[name], read="bigquery")
        assert {call.name for call in query.find_all(exp.Anonymous)} == set(), name
        read = [(table, days_read(where)) for table, where in tables_and_filters(query) if table not in SMALL_TABLES]
        assert read and all(ranges for _, ranges in read), (name, read)
        days[name] = {one for _, ranges in read for one in ranges}
    and_the_mornings = {name for name, read in days.items() if read == {WINDOW, MORNING}}
    and_what_was_before = {name for name, read in days.items() if read == {WINDOW, ("2025-07-05", WINDOW[1])}}
    assert and_what_was_before == {"mart_account__maturity", "mart_platform__maturity"}
    assert {name.partition("_stg_")[0] for name in and_the_mornings} == {
        "exchange_rate_known_mart_campaign__daily",
        "no_invalid_values",
        "campaigns_add_up_int_account__reconciliation",
    }
    and_four_weeks = {name for name, read in days.items() if read == {FOUR_WEEKS}}
    assert and_four_weeks == {"conversion_type_occurs_stg_meta_ads__account_daily"}
    others = models_and_tests - and_the_mornings - and_what_was_before - and_four_weeks
    assert {name: days[name] for name in others if days[name] != {WINDOW}} == {}


def test_bigquery_reads_numbers_in_text_by_the_patterns_of_ingest(statements: dict[str, str]) -> None:
    """Arrow, DuckDB and BigQuery all read patterns with RE2, so the same pattern accepts the same texts."""
    sql = statements["stg_meta_ads__campaign_daily"]
    assert f"regexp_contains(spend, r'{DECIMAL_NUMBER}')" in sql
    assert f"regexp_contains(impressions, r'{WHOLE_NUMBER}')" in sql


@pytest.mark.parametrize(
    ("condition", "ranges"),
    [
        ("clicks > 1", []),
        ("date >= date '2026-01-01' or clicks > 1", []),
        ("(date >= date '2026-01-01' and date < date '2026-01-02') or clicks > 1", []),
        ("clicks > 1 and (date >= date '2026-01-01' and date < date '2026-01-02')", [("2026-01-01", "2026-01-02")]),
    ],
)
def test_the_helper_finds_conditions_that_do_not_limit_the_days(condition: str, ranges: list[tuple[str, str]]) -> None:
    """Tests `days_read`."""
    assert days_read(sqlglot.parse_one(condition, read="bigquery")) == ranges


@pytest.fixture(scope="module")
def past(bigquery: Dbt) -> list[Any]:
    """Every node, compiled as of an instant."""
    return node_results(bigquery.as_of("compile", "--no-populate-cache", window=WINDOW, **AS_OF))


def test_a_build_as_of_an_instant_does_not_read_later_rows(past: list[Any]) -> None:
    """Applies to the tables with a time in each row: the ledger and the registry."""
    ledgers = dict.fromkeys(("raw__extracts", "raw__feeds"), "extracted_at")
    moments = {**ledgers, **dict.fromkeys(SMALL_TABLES, "ingested_at")}
    read = [
        (each.node.name, table, where and f"{moments[table]} <= {INSTANT}" in where.sql("bigquery"))
        for each in past
        for table, where in tables_and_filters(sqlglot.parse_one(each.node.compiled_code, read="bigquery"))
        if table in moments
    ]
    assert len(read) > 20
    assert [(name, table) for name, table, is_filtered in read if not is_filtered] == []


def test_tables_as_of_an_instant_expire(past: list[Any]) -> None:
    models = [each.node for each in past if each.node.resource_type == "model"]
    assert len(models) == len(MODEL_FILES)
    assert all(model.config.get("hours_to_expiration") == 24 * 7 for model in models)
    assert {model.schema for model in models} == {"mdp_staging_then", "mdp_marts_then"}


def config(bigquery: Dbt, key: str, domain: str = "ads") -> dict[str, Any]:
    return {name: node["config"].get(key) for name, node in bigquery.nodes("model", domain).items()}


def test_tables_are_partitioned_and_clustered(bigquery: Dbt) -> None:
    by_day = {"field": "date", "data_type": "date", "granularity": "day"}
    assert all(value == by_day for value in config(bigquery, "partition_by").values())
    assert config(bigquery, "cluster_by") == {
        "stg_google_ads__campaign_daily": ["account_id"],
        "stg_google_ads__account_daily": ["account_id"],
        "stg_meta_ads__campaign_daily": ["account_id"],
        "stg_meta_ads__account_daily": ["account_id"],
        "int_campaign__daily_unified": ["platform", "campaign_id"],
        "int_account__reconciliation": ["platform", "account_id"],
        "int_account__daily_maturity": ["platform", "account_id"],
        "int_platform__daily_maturity": ["platform"],
        "mart_campaign__daily": ["platform", "campaign_id"],
        "mart_campaign__restatements": ["platform", "campaign_id"],
        "mart_client__daily": ["platform", "client_id"],
        "mart_account__maturity": ["platform", "account_id"],
        "mart_platform__maturity": ["platform"],
    }
    for name, node in bigquery.nodes("model", "ads").items():
        assert set(node["config"]["cluster_by"]) <= set(node["columns"]), name
        # people may read a whole mart, and the layers below require a filter
        assert bool(node["config"].get("require_partition_filter")) is not name.startswith("mart_"), name


def test_labels_and_descriptions_reach_bigquery(bigquery: Dbt) -> None:
    assert all(value == {"team": "marketing"} for value in config(bigquery, "labels").values())
    assert all(value == {"relation": True, "columns": True} for value in config(bigquery, "persist_docs").values())
    assert all(value is None for value in config(bigquery, "hours_to_expiration").values())
    assert all(value == "insert_overwrite" for value in config(bigquery, "incremental_strategy").values())
    assert bigquery.parse_warnings == []


def test_the_days_of_the_window_are_literals(bigquery: Dbt) -> None:
    """They are the days of the run, although the project was parsed before. Holds at ends of months and years too."""
    inline = "{{ overwrite_days(ref('mart_client__daily'), 'select 1', [{'name': 'date'}, {'name': 'clicks'}]) }}"
    for window, days in (
        (("2026-01-01", "2026-01-02"), ["2026-01-01"]),
        (("2027-12-30", "2028-01-02"), ["2027-12-30", "2027-12-31", "2028-01-01"]),
        (("2028-02-28", "2028-03-02"), ["2028-02-28", "2028-02-29", "2028-03-01"]),
    ):
        result = bigquery("compile", "--no-populate-cache", "--inline", inline, window=window)
        [sql] = compiled(result).values()
        merge = sqlglot.parse_one(sql, read="bigquery")
        assert isinstance(merge, exp.Merge)
        assert merge.this.sql("bigquery").startswith("`some-project`.`mdp_marts`.`mart_client__daily`")
        assert merge.args["on"] == exp.false()
        deletes, inserts = merge.args["whens"].expressions
        listed = ", ".join(f"CAST('{day}' AS DATE)" for day in days)
        assert deletes.sql("bigquery").replace("THEN delete", "THEN DELETE") == (
            f"WHEN NOT MATCHED BY SOURCE AND DBT_INTERNAL_DEST.date IN ({listed}) THEN DELETE"
        )
        assert inserts.sql("bigquery") == ("WHEN NOT MATCHED THEN INSERT (`date`, `clicks`) VALUES (`date`, `clicks`)")
