"""The ads domain and its platforms. One name here adds a platform: its folder in `connectors/` declares the rest."""

from __future__ import annotations

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.connectors.sources import Source, sources
from mdp_dagster.orchestration.domain import Domain

ADS = Domain("ads")

AD_PLATFORMS: tuple[Source, ...] = sources(
    "google_ads",
    "meta_ads",
)

PLATFORM_NAMES: tuple[str, ...] = tuple(platform.name for platform in AD_PLATFORMS)
REPORTS: tuple[DayReport, ...] = tuple(report for platform in AD_PLATFORMS for report in platform.reports)

# For late data: the account totals that the probe extracts, and the report that is reloaded when they change.
PROBES: tuple[tuple[DayReport, DayReport], ...] = tuple(
    (platform.report("account_daily"), platform.report("campaign_daily")) for platform in AD_PLATFORMS
)
