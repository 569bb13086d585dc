"""The shop domain in Dagster. Only this file lists its sources, assets, checks, jobs, schedules and sensors."""

import dagster as dg

from mdp_dagster.defs.shop.freshness import fresh_check
from mdp_dagster.defs.shop.jobs import freshness_job, freshness_schedule, shop_daily_job, shop_daily_schedule
from mdp_dagster.defs.shop.looker_csv import looker_csv_asset
from mdp_dagster.defs.shop.morning_mail import morning_mail_asset
from mdp_dagster.defs.shop.orders_sync import orders_sync_asset
from mdp_dagster.defs.shop.raw_tables import raw_tables_asset
from mdp_dagster.defs.shop.reconciliation import reconciliation_check
from mdp_dagster.defs.shop.shop_systems import SHOP, SHOP_SYSTEMS
from mdp_dagster.orchestration.document_models import document_models
from mdp_dagster.settings import Settings
from mdp_dagster.transform.project import ParsedProject

DOMAIN = SHOP
SOURCES = SHOP_SYSTEMS


def definitions(settings: Settings, project: ParsedProject) -> dg.Definitions:
    """Returns the definitions of the domain, in the order of the data flow.

    Args:
        settings: MDP's settings.
        project: The parsed dbt project of all domains. The domain takes the models that have its tag.
    """
    nightly, freshness = shop_daily_job(), freshness_job()
    return dg.Definitions(
        assets=[
            orders_sync_asset(),
            raw_tables_asset(),
            document_models(project, SHOP),
            looker_csv_asset(),
            morning_mail_asset(),
        ],
        asset_checks=[fresh_check(), reconciliation_check()],
        jobs=[nightly, freshness],
        schedules=[shop_daily_schedule(settings, nightly), freshness_schedule(settings, freshness)],
    )
