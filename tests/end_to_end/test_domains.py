"""A second domain next to ads: no ads job selects its assets, and neither domain stops the other when it fails."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
import yaml

from mdp_dagster import definitions
from mdp_dagster.definitions import build_definitions
from mdp_dagster.orchestration.dbt_assets import dbt_models
from mdp_dagster.orchestration.domain import RAW, Domain
from mdp_dagster.orchestration.partitions import SINGLE_RUN, daily_partitions, range_tags
from mdp_dagster.settings import Settings, load_settings
from mdp_dagster.transform import project
from mdp_dagster.transform.project import DbtError, ParsedProject
from sandbox import Sandbox
from tests.end_to_end.conftest import Platform, days_ago

STUB = Domain("stub")
RAW_ORDERS, ORDERS = "raw_stub__order", "mart_order__daily"
ADS_JOBS = ["ads_daily", "late_data_probe", "google_ads_late_data", "meta_ads_late_data"]
ACCOUNT = "4123087751"
WINDOW = days_ago(2, 1)

# The stub reads an ads mart, as a domain may: it is downstream of the ads' raw tables.
MODEL = """
{% if env_var('STUB_FAILS', '') %} select no_such_column from {{ ref('mart_campaign__daily') }}
{% else %} select date, sum(spend) as orders from {{ ref('mart_campaign__daily') }} group by date
{% endif %}
"""
MODEL_FILE = f"""
models:
  - name: {ORDERS}
    description: "Grain: one row per day."
    data_tests:
      - grain_unique:
          name: grain_unique_{ORDERS}
          arguments: {{columns: [date]}}
"""


@pytest.fixture
def dbt_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the dbt project, which MDP uses instead of its own. It has a stub model of a second domain."""
    copy = tmp_path / "dbt"
    shutil.copytree(project.DBT_DIR, copy, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setattr(project, "DBT_DIR", copy)
    monkeypatch.setattr(project, "_TARGET", copy / "target")
    folder = copy / "models" / "marts" / "stub"
    folder.mkdir()
    (folder / f"{ORDERS}.sql").write_text(MODEL)
    (folder / "_stub__models.yml").write_text(MODEL_FILE)
    set_tags(copy, ["stub"])
    return copy


def set_tags(dbt: Path, tags: list[str]) -> None:
    """Give the second domain's folder these tags in dbt_project.yml."""
    file = dbt / "dbt_project.yml"
    content = yaml.safe_load(file.read_text())
    content["models"]["mdp"]["marts"]["stub"] = {"+materialized": "table", "+tags": tags}
    file.write_text(yaml.safe_dump(content))


@pytest.fixture
def second(environment: Path, dbt_copy: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """MDP with a second domain. With ``fails``, its extract fails."""
    stub = SimpleNamespace(DOMAIN=STUB, SOURCES=(), fails=False)

    def stub_definitions(settings: Settings, parsed: ParsedProject) -> dg.Definitions:
        partitions = daily_partitions(settings)

        @dg.asset(
            name=RAW_ORDERS,
            group_name=STUB.group(RAW),
            tags=STUB.tags(RAW),
            partitions_def=partitions,
            backfill_policy=SINGLE_RUN,
        )
        def orders() -> None:
            if stub.fails:
                raise RuntimeError("the stub's database does not answer")

        @dg.asset_check(asset=RAW_ORDERS, name="orders_received")
        def received() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=True)

        return dg.Definitions(
            assets=[orders, dbt_models(parsed, STUB, partitions)],
            asset_checks=[received],
            jobs=[dg.define_asset_job("stub_daily", selection=STUB.assets())],
        )

    stub.definitions = stub_definitions
    monkeypatch.setattr(definitions, "DOMAINS", (*definitions.DOMAINS, stub))
    return stub


@pytest.fixture
def both(servers: Sandbox, environment: Path, second: SimpleNamespace) -> Iterator[Platform]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(servers, environment, instance)


def assets_and_checks(job: dg.JobDefinition) -> tuple[set[str], set[str]]:
    """The names of the assets that a job builds, and of the assets that it checks."""
    layer = job.asset_layer
    built = {key.to_user_string() for key in layer.executable_asset_keys}
    return built, {key.asset_key.to_user_string() for key in layer.asset_graph.asset_check_keys}


def run_stub(both: Platform, succeeds: bool) -> None:
    job = both.definitions.resolve_job_def("stub_daily")
    result = job.execute_in_process(tags=range_tags(WINDOW), instance=both.instance, raise_on_error=False)
    assert result.success == succeeds, both.errors(result)


def test_no_ads_job_and_no_reload_selects_another_domain(second: SimpleNamespace) -> None:
    both = build_definitions(load_settings())
    alone = build_definitions_of_ads()
    for name in ADS_JOBS:
        built, checked = assets_and_checks(both.resolve_job_def(name))
        assert not {RAW_ORDERS, ORDERS} & (built | checked), name
        assert (built, checked) == assets_and_checks(alone.resolve_job_def(name)), name
    assert assets_and_checks(both.resolve_job_def("stub_daily")) == ({RAW_ORDERS, ORDERS}, {RAW_ORDERS, ORDERS})
    graph = both.resolve_asset_graph()
    assert {graph.get(dg.AssetKey(name)).group_name for name in (RAW_ORDERS, ORDERS)} == {"stub_raw", "stub_marts"}


def build_definitions_of_ads() -> dg.Definitions:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(definitions, "DOMAINS", definitions.DOMAINS[:1])
        patch.setattr(ParsedProject, "require_one_tag_per_model", lambda *_: None)
        return build_definitions(load_settings())


def test_a_domain_that_fails_does_not_stop_the_other(
    both: Platform, second: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    second.fails = True
    run_stub(both, succeeds=False)
    monkeypatch.setenv("STUB_FAILS", "1")
    second.fails = False
    both.run(WINDOW)
    both.assert_mart_is_true(WINDOW)
    run_stub(both, succeeds=False)

    monkeypatch.delenv("STUB_FAILS")
    both.sandbox.faults.add("google_ads", "duplicate_rows", account_id=ACCOUNT)
    both.run(WINDOW, succeeds=False)
    run_stub(both, succeeds=True)
    assert both.count(f"mdp_marts.{ORDERS}") == len(WINDOW)


@pytest.mark.parametrize(
    ("tags", "found"), [([], "none"), (["orders"], "none"), (["ads", "stub"], "ads and stub")], ids=str
)
def test_a_model_without_the_tag_of_one_domain_is_named_with_the_remedy(
    second: SimpleNamespace, dbt_copy: Path, tags: list[str], found: str
) -> None:
    set_tags(dbt_copy, tags)
    with pytest.raises(DbtError) as refused:
        build_definitions(load_settings())
    assert str(refused.value) == (
        f"a dbt model needs the tag of one domain (ads, shop, stub), but models/marts/stub/{ORDERS}.sql has {found} → "
        "set `+tags: [<domain>]` for the model's folder in dbt/dbt_project.yml"
    )
