"""The conventions of the dbt project: descriptions, configuration, and dependencies between files."""

from __future__ import annotations

import re

import yaml

from mdp_dagster.connectors.meta_ads.reports import CONVERSION_ACTION_TYPES
from mdp_dagster.defs.ads.platforms import PLATFORM_NAMES, REPORTS, SHOWN_BY
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse

from .support import (
    DBT_PROJECT,
    MACRO_FILES,
    MODEL_FILES,
    RAW_TABLES,
    SHOP_TABLES,
    TEST_FILES,
    Dbt,
    Warehouse,
    code,
    went_wrong,
)


def test_parsing_gives_no_warning(dbt: Dbt) -> None:
    assert dbt.parse_warnings == []


def test_every_model_and_column_is_described(dbt: Dbt) -> None:
    missing = [
        f"{name}.{column['name']}" if column else name
        for name, node in [*dbt.nodes("model").items(), *dbt.nodes("source").items()]
        for column in [None, *node["columns"].values()]
        if not (column or node)["description"].strip()
    ]
    assert missing == []
    assert all(node["description"].startswith("Grain: ") for node in dbt.nodes("model").values())


def test_every_table_has_the_described_columns_and_types(dbt: Dbt, warehouse: Warehouse) -> None:
    """The columns are in the described order. For marts, the contract requires this too."""
    DuckDBWarehouse(warehouse.path).prepare(SHOP_TABLES)
    assert not went_wrong(dbt("run", window=("2026-01-01", "2026-01-02")))
    assert warehouse.query("select * from mdp_marts.mart_shop__daily") == []
    for name, node in dbt.nodes("model").items():
        table = warehouse.query(f"describe {node['schema']}.{name}")
        assert list(node["columns"]) == [column["column_name"] for column in table], name
        types = {column["column_name"]: column["column_type"].lower().replace("varchar", "string") for column in table}
        declared = {column: described["data_type"] for column, described in node["columns"].items()}
        assert {column: kind.replace("(38, 9)", "(38,9)") for column, kind in declared.items() if kind} == types, name


def test_marts_have_a_contract_and_types(dbt: Dbt) -> None:
    marts = {name: node for name, node in dbt.nodes("model").items() if node["fqn"][1] == "marts"}
    assert set(marts) == {
        "mart_campaign__daily",
        "mart_campaign__restatements",
        "mart_client__daily",
        "mart_account__maturity",
        "mart_platform__maturity",
        "mart_shop__daily",
        "mart_shop__geo_daily",
        "mart_shop__product_daily",
        "kpis_produit",
        "ventes_geographiques",
        "ltv_cohorts",
        "produits_premium",
    }
    for node in marts.values():
        assert node["schema"] == "mdp_marts"
        assert node["config"]["contract"]["enforced"]
        assert all(column["data_type"] for column in node["columns"].values())


def test_sources_are_the_raw_tables(dbt: Dbt) -> None:
    """The sources have no columns in YAML: the reports and ingest/tables.py declare and describe them."""
    sources = dbt.nodes("source")
    tables = [*RAW_TABLES, *SHOP_TABLES]
    assert set(sources) == {table.name for table in tables}
    for table in tables:
        source = sources[table.name]
        assert not source["columns"], table.name
        assert source["schema"] == "mdp_raw"
        assert source["config"]["meta"] == {"dagster": {"asset_key": [table.name]}}


def test_every_model_of_the_shop_writes_what_changed_or_is_a_view(dbt: Dbt) -> None:
    for name, node in dbt.nodes("model", "shop").items():
        config = node["config"]
        assert config["materialized"] in ("touched_rows", "view"), name
        if config["materialized"] == "touched_rows":
            assert set(config["meta"]["group_columns"]) <= set(node["columns"]), name
            assert f"macro.mdp.{config['meta']['touched']}" in node["depends_on"]["macros"], name
            assert "extracted_at" in node["columns"], name


def test_every_model_replaces_its_window(dbt: Dbt) -> None:
    for name, node in dbt.nodes("model", "ads").items():
        config = node["config"]
        assert (config["materialized"], config["incremental_strategy"]) == (
            "incremental",
            "replace_window",
        ), name
        assert config["full_refresh"] is False, name
        assert config["on_schema_change"] == "append_new_columns", name


def test_every_data_test_reads_the_window(dbt: Dbt) -> None:
    """Tests that stop a run read the days of the run. Tests that only warn also read the days of the morning's run."""
    tests = dbt.nodes("test", "ads")
    assert 20 < len(tests) < 40
    for name, test in tests.items():
        where = test["config"]["where"]
        if test["config"]["severity"].lower() == "warn":
            assert where in ("__in_recent_window__", "__in_recent_weeks__"), name
        elif name.startswith("campaigns_add_up_"):  # it stops and warns
            assert re.findall(r"__\w+__", where) == ["__in_recent_window__", "__in_window__"]
        else:
            assert where == "__in_window__", name
    tested = {test["attached_node"].rpartition(".")[2] for test in tests.values()}
    assert tested == set(dbt.nodes("model", "ads"))


def test_a_platform_is_a_folder_and_an_entry() -> None:
    """The listed platforms equal the staging folders and the connectors. No other file names a platform."""
    variables = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text())["vars"]
    folders = [path for path in (DBT_PROJECT / "models" / "staging").iterdir() if path.name in PLATFORM_NAMES]
    platforms = sorted(folder.name for folder in folders)
    assert sorted(variables["ad_platforms"]) == platforms == sorted(PLATFORM_NAMES)
    assert {report.source: report.lookback_days for report in REPORTS} == variables["lookback_days"]
    assert {report.source: report.processing_hours for report in REPORTS} == variables["processing_hours"]
    assert SHOWN_BY.measured_days == variables["maturity_history_days"]
    assert list(CONVERSION_ACTION_TYPES) == variables["conversion_action_types"]
    assert set(variables["conversion_type_by_row"]) <= set(platforms)
    always = {"spend", "impressions", "clicks", "conversions", "conversion_value"}
    for report in REPORTS:
        assert {*report.amounts} == always | {*variables["also_reconciled"].get(report.source, ())}
    for folder in folders:
        models = {path.stem for path in folder.glob("*.sql")}
        assert models == {f"stg_{folder.name}__campaign_daily", f"stg_{folder.name}__account_daily"}

    elsewhere = [path for path in [*MODEL_FILES, *TEST_FILES] if path.parent not in folders]
    assert [p.name for p in elsewhere if any(platform in code(p) for platform in platforms)] == []


def test_one_file_reads_the_ledger() -> None:
    knowing = [
        p.name
        for p in [*MODEL_FILES, *MACRO_FILES, *TEST_FILES]
        if re.search("effective_run_id|raw__extracts", code(p))
    ]
    assert knowing == ["ledger.sql"]
    knowing = [p.name for p in [*MODEL_FILES, *MACRO_FILES, *TEST_FILES] if "raw__feeds" in code(p)]
    assert knowing == ["feeds.sql"]
