"""A domain's dbt models as assets: one dbt build per run, over the run's window."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, dbt_assets

from mdp_dagster.ingest.accepted_differences import follow_accepted_differences
from mdp_dagster.ingest.account_registry import follow_clients_file
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.orchestration.build_cost import Estimate, costs
from mdp_dagster.orchestration.dbt_translator import DomainDbtTranslator
from mdp_dagster.orchestration.domain import Domain
from mdp_dagster.orchestration.failing_rows import failing_rows, with_failing_rows
from mdp_dagster.orchestration.partitions import SINGLE_RUN, daily_window, run_window
from mdp_dagster.orchestration.services import Services
from mdp_dagster.transform.in_process_dbt import WindowBuild, run_build, run_models, statements
from mdp_dagster.transform.project import DBT_DIR, DbtError, ParsedProject
from mdp_dagster.warehouse.base import WarehouseError, in_window
from mdp_dagster.window import DateWindow


def dbt_models(project: ParsedProject, domain: Domain, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """Returns the domain's models: staging, intermediate and marts.

    A run replaces its window in each selected model and leaves all other days as they are.
    """
    translator = DomainDbtTranslator(domain)

    @dbt_assets(
        manifest=project.manifest,
        name=f"{domain.name}_dbt_models",
        select=f"tag:{domain.name}",
        dagster_dbt_translator=translator,
        partitions_def=partitions,
        backfill_policy=SINGLE_RUN,
        required_resource_keys={"services"},
    )
    def models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        services: Services = context.resources.services
        recent = daily_window(services.settings)
        build = WindowBuild(context, project, translator, run_window(context.run.tags, services.settings), recent)
        with services.warehouse.session():
            services.prepare_raw()
            follow_clients_file(services.warehouse, services.clients, context.run.run_id, utc_now())
            follow_accepted_differences(services.warehouse, services.clients, context.run.run_id, utc_now())
        with services.warehouse.exclusive():
            first = project.models_to_build_first(_selected(context), services.warehouse.tables())
            estimate = _estimate(context, services, build, first)
            if first:
                # The selection reads these models. They have no table yet, or an old one.
                context.log.info(f"building {', '.join(first)} first, because the selection reads them")
                run_models(project, first, build.variables)
            if services.settings.dbt_execution == "cli":
                yield from _stock_dbt(context, build.variables)
                return
            result = run_build(build)
            metadata = _totals(context, services, build, result.events)
            for model, of_model in costs(project, estimate, result.responses).items():
                metadata.setdefault(model, {}).update(of_model)
            failing = {test: failing_rows(services.warehouse, sql) for test, sql in result.failing_tests.items()}
        for event in result.events:
            yield with_failing_rows(_with_metadata(event, metadata), failing)
        if result.errors:
            raise DbtError(result.errors)

    return models


def _selected(context: dg.AssetExecutionContext) -> set[str]:
    return {key.to_user_string() for key in context.selected_asset_keys}


def _estimate(
    context: dg.AssetExecutionContext, services: Services, build: WindowBuild, first: list[str]
) -> Estimate | None:
    """Returns the estimate of what the build is billed; None if reading is free.

    Raises:
        dagster.Failure: The estimate is above the limit.
    """
    if not services.warehouse.charges_for_reading:
        return None
    estimate = Estimate(services.warehouse.estimated_bytes(statements(build, first), build.window))
    context.log.info(f"to be billed: {estimate}")
    estimate.require_within(services.settings.bigquery_max_bytes_per_run, build.window)
    return estimate


def _stock_dbt(context: dg.AssetExecutionContext, variables: dict[str, str]) -> Iterator[Any]:
    """Runs dbt as a process, as dagster-dbt does. It is slower, and replaces the in-process build if that breaks."""
    executable = Path(sys.executable).with_name("dbt")  # this environment's dbt: it may not be on PATH
    dbt = DbtCliResource(project_dir=str(DBT_DIR), profiles_dir=str(DBT_DIR), dbt_executable=str(executable))
    arguments = ["build", "--exclude-resource-type", "unit_test", "--vars", json.dumps(variables)]
    yield from dbt.cli(arguments, context=context).stream()


def _totals(
    context: dg.AssetExecutionContext, services: Services, build: WindowBuild, events: list[Any]
) -> dict[str, dict[str, dg.MetadataValue]]:
    """Returns the rows in the window, and the spend by currency, of each model that was built, as metadata."""
    window = build.window
    built = {event.output_name for event in events if isinstance(event, dg.Output)}
    nodes = [node for node in build.project.manifest["nodes"].values() if node["name"] in built]
    if not nodes:
        return {}
    try:
        rows = services.warehouse.query("\nunion all\n".join(_totals_query(node, window) for node in nodes)).to_pylist()
    except WarehouseError as error:  # the models are written: Dagster must record them, even without totals
        context.log.warning(f"no totals on the models: {error}")
        return {}
    totals: dict[str, dict[str, dg.MetadataValue]] = {
        node["name"]: {
            "window": dg.MetadataValue.text(str(window)),
            "rows": dg.MetadataValue.int(sum(row["row_count"] for row in rows if row["model"] == node["name"])),
        }
        for node in nodes
    }
    for row in rows:
        if row["currency"] and row["spend"] is not None:
            totals[row["model"]][f"spend_{row['currency']}"] = dg.MetadataValue.float(float(row["spend"]))
    return totals


def _totals_query(node: Mapping[str, Any], window: DateWindow) -> str:
    currencies = [name for name in ("currency", "reporting_currency") if name in node["columns"]]
    has_money = "spend" in node["columns"] and currencies
    currency, spend = (currencies[0], "sum(spend)") if has_money else ("cast(null as string)", "null")
    return (
        f"select '{node['name']}' as model, {currency} as currency, count(*) as row_count, {spend} as spend "
        f"from {node['schema']}.{node['name']} where {in_window(window)} group by 1, 2"
    )


def _with_metadata(event: Any, by_model: dict[str, dict[str, dg.MetadataValue]]) -> Any:
    if not isinstance(event, dg.Output):
        return event
    return dg.Output(None, event.output_name, metadata={**event.metadata, **by_model.get(event.output_name, {})})
