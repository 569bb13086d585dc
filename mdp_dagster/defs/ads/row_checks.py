"""The check that every step from the ledger to the mart has the same number of rows, and the mart as many keys."""

import dagster as dg

from mdp_dagster.defs.ads.campaign_checks import MART
from mdp_dagster.orchestration.partitions import run_window
from mdp_dagster.orchestration.services import Services
from mdp_dagster.warehouse.base import MARTS, STAGING, in_window
from mdp_dagster.window import DateWindow

ROWS = "row_counts_match"

# The steps in order. The first is the number of rows that the platform sent, from the ledger.
_STEPS = ("in_ledger", "in_raw", "staged", "unified", "in_mart", "keys_in_mart")


def rows_check() -> dg.AssetChecksDefinition:
    """The check for missing rows."""

    @dg.asset_check(
        name=ROWS,
        asset=MART,
        description=(
            "Every step from raw to the mart has as many campaign rows as the platform sent, and the mart has as many "
            "keys (date, platform, campaign) as rows. Counted for each platform, over the run's window."
        ),
        required_resource_keys={"services"},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        services: Services = context.resources.services
        window = run_window(context.run.tags, services.settings)
        counts = _counts(services, window)
        differing = [platform for platform, steps in counts.items() if len(set(steps)) > 1]
        records = [
            dg.TableRecord({"platform": platform, **dict(zip(_STEPS, steps, strict=True))})
            for platform, steps in counts.items()
        ]
        return dg.AssetCheckResult(
            passed=not differing,
            metadata={
                "window": str(window),
                "platforms_that_differ": ", ".join(differing) or "none",
                **({"rows": dg.MetadataValue.table(records)} if records else {}),
            },
        )

    return check


def _counts(services: Services, window: DateWindow) -> dict[str, tuple[int, ...]]:
    counted = ", ".join(f"coalesce({step}, 0) as {step}" for step in _STEPS)
    rows = services.warehouse.query(
        f"""
        with steps as (
            select
                platform, sum(rows_in_ledger) as in_ledger, sum(rows_in_raw) as in_raw, sum(rows_staged) as staged,
                sum(rows_unified) as unified
            from {STAGING}.int_account__reconciliation
            where {in_window(window)} and metric = 'spend'
            group by platform
        ),
        mart_keys as (
            select platform, count(*) as row_count
            from {MARTS}.{MART}
            where {in_window(window)}
            group by date, platform, campaign_id
        ),
        mart as (
            select platform, sum(row_count) as in_mart, count(*) as keys_in_mart
            from mart_keys
            group by platform
        )
        select coalesce(steps.platform, mart.platform) as platform, {counted}
        from steps
        full outer join mart on steps.platform = mart.platform
        order by 1
        """
    ).to_pylist()
    return {row["platform"]: tuple(int(row[step]) for step in _STEPS) for row in rows}
