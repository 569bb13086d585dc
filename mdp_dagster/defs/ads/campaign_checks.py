"""The checks on `mart_campaign__daily` for KPI targets and volume, in one step with two queries."""

from collections.abc import Iterator
from datetime import timedelta
from math import isfinite
from typing import Any

import dagster as dg

from mdp_dagster.defs.ads.kpis import KPIS, Kpi, Verdict, judge, totals_of
from mdp_dagster.defs.ads.volume import WEEKS, odd_days
from mdp_dagster.orchestration.partitions import run_window, today
from mdp_dagster.orchestration.services import Services
from mdp_dagster.warehouse.base import MARTS, in_window
from mdp_dagster.window import DateWindow

MART = "mart_campaign__daily"
VOLUME = "volume_like_same_weekday"
_WORST = 10

_KPI_NOTE = (
    " For each campaign, over the run's window without today. The targets are in clients.yaml, by client and platform. "
    "Campaigns with too few impressions or clicks are not judged."
)


def daily_window_check_keys() -> list[dg.AssetCheckKey]:
    """Returns the checks that are about the daily run's window: KPI targets and volume."""
    return [dg.AssetCheckKey(dg.AssetKey(MART), name) for name in (*(kpi.name for kpi in KPIS), VOLUME)]


def campaign_checks() -> dg.AssetChecksDefinition:
    """The checks of the campaigns' mart."""
    specs = [
        *(dg.AssetCheckSpec(kpi.name, asset=MART, description=kpi.description + _KPI_NOTE) for kpi in KPIS),
        dg.AssetCheckSpec(
            VOLUME,
            asset=MART,
            description=f"Each account has about as many rows as on the same weekday of the {WEEKS} weeks before.",
        ),
    ]

    @dg.multi_asset_check(name="campaign_checks", specs=specs, required_resource_keys={"services"})
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        services: Services = context.resources.services
        window = _settled(services, run_window(context.run.tags, services.settings))
        totals = [totals_of(row) for row in _campaign_sums(services, window)] if window else []
        for kpi in KPIS:
            yield _kpi_result(kpi, judge(kpi, totals, services.clients), window)
        yield _volume_result(services, window)

    return checks


def _settled(services: Services, window: DateWindow) -> DateWindow | None:
    """Returns the window without today, which is not complete yet; None if no day is left."""
    end = min(window.end, today(services.settings))
    return DateWindow(window.start, end) if end > window.start else None


def _campaign_sums(services: Services, window: DateWindow) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = services.warehouse.query(
        f"""
        select
            client_id, platform, campaign_id, max(campaign_name) as campaign_name, sum(impressions) as impressions,
            sum(clicks) as clicks, sum(conversions) as conversions,
            case when count(spend_reporting) = count(*) then sum(spend_reporting) end as spend
        from {MARTS}.{MART}
        where {in_window(window)}
        group by client_id, platform, campaign_id
        """
    ).to_pylist()
    return rows


def _kpi_result(kpi: Kpi, verdict: Verdict, window: DateWindow | None) -> dg.AssetCheckResult:
    worst = [
        dg.TableRecord(
            {
                "client": judged.totals.client_id,
                "platform": judged.totals.platform,
                "campaign_id": judged.totals.campaign_id,
                "campaign": judged.totals.campaign_name,
                # JSON has no infinity, so a CPA without any conversion is empty.
                "value": round(judged.value, 4) if isfinite(judged.value) else None,
                "target": judged.target,
            }
        )
        for judged in verdict.missed[:_WORST]
    ]
    return dg.AssetCheckResult(
        check_name=kpi.name,
        asset_key=MART,
        passed=not verdict.missed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "window": str(window or "today only: nothing to judge yet"),
            "campaigns_judged": len(verdict.judged),
            "campaigns_not_judged": verdict.not_judged,
            **({"share_meeting_target": round(verdict.share, 4)} if verdict.share is not None else {}),
            **({"worst_campaigns": dg.MetadataValue.table(worst)} if worst else {}),
        },
    )


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
        for o in sorted(odd, key=lambda oddity: oddity.date, reverse=True)[:_WORST]
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
