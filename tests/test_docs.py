"""The docs only name commands, settings, files, links, tables and columns that exist."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from mdp_dagster.cli import as_of, backfill, demo, dev, maintenance, new_source, shop_csv
from mdp_dagster.connectors.sources import all_sources
from mdp_dagster.definitions import build_definitions
from mdp_dagster.defs.ads.platforms import REPORTS
from mdp_dagster.ingest.tables import SHARED_TABLES, report_table
from mdp_dagster.settings import Settings
from mdp_dagster.transform.project import parsed_project
from mdp_dagster.warehouse.base import MARTS, STAGING
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from tests.support import data_model
from tests.support.data_model import DATA_MODEL
from tests.support.settings_variables import LOADERS

ROOT = Path(__file__).parents[1]
PIPELINES = ROOT / "docs" / "pipelines.md"
DOCS = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]

# A checkout does not contain these: MDP, or its user, makes them.
MADE = re.compile(r"^(\.mdp|\.venv|dbt/target|\.env$|config/my_)")
FILE_OF_THE_ROOT = re.compile(r"^(\.env\.example|\.gitignore|Makefile|LICENSE|[A-Z]+\.md|[a-z_]+\.(yaml|toml|lock))$")
OTHER_VARIABLES = {"MDP_ENV_FILE", "GOOGLE_ADS_USE_PROTO_PLUS", "MDP_TEST_BUCKET"}

docs = pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)


@pytest.fixture(scope="module")
def graph() -> dg.AssetGraph:
    return build_definitions(Settings()).resolve_asset_graph()


@pytest.fixture(scope="module")
def models() -> dict[str, dict[str, str]]:
    """The columns of each dbt model, with the types that its contract gives."""
    nodes = parsed_project(Settings()).manifest["nodes"].values()
    return {
        node["name"]: {name: column["data_type"] or "" for name, column in node["columns"].items()}
        for node in nodes
        if node["resource_type"] == "model"
    }


def fenced(text: str, language: str = "") -> list[str]:
    """The code blocks, of one language or of all."""
    return [code for kind, code in re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.M | re.S) if language in ("", kind)]


def prose(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)


def quoted(text: str) -> list[str]:
    """The texts in backticks."""
    return re.findall(r"`([^`\n]+)`", prose(text))


def commands(text: str) -> Iterator[str]:
    """Every line of shell, in blocks and in backticks, without comments."""
    for code in [*fenced(text, "sh"), *quoted(text)]:
        for line in code.splitlines():
            yield line.split(" #")[0]


def sections(text: str) -> dict[str, str]:
    """The text below each heading, up to the next one of any level."""
    parts = re.split(r"^#+ (.*)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_data_model_has_every_table_as_it_is_declared() -> None:
    text = DATA_MODEL.read_text()
    assert sorted(data_model.blocks(text)) == sorted(data_model.described_tables()), "one block for each table"
    assert text == data_model.generated(text), "the declarations changed: run `make docs-tables` and commit the result"


def test_the_docs_explain_every_asset_and_check(graph: dg.AssetGraph) -> None:
    assets = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert not [asset for asset in assets if f"`{asset}`" not in DATA_MODEL.read_text()]
    checks = {key.name for key in graph.asset_check_keys} | {test["name"] for test in dbt_tests()}
    assert checks == set(documented_checks())


def test_the_severity_and_blocking_of_every_check_are_correct(graph: dg.AssetGraph) -> None:
    documented = documented_checks()
    for key in graph.asset_check_keys:
        assert (documented[key.name][1] == "yes") == bool(graph.get_check_spec(key).blocking), key
    for test in dbt_tests():
        assert documented[test["name"]][0] == test["config"]["severity"].lower(), test["unique_id"]


def dbt_tests() -> list[dict[str, Any]]:
    """The data tests of all models. Each is a check, once a job builds its model."""
    nodes = parsed_project(Settings()).manifest["nodes"].values()
    return [node for node in nodes if node["resource_type"] == "test"]


def documented_checks() -> dict[str, tuple[str, str]]:
    """Severity and blocking of each check in the tables of pipelines.md."""
    rows = re.findall(r"^\| `(\w+)` \|.*?\| (error|warn) \| (yes|no) \|", PIPELINES.read_text(), re.M)
    return {name: (severity, blocking) for name, severity, blocking in rows}


@docs
def test_every_make_target_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {
        word
        for command in commands(path.read_text())
        for words in re.findall(r"^\s*make ((?:[a-z-]+(?: |$))+)", command)
        for word in words.split()
    }
    assert named <= targets


@docs
def test_every_command_exists(path: Path) -> None:
    parser = argparse.ArgumentParser().add_subparsers()
    for module in (demo, dev, backfill, as_of, maintenance, new_source, shop_csv):
        module.add_commands(parser)
    command = re.compile(r"(?:-m mdp_dagster|^\s*(?:\S*/|uv run )?mdp) ([a-z-]+)")
    named = {word for line in commands(path.read_text()) for word in command.findall(line)}
    assert {word for word in named if not word.startswith("-")} <= set(parser.choices)


@docs
def test_every_path_exists(path: Path) -> None:
    folders = {entry.name for entry in ROOT.iterdir() if entry.is_dir()}
    for name in quoted(path.read_text()):
        head, slash, _ = name.partition("/")
        is_path = (slash and head in folders) or FILE_OF_THE_ROOT.match(name)
        if is_path and not re.search(r"[<>{}\s…]", name) and not MADE.match(name):
            assert list(ROOT.glob(name)) if "*" in name else (ROOT / name).exists(), name


@docs
def test_every_variable_exists(path: Path) -> None:
    prefixes = "|".join(["MDP_", *(source.environment_prefix for source in all_sources())])
    named = re.findall(rf"\b(?:{prefixes})[A-Z_]*[A-Z]\b", path.read_text())
    assert set(named) <= {*OTHER_VARIABLES, *LOADERS}


@docs
def test_every_link_resolves(path: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", prose(path.read_text())):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in map(anchor_of, sections(prose(target.read_text()))), link


def anchor_of(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_sql_runs(models: dict[str, dict[str, str]], tmp_path: Path) -> None:
    """Over empty tables: the names are those of the tables, and the functions those of DuckDB."""
    warehouse = tmp_path / "warehouse.duckdb"
    DuckDBWarehouse(warehouse).prepare([*SHARED_TABLES, *map(report_table, REPORTS)])
    types = {name: kind for columns in models.values() for name, kind in columns.items() if kind}
    with duckdb.connect(str(warehouse)) as connection:
        for dataset in (STAGING, MARTS):
            connection.execute(f"create schema {dataset}")
        for model, columns in models.items():
            dataset = MARTS if model.startswith("mart_") else STAGING
            listed = ", ".join(f"{name} {types.get(name, 'varchar')}" for name in columns)
            connection.execute(f"create table {dataset}.{model} ({listed})")
        statements = [(path.name, sql) for path in DOCS for sql in fenced(path.read_text(), "sql")]
        statements += [
            (path.name, sql)
            for path in DOCS
            for c in commands(path.read_text())
            for sql in re.findall(r'SQL="([^"…]+)"', c)
        ]
        assert len(statements) > 10
        for name, sql in statements:
            try:
                connection.execute(sql)
            except duckdb.Error as error:
                pytest.fail(f"{name}: {error}\n{sql}")
