"""The same SQL for BigQuery: rendered with its macros, parsed in its dialect, filtered so that it can prune."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import sqlglot
import yaml
from sqlglot import exp

from .support import DBT_PROJECT, MACRO_FILES, MODEL_FILES, TEST_FILES, code

SHARED_FUNCTIONS = {"abs", "cast", "coalesce", "count", "lag", "lead", "max", "min", "nullif", "sum"}
KEYWORDS = {"as", "in", "and", "or", "with", "from", "join", "then", "else", "when", "where", "on"}


@pytest.mark.parametrize("path", [*MODEL_FILES, *TEST_FILES], ids=lambda path: path.stem)
def test_models_call_functions_that_both_engines_have(path: Path) -> None:
    """Anything else is a macro with a version for each engine."""
    sql = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " jinja ", code(path), flags=re.DOTALL)
    assert set(re.findall(r"(\w+)\s*\(", sql)) - SHARED_FUNCTIONS - KEYWORDS == set()


def test_every_dispatched_macro_has_both_versions() -> None:
    text = "".join(map(code, MACRO_FILES))
    dispatched = set(re.findall(r"adapter\.dispatch\('(\w+)'", text))
    assert dispatched
    for engine in ("duckdb", "bigquery"):
        assert set(re.findall(rf"macro {engine}__(\w+)\(", text)) == dispatched


class Adapter:
    """As much of dbt's BigQuery adapter as the macros use. The real one needs a project to connect to."""

    macros: Any

    def dispatch(self, macro: str, project: str) -> Any:
        return getattr(self.macros, f"bigquery__{macro}")


AS_OF = {"as_of": "2026-01-06 06:00:00", "as_of_schema": "then"}


def bigquery_sql(path: Path, **more: str) -> str:
    """The model as dbt would render it for BigQuery."""
    variables = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text())["vars"]
    variables |= {"window_start": "2026-01-01", "window_end": "2026-01-08", **more}
    adapter = Adapter()
    project = jinja2.Environment(undefined=jinja2.StrictUndefined)
    project.globals.update(
        adapter=adapter,
        execute=True,
        model={"resource_type": "model", "schema": "mdp_staging_then"},
        modules={"re": re, "datetime": datetime},
        ref=lambda model: f"`project`.mdp_staging.{model}",
        source=lambda source, table: f"`project`.{source}.{table}",
        var=variables.get,
    )
    macros = "".join(p.read_text() for p in MACRO_FILES if p.stem not in ("get_where_subquery", "replace_window"))
    adapter.macros = project.from_string(macros).module
    project.globals["context"] = vars(adapter.macros)
    return project.from_string(macros + path.read_text()).render()


def tables_and_filters(query: exp.Expr) -> Iterator[tuple[str, str]]:
    """Each table that is read, with the `where` of the select that reads it."""
    ctes = {cte.alias for cte in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        select = table.find_ancestor(exp.Select)
        if table.name and table.name not in ctes and select:
            where = select.args.get("where")
            yield table.name, where.sql("bigquery") if where else ""


@pytest.mark.parametrize("path", MODEL_FILES, ids=lambda path: path.stem)
def test_bigquery_can_parse_and_prune(path: Path) -> None:
    """Nothing in it is unknown to BigQuery, and every daily table is filtered by literal days."""
    query = sqlglot.parse_one(bigquery_sql(path), read="bigquery")
    assert {call.name for call in query.find_all(exp.Anonymous)} == set()

    filters = [(table, where) for table, where in tables_and_filters(query) if table != "raw__accounts"]
    assert filters
    # maturity reads 180 days more: what there was before the window
    days = r"date >= CAST\('(2026-01-01|2025-07-05)' AS DATE\) AND (\w+\.)?date < CAST\('2026-01-08' AS DATE\)"
    assert [table for table, where in filters if not re.search(days, where)] == []


@pytest.mark.parametrize("path", MODEL_FILES, ids=lambda path: path.stem)
def test_as_of_an_instant_nothing_later_is_read(path: Path) -> None:
    """Of the tables that tell of a moment: the ledger and the registry."""
    query = sqlglot.parse_one(bigquery_sql(path, **AS_OF), read="bigquery")
    moments = {"raw__extracts": "extracted_at", "raw__accounts": "ingested_at"}
    unfiltered = [
        table
        for table, where in tables_and_filters(query)
        if table in moments and f"{moments[table]} <= CAST('2026-01-06 06:00:00' AS TIMESTAMP)" not in where
    ]
    assert unfiltered == []
