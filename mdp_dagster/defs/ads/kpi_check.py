"""The check that lists the campaigns that miss their KPI targets, and warns of those that did not miss them before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from mdp_dagster.defs.ads.kpis import KPIS, CampaignTotals, Judged, Verdict, judge, shown, worst_first
from mdp_dagster.orchestration.partitions import today
from mdp_dagster.orchestration.services import Services
from mdp_dagster.settings import Settings
from mdp_dagster.warehouse.base import MARTS, Warehouse, in_window
from mdp_dagster.window import DateWindow

NO_NEW_MISSES = "no_new_kpi_misses"
DAYS = 28
"""A campaign is judged on its sums over this number of days: four times each weekday."""

ASSUMED_COMPLETENESS = {1: 0.5, 3: 0.55, 7: 0.65, 14: 0.75, 28: 0.85}
"""By age in days: assumed for a day of which nothing is measured yet. Lower than what ad accounts usually have."""

DESCRIPTION = (
    "No campaign misses a KPI target that it did not miss the day before. All misses are listed, the worst first. "
    f"The last {DAYS} days that are over in the account's time zone are judged at equal maturity: a campaign misses a "
    "target only if it also misses it with the most conversions that will probably have arrived when all days are "
    "final."
)

_LISTED = 25
_NAME_CHARACTERS = 24
_MISSED = "missed"
# Several runs a day leave an evaluation each.
_EVALUATIONS_READ = 100
_METHOD = (
    f"Sums over the last {DAYS} days that are over in the account's time zone. `worst_misses_in_detail` has all "
    "figures. `value` has the conversions so far. "
    "`at_best` has the most conversions that will probably have arrived when all days are final. A campaign misses its "
    "target if `at_best` misses it. `completeness` is the share of conversions that has usually arrived, measured on "
    "the final days of the account, otherwise of the platform, and assumed while there are none (`measured_on`). "
    "Clicks are link clicks. Conversions count on the day of `conversion_dating`: Google's on the day of the click, so "
    "CPA divides the spend by what it has bought; Meta's on the day of the conversion."
)
_SOURCES = ("final", "account", "platform", "assumed")


def kpi_result(context: dg.AssetCheckExecutionContext, services: Services, mart: str) -> dg.AssetCheckResult:
    """Judges all campaigns, and compares the misses with those of the newest evaluation before today.

    Args:
        context: The check's run.
        services: The run's services.
        mart: The mart by campaign and day, which is also the asset.
    """
    window = judged_window(services.settings)
    totals = campaign_totals(services.warehouse, mart, window)
    verdicts = [judge(kpi, totals, services.clients) for kpi in KPIS]
    before = _missed_before(context.instance, dg.AssetCheckKey(dg.AssetKey(mart), NO_NEW_MISSES), services.settings)
    misses = worst_first(miss for verdict in verdicts for miss in verdict.missed)
    new = [miss for miss in misses if miss.key not in before]
    return dg.AssetCheckResult(
        check_name=NO_NEW_MISSES,
        asset_key=mart,
        passed=not new,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "judged_days": str(window),
            "judged_by": dg.MetadataValue.md(_METHOD),
            "kpis": dg.MetadataValue.table([_kpi_record(verdict) for verdict in verdicts]),
            "misses": len(misses),
            "new_misses": len(new),
            "ended_misses": len(before - {miss.key for miss in misses}),
            "misses_not_listed": max(len(misses) - _LISTED, 0),
            **({"worst_misses": _table(misses, new), "worst_misses_in_detail": _details(misses)} if misses else {}),
            _MISSED: dg.MetadataValue.json(sorted(miss.key for miss in misses)),
        },
    )


def judged_window(settings: Settings) -> DateWindow:
    """Returns the days before today, and today: in some time zones it may be over. The query leaves out running days.

    It does not depend on the run's window: a run over one old day must not hide the morning's result.
    """
    now = today(settings)
    return DateWindow.of_days(now - timedelta(days=DAYS), now)


def campaign_totals(warehouse: Warehouse, mart: str, window: DateWindow) -> list[CampaignTotals]:
    """Returns the sums of each campaign over the days that were over, in the account's time zone, when extracted."""
    rows = warehouse.query(
        f"""
        select
            client_id, platform, campaign_id, max(campaign_name) as campaign_name, sum(impressions) as impressions,
            sum(link_clicks) as clicks, sum(conversions) as conversions,
            case
                when count(spend_reporting) = count(*) and count(distinct reporting_currency) = 1
                    then sum(spend_reporting)
            end as spend,
            sum(link_clicks * case
                when is_final then 1
                when expected_completeness is not null then expected_completeness
                -- measured, and nothing had arrived at this age
                when completeness_source is not null then 0
                else case {_assumed()} else 0 end
            end) as complete_clicks,
            max(case
                when is_final then 0
                when completeness_source = 'account' then 1
                when completeness_source is not null or expected_completeness is not null then 2
                else 3
            end) as weakest_source,
            count(*) as days
        from {MARTS}.{mart}
        where {in_window(window)} and age_days >= 1
            -- rows that were built before the mart had link clicks
            and link_clicks is not null
        group by client_id, platform, campaign_id
        """
    ).to_pylist()
    return [totals_of(row) for row in rows]


