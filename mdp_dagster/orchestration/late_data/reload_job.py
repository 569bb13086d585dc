"""The job that reloads late days."""

from collections.abc import Collection
from typing import Any

import dagster as dg

from mdp_dagster.ingest.watched_reports import WatchedReports
from mdp_dagster.orchestration.domain import LATE_DATA, STAGING, Domain


def late_data_job(watched: WatchedReports, domain: Domain, left_out_checks: Collection[dg.AssetCheckKey] = ()) -> Any:
    """Returns the job that reloads days of the detail reports and rebuilds the domain's assets that depend on them.

    The job builds the staging models of all sources: a model that reads several sources must not read one that is older
    than its raw table. The totals are not extracted again, because the probe has extracted them.

    Args:
        watched: The account totals, and the detail reports to reload.
        domain: The domain of these reports. The job does not select other domains' assets.
        left_out_checks: Checks that are about the daily run's window, not about the reloaded days.
    """
    totals = watched.totals.table
    extracted = dg.AssetSelection.assets(totals, *watched.detail_tables)
    return dg.define_asset_job(
        f"{watched.source}_late_data",
        selection=((extracted.downstream() & domain.assets()) | domain.layer(STAGING))
        - dg.AssetSelection.assets(totals)
        - domain.layer(LATE_DATA)
        - dg.AssetSelection.checks(*left_out_checks),
        description=(
            f"Extract late days of {', '.join(watched.detail_tables)} again, for the accounts and days in the run's "
            "config, and rebuild the models that depend on them."
        ),
    )
