"""A domain's dbt models of documents as assets: one dbt build per run, of everything that changed since the last."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from mdp_dagster.orchestration.dbt_translator import DomainDbtTranslator
from mdp_dagster.orchestration.domain import Domain
from mdp_dagster.orchestration.failing_rows import failing_rows, with_failing_rows
from mdp_dagster.orchestration.partitions import SINGLE_RUN
from mdp_dagster.orchestration.services import Services
from mdp_dagster.transform.in_process_dbt import DbtBuild, run_build, run_models
from mdp_dagster.transform.project import DbtError, ParsedProject


def document_models(project: ParsedProject, domain: Domain) -> dg.AssetsDefinition:
    """Returns the domain's models, without partitions.

    A run replaces the rows that changes touch, such as the days of changed orders, and leaves all others as they are.
    """
    translator = DomainDbtTranslator(domain)

    @dbt_assets(
        manifest=project.manifest,
        name=f"{domain.name}_dbt_models",
        select=f"tag:{domain.name}",
        dagster_dbt_translator=translator,
        backfill_policy=SINGLE_RUN,  # Dagster refuses a backfill of `*` unless every asset in it can run as one run.
        required_resource_keys={"services"},
    )
    def models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        services: Services = context.resources.services
        build = DbtBuild(context, project, translator)
        with services.warehouse.session():
            services.prepare_raw()
        with services.warehouse.exclusive():
            selected = {key.to_user_string() for key in context.selected_asset_keys}
            first = project.models_to_build_first(selected, services.warehouse.tables())
            if first:
                # The selection reads these models. They have no table yet, or an old one.
                context.log.info(f"building {', '.join(first)} first, because the selection reads them")
                run_models(project, first, build.variables)
            result = run_build(build)
            failing = {test: failing_rows(services.warehouse, sql) for test, sql in result.failing_tests.items()}
        for event in result.events:
            yield with_failing_rows(event, failing)
        if result.errors:
            raise DbtError(result.errors)

    return models
