"""The ads domain and its platforms. One name here adds a platform: its folder in `connectors/` declares the rest."""

from __future__ import annotations

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.connectors.sources import Source, sources
from mdp_dagster.ingest.watched_reports import DetailReport, ReconciledBy, ShownBy, WatchedReports
from mdp_dagster.orchestration.domain import Domain

ADS = Domain("ads")

AD_PLATFORMS: tuple[Source, ...] = sources(
    "google_ads",
    "meta_ads",
)

PLATFORM_NAMES: tuple[str, ...] = tuple(platform.name for platform in AD_PLATFORMS)
REPORTS: tuple[DayReport, ...] = tuple(report for platform in AD_PLATFORMS for report in platform.reports)

_TOTALS = "account_daily"
SHOWN_BY = ShownBy(
    "mart_campaign__daily",
    source_column="platform",
    facts_column="facts_digest",
    changes_table="mart_campaign__restatements",
    measured_days=180,  # maturity_history_days in dbt/dbt_project.yml
)
"""The mart that shows the campaigns."""
_SHOWN_BY = {"campaign_daily": SHOWN_BY}
_RECONCILED_BY = {"campaign_daily": ReconciledBy("int_account__reconciliation", source_column="platform")}

# For late data: the account totals that the probe extracts, and all other reports, which are reloaded when they change.
PROBES: tuple[WatchedReports, ...] = tuple(
    WatchedReports(
        platform.report(_TOTALS),
        tuple(
            DetailReport(report, _SHOWN_BY.get(report.name), _RECONCILED_BY.get(report.name))
            for report in platform.reports
            if report.name != _TOTALS
        ),
    )
    for platform in AD_PLATFORMS
)
