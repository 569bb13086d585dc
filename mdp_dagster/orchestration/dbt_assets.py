"""A domain's dbt models as assets: one dbt build per run, over the run's window."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, dbt_assets

from mdp_dagster.ingest.account_registry import follow_clients_file
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.orchestration.build_cost import Estimate, costs
from mdp_dagster.orchestration.dbt_translator import DomainDbtTranslator
from mdp_dagster.orchestration.domain import Domain
from mdp_dagster.orchestration.failing_rows import failing_rows, with_failing_rows
from mdp_dagster.orchestration.partitions import SINGLE_RUN, daily_window, run_window
from mdp_dagster.orchestration.services import Services
from mdp_dagster.transform import in_process_dbt
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
        window = run_window(context.run.tags, recent)
        with services.warehouse.session():
            services.prepare_raw()
            follow_clients_file(services.warehouse, services.clients, context.run.run_id, utc_now())
        variables = {
            "window_start": window.start.isoformat(),
            "window_end": window.end.isoformat(),
            "recent_start": recent.start.isoformat(),
            "recent_end": recent.end.isoformat(),
        }
        with services.warehouse.exclusive():
            first = project.to_make_first(_selected(context), services.warehouse.tables())
            estimated = _estimate(context, services, project, translator, variables, first)
            if first:
                # The selection reads these models. They have no table yet, or an old one.
                context.log.info(f"building {', '.join(first)} first, because the selection reads them")
                in_process_dbt.make(project, first, variables)
            if services.settings.dbt_execution == "cli":
                yield from _stock_dbt(context, variables)
                return
            built = in_process_dbt.build(context, project, translator, variables)
            shown = _totals(context, services, project, built.events, window)
            for model, metadata in costs(project, estimated, built.responses).items():
                shown.setdefault(model, {}).update(metadata)
            found = {test: failing_rows(services.warehouse, sql) for test, sql in built.missed_tests.items()}
        for event in built.events:
            yield with_failing_rows(_with_metadata(event, shown), found)
        if built.errors:
            raise DbtError(built.errors)

    return models


def _selected(context: dg.AssetExecutionContext) -> set[str]:
    return {key.to_user_string() for key in context.selected_asset_keys}


def _estimate(
    context: dg.AssetExecutionContext,
    services: Services,
    project: ParsedProject,
    translator: DomainDbtTranslator,
    variables: dict[str, str],
    first: list[str],
) -> Estimate | None:
    """Returns the estimate of what the build is billed; None if reading is free.

    Raises:
        dagster.Failure: The estimate is above the limit.
    """
    if not services.warehouse.charges_for_reading:
        return None
    statements = in_process_dbt.statements(context, project, translator, variables, first)
    window = run_window(context.run.tags, daily_window(services.settings))
    estimated = Estimate(services.warehouse.estimated_bytes(statements, window))
    context.log.info(f"to be billed: {estimated}")
    estimated.require_within(services.settings.bigquery_max_bytes_per_run, window)
    return estimated


def _stock_dbt(context: dg.AssetExecutionContext, variables: dict[str, str]) -> Iterator[Any]:
    """Runs dbt as a process, as dagster-dbt does. It is slower, and replaces the in-process build if that breaks."""
    executable = Path(sys.executable).with_name("dbt")  # this environment's dbt: it may not be on PATH
    dbt = DbtCliResource(project_dir=str(DBT_DIR), profiles_dir=str(DBT_DIR), dbt_executable=str(executable))
    arguments = ["build", "--exclude-resource-type", "unit_test", "--vars", json.dumps(variables)]
    yield from dbt.cli(arguments, context=context).stream()


def _totals(
    context: dg.AssetExecutionContext, services: Services, project: ParsedProject, events: list[Any], window: DateWindow
) -> dict[str, dict[str, dg.MetadataValue]]:
    """Returns the rows in the window, and the spend by currency, of each model that was built."""
    built = {event.output_name for event in events if isinstance(event, dg.Output)}
    nodes = [node for node in project.manifest["nodes"].values() if node["name"] in built]
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


def _with_metadata(event: Any, shown: dict[str, dict[str, dg.MetadataValue]]) -> Any:
    if not isinstance(event, dg.Output):
        return event
    return dg.Output(None, event.output_name, metadata={**event.metadata, **shown.get(event.output_name, {})})
