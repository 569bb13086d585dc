"""The environment of dbt, when the project is parsed again, and which days a build reads."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mdp_dagster.defs.ads.platforms import ADS
from mdp_dagster.orchestration.dbt_translator import DomainDbtTranslator
from mdp_dagster.settings import Settings, SettingsError
from mdp_dagster.transform.in_process_dbt import WindowBuild, run_models, statements
from mdp_dagster.transform.project import _fingerprint, parsed_project, use_environment
from mdp_dagster.warehouse.base import in_window
from mdp_dagster.window import DateWindow

from .support import Warehouse

CLOUD = {
    "GOOGLE_CLOUD_PROJECT": "some-project",
    "BIGQUERY_LOCATION": "europe-west3",
    "BIGQUERY_EMULATOR_HOST": "",
    "MDP_GOOGLE_IMPERSONATE_SERVICE_ACCOUNT": "mdp@some-project.iam.gserviceaccount.com",
}
LEFT_BY_ANOTHER = {
    "MDP_TARGET": "duckdb",
    "MDP_DUCKDB_PATH": "/of/another.duckdb",
    "MDP_BIGQUERY_MAX_BYTES_PER_QUERY": "",
    "MDP_DBT_LABELS": '{"of": "another"}',
    "MDP_DBT_PARTITION_EXPIRATION_DAYS": "999",
    "MDP_DBT_AS_OF_EXPIRATION_DAYS": "999",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment that is restored after the test."""
    for name, value in {**CLOUD, **LEFT_BY_ANOTHER}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)  # where there is no .env


def bigquery(**settings: Any) -> Settings:
    return Settings(target="bigquery", lake_uri="gs://lake", **settings)


def test_the_settings_reach_dbt_as_environment_variables() -> None:
    use_environment(bigquery(bigquery_labels={"team": "marketing"}, bigquery_max_bytes_per_query=10**9))
    assert {name: os.environ.get(name) for name in {**CLOUD, **LEFT_BY_ANOTHER}} == {
        **CLOUD,
        "BIGQUERY_EMULATOR_HOST": None,
        "MDP_TARGET": "bigquery",
        "MDP_DUCKDB_PATH": "/of/another.duckdb",
        "MDP_BIGQUERY_MAX_BYTES_PER_QUERY": "1000000000",
        "MDP_DBT_LABELS": '{"team": "marketing"}',
        "MDP_DBT_PARTITION_EXPIRATION_DAYS": None,
        "MDP_DBT_AS_OF_EXPIRATION_DAYS": "30",
    }
    use_environment(Settings(target="duckdb", duckdb_path=Path("/somewhere/w.duckdb")))
    assert (os.environ["MDP_TARGET"], os.environ["MDP_DUCKDB_PATH"]) == ("duckdb", "/somewhere/w.duckdb")
    assert "MDP_DBT_LABELS" not in os.environ


def test_the_error_for_a_missing_google_project_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    with pytest.raises(SettingsError, match="GOOGLE_CLOUD_PROJECT is not set"):
        use_environment(bigquery())


def test_the_project_is_parsed_again_if_a_setting_in_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other settings do not."""
    parsed = _fingerprint(bigquery())
    assert parsed != _fingerprint(Settings())
    assert parsed == _fingerprint(bigquery(bigquery_max_bytes_per_query=1, bigquery_as_of_expiration_days=2))
    assert parsed != _fingerprint(bigquery(bigquery_labels={"team": "marketing"}))
    monkeypatch.setenv("BIGQUERY_LOCATION", "US")
    assert parsed == _fingerprint(bigquery())
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "another-project")
    assert parsed != _fingerprint(bigquery())


def test_the_estimate_of_a_build_has_every_model_and_test(warehouse: Warehouse) -> None:
    """For each model, it has the days that the build replaces. No statement is sent."""
    project = parsed_project(Settings(duckdb_path=warehouse.path))
    window = DateWindow(date(2026, 1, 1), date(2026, 1, 8))
    build = WindowBuild(None, project, DomainDbtTranslator(ADS), window, window)

    every = project.manifest["nodes"]
    nodes = {
        unique_id: node
        for unique_id, node in every.items()
        if "ads" in every.get(node.get("attached_node"), node)["tags"]
    }
    models = {unique_id for unique_id, node in nodes.items() if node["resource_type"] == "model"}
    found = {name: one for name, one in statements(build).items() if name.removesuffix(" (replaced)") in nodes}
    assert set(found) == {*nodes, *(f"{model} (replaced)" for model in models)}
    weeks = in_window(DateWindow(window.end - timedelta(days=28), window.end))
    bounds = in_window(window), weeks, "raw_rows.date >= date"
    assert [name for name, one in found.items() if not any(bound in one.sql for bound in bounds)] == []

    staged = "model.mdp.stg_google_ads__account_daily"
    assert set(found[staged].reads) == {("mdp_raw", "raw_google_ads__account_daily"), ("mdp_raw", "raw__extracts")}
    replaced = found[f"{staged} (replaced)"]
    assert replaced.reads == [("mdp_staging", "stg_google_ads__account_daily")]
    assert replaced.sql == f"select * from mdp_staging.stg_google_ads__account_daily where {in_window(window)}"
    made = warehouse.query("select table_name from information_schema.tables where table_schema <> 'mdp_raw'")
    assert made == []

    run_models(project, [nodes[model]["name"] for model in sorted(models)], build.variables)
    for one in found.values():
        warehouse.query(f"explain {one.sql}")
