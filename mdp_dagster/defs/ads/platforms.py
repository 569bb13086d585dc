"""The list of ad platforms. One entry here, a dbt staging folder and a sandbox server make a platform."""

from __future__ import annotations

from mdp_dagster.connectors.base import DataSourceConnector, Report
from mdp_dagster.connectors.google_ads import GoogleAdsConnector
from mdp_dagster.connectors.meta_ads import MetaAdsConnector

AD_PLATFORMS: tuple[type[DataSourceConnector], ...] = (GoogleAdsConnector, MetaAdsConnector)

SOURCES: tuple[str, ...] = tuple(platform.source for platform in AD_PLATFORMS)
REPORTS: tuple[Report, ...] = tuple(report for platform in AD_PLATFORMS for report in platform.reports)

# What is watched for late data: a platform's account totals, and the report that is reloaded when they move.
PROBES: tuple[tuple[Report, Report], ...] = tuple(
    (platform.report("account_daily"), platform.report("campaign_daily")) for platform in AD_PLATFORMS
)
