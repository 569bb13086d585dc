"""The checks on `mart_campaign__daily` for KPI targets and volume, in one step with two queries."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg

from mdp_dagster.defs.ads.kpi_check import DESCRIPTION, NO_NEW_MISSES, kpi_result
from mdp_dagster.defs.ads.volume import WEEKS, odd_days
from mdp_dagster.orchestration.partitions import run_window, today
from mdp_dagster.orchestration.services import Services
from mdp_dagster.warehouse.base import MARTS, in_window
from mdp_dagster.window import DateWindow

MART = "mart_campaign__daily"
VOLUME = "volume_like_same_weekday"
_NEWEST = 10


def daily_window_check_keys() -> list[dg.AssetCheckKey]:
    """Returns the checks that are about the morning, not about the days of a reload: KPI targets and volume."""
    return [dg.AssetCheckKey(dg.AssetKey(MART), name) for name in (NO_NEW_MISSES, VOLUME)]


def campaign_checks() -> dg.AssetChecksDefinition:
    """The checks of the campaigns' mart."""
    specs = [
        dg.AssetCheckSpec(NO_NEW_MISSES, asset=MART, description=DESCRIPTION),
        dg.AssetCheckSpec(
            VOLUME,
            asset=MART,
            description=f"Each account has about as many rows as on the same weekday of the {WEEKS} weeks before.",
        ),
    ]

    @dg.multi_asset_check(name="campaign_checks", specs=specs, required_resource_keys={"services"})
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        services: Services = context.resources.services
        yield kpi_result(context, services, MART)
        yield _volume_result(services, _settled(services, run_window(context.run.tags, services.settings)))

    return checks


def _settled(services: Services, window: DateWindow) -> DateWindow | None:
    """Returns the window without today, which is not complete yet; None if no day is left."""
    end = min(window.end, today(services.settings))
    return DateWindow(window.start, end) if end > window.start else None


def _volume_result(services: Services, window: DateWindow | None) -> dg.AssetCheckResult:
    odd = odd_days(_row_counts(services, window), window) if window else []
    table = [
        dg.TableRecord(
            {
                "platform": o.platform,
                "account_id": o.account_id,
                "date": str(o.date),
                "rows": o.rows,
                "usual": o.usual,
            }
        )
        for o in sorted(odd, key=lambda oddity: oddity.date, reverse=True)[:_NEWEST]
    ]
    return dg.AssetCheckResult(
        check_name=VOLUME,
        asset_key=MART,
        passed=not odd,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "window": str(window or "today only: nothing to judge yet"),
            "odd_days": len(odd),
            **({"newest": dg.MetadataValue.table(table)} if table else {}),
        },
    )


def _row_counts(services: Services, window: DateWindow) -> dict[tuple[str, str, Any], int]:
    history = DateWindow(window.start - timedelta(weeks=WEEKS), window.end)
    rows = services.warehouse.query(
        f"""
        select platform, account_id, date, count(*) as row_count
        from {MARTS}.{MART}
        where {in_window(history)}
        group by platform, account_id, date
        """
    ).to_pylist()
    return {(row["platform"], row["account_id"], row["date"]): row["row_count"] for row in rows}