def _assumed() -> str:
    ages = sorted(ASSUMED_COMPLETENESS.items(), reverse=True)
    return " ".join(f"when age_days >= {age} then {share}" for age, share in ages)


def totals_of(row: dict[str, Any]) -> CampaignTotals:
    """Returns the totals in a row of the mart's sums."""
    clicks = int(row["clicks"])
    return CampaignTotals(
        client_id=row["client_id"],
        platform=row["platform"],
        campaign_id=row["campaign_id"],
        campaign_name=row["campaign_name"] or "",
        impressions=int(row["impressions"]),
        clicks=clicks,
        conversions=float(row["conversions"]),
        spend=None if row["spend"] is None else float(row["spend"]),
        completeness=float(row["complete_clicks"]) / clicks if clicks > 0 else 0.0,
        measured_on=_SOURCES[int(row["weakest_source"])],
        days=int(row["days"]),
    )


def _missed_before(instance: dg.DagsterInstance, check: dg.AssetCheckKey, settings: Settings) -> set[str]:
    """Returns the misses in the newest evaluation before today, so that a second run today warns of the same ones.

    Empty without such an evaluation: all misses are new.
    """
    midnight = datetime.combine(today(settings), time(), ZoneInfo(settings.timezone)).timestamp()
    history = instance.event_log_storage.get_asset_check_execution_history(check, limit=_EVALUATIONS_READ)
    for record in history:
        event = record.event
        if event is None or event.dagster_event is None or event.timestamp >= midnight:
            continue
        found = event.dagster_event.asset_check_evaluation_data.metadata.get(_MISSED)
        return set(_texts(found.value)) if found is not None else set()
    return set()


def _texts(value: Any) -> Collection[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _kpi_record(verdict: Verdict) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "kpi": verdict.kpi.name,
            "miss": len(verdict.missed),
            "meet": len(verdict.judged) - len(verdict.missed),
            "undecided": verdict.undecided,
            "not_judged": verdict.too_small,
            "share_meeting_target": None if verdict.share is None else round(verdict.share, 4),
        }
    )


def _table(misses: Sequence[Judged], new: Collection[Judged]) -> dg.TableMetadataValue:
    """Returns the misses in six columns: a wider table does not fit on Dagster's page of a check."""
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "new": miss in new,
                    "client": miss.totals.client_id,
                    "campaign": _short(miss.totals.campaign_name or miss.totals.campaign_id),
                    "kpi": miss.kpi.name,
                    "value": shown(miss.value),
                    "target": miss.target,
                }
            )
            for miss in misses[:_LISTED]
        ]
    )


def _short(name: str) -> str:
    return name if len(name) <= _NAME_CHARACTERS else f"{name[: _NAME_CHARACTERS - 1]}…"


def _details(misses: Sequence[Judged]) -> dg.MarkdownMetadataValue:
    """Returns everything that is known about the misses. The page shows it after a click, in its full width."""
    records = [
        {
            "client": miss.totals.client_id,
            "platform": miss.totals.platform,
            "campaign": miss.totals.campaign_name,
            "campaign_id": miss.totals.campaign_id,
            "kpi": miss.kpi.name,
            "value": shown(miss.value),
            "at_best": shown(miss.at_best),
            "target": miss.target,
            "days_judged": miss.totals.days,
            "impressions": miss.totals.impressions,
            "clicks": miss.totals.clicks,
            "conversions": round(miss.totals.conversions, 2),
            "completeness": round(miss.totals.completeness, 2),
            "measured_on": miss.totals.measured_on,
        }
        for miss in misses[:_LISTED]
    ]
    lines = [[*records[0]], ["---"] * len(records[0]), *(list(map(_cell, record.values())) for record in records)]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())
