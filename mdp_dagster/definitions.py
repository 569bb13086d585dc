"""MDP as Dagster loads it: the domains, the tables that they share, and the resources."""

from __future__ import annotations

import warnings
from datetime import date, datetime, timezone
from typing import Any

import dagster as dg

from mdp_dagster.defs.ads import definitions as ads
from mdp_dagster.defs.shop import definitions as shop
from mdp_dagster.google_cloud.settings import load_google_cloud_settings
from mdp_dagster.ingest.feed_tables import FEEDS
from mdp_dagster.ingest.tables import EXTRACTS
from mdp_dagster.orchestration.event_retention import event_retention_job, event_retention_schedule
from mdp_dagster.orchestration.services import Services, services_resource
from mdp_dagster.orchestration.shared_table_assets import shared_table_assets
from mdp_dagster.settings import Settings, load_settings
from mdp_dagster.transform.project import ParsedProject, parsed_project
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow

DOMAINS = (ads, shop)
SOURCES = tuple(source for domain in DOMAINS for source in domain.SOURCES)

# Dagster still calls backfill policies "beta". Every partitioned asset has one, so the warning would fill each log.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")


def build_definitions(settings: Settings) -> dg.Definitions:
    """Returns the definitions of all domains.

    Raises:
        DbtError: The dbt project can't be parsed, or a model does not have the tag of exactly one domain.
    """
    project = dbt_project(settings)
    retention = event_retention_job()
    shared = dg.Definitions(
        assets=shared_table_assets(),
        jobs=[retention],
        schedules=[event_retention_schedule(settings, retention)],
        resources={"services": services_resource(SOURCES), **_google_cloud(settings)},
        # One process per run: all steps share the connectors, the parsed project and DuckDB's only writer.
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(*(domain.definitions(settings, project) for domain in DOMAINS), shared)


def dbt_project(settings: Settings) -> ParsedProject:
    """Returns the parsed dbt project. Every model in it belongs to one domain.

    Raises:
        DbtError: The project can't be parsed, or a model does not have the tag of exactly one domain.
    """
    project = parsed_project(settings)
    project.require_one_tag_per_model([domain.DOMAIN.name for domain in DOMAINS])
    return project


def domains_with_data(settings: Settings, warehouse: Warehouse, until: datetime) -> list[str]:
    """Returns the domains that had data at an instant: a ledger that their models read has an extract from before it.

    Args:
        settings: MDP's settings.
        warehouse: The warehouse. It has all raw tables.
        until: The instant.
    """
    project, moment = parsed_project(settings), until.astimezone(timezone.utc).replace(tzinfo=None)
    every_day = f"{in_window(DateWindow.of_days(date(2000, 1, 1), date(2199, 12, 31)))} and "
    filled = {
        ledger.name
        for ledger, days in ((EXTRACTS, every_day), (FEEDS, ""))
        if warehouse.query(
            f"select 1 from {ledger.id} where {days}extracted_at <= timestamp '{moment}' limit 1"
        ).num_rows
    }
    return [
        domain.DOMAIN.name
        for domain in DOMAINS
        if filled & {name for _, name in project.raw_tables(domain.DOMAIN.name)}
    ]


def services(settings: Settings) -> Services:
    """Returns what commands work with: the same objects that a run has."""
    return Services(settings, SOURCES)


def _google_cloud(settings: Settings) -> dict[str, Any]:
    if settings.target == "duckdb":
        return {}
    from mdp_dagster.orchestration.bigquery_resource import bigquery_resource  # imported lazily: it takes a second

    return {"bigquery": bigquery_resource(load_google_cloud_settings())}


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions for the settings of the environment. Dagster loads this function."""
    return build_definitions(load_settings())
