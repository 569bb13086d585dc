"""The probe as an asset: it is materialized when there are late days, and its event says which."""

from collections.abc import Iterator
from datetime import date
from functools import partial

import dagster as dg

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.probe import Probed, probe
from mdp_dagster.ingest.tables import EXTRACTS
from mdp_dagster.orchestration.domain import LATE_DATA, OWNERS, Domain
from mdp_dagster.orchestration.late_data.payload import METADATA_KEY, LateDays
from mdp_dagster.orchestration.partitions import SINGLE_RUN, today
from mdp_dagster.orchestration.services import Services
from mdp_dagster.warehouse.base import MARTS, Warehouse, in_window
from mdp_dagster.window import DateWindow

_MART = "mart_campaign__daily"


def late_days_name(source: str) -> str:
    """The name of the asset whose materializations say which days of a platform are late."""
    return f"{source}__late_days"


def late_days_asset(totals: DayReport, report: DayReport, domain: Domain) -> dg.AssetsDefinition:
    """The late days of ``report``, found by pulling ``totals`` over the whole lookback."""

    @dg.asset(
        name=late_days_name(report.source),
        group_name=domain.group(LATE_DATA),
        tags=domain.tags(LATE_DATA),
        description=(
            f"Which days of `{report.table}` are behind what the platform says. Pulls `{totals.table}` of every "
            f"account for its whole lookback ({totals.lookback_days} days, unless its client has its own) and compares "
            "with what stands. **Materialized only when there are late days**; the sensor reads them from the event. "
            "No table."
        ),
        deps=[totals.table, report.table, EXTRACTS.name],
        output_required=False,
        backfill_policy=SINGLE_RUN,  # or a range of `*` is refused: all that is selected must be able to run at once
        required_resource_keys={"services"},
        owners=OWNERS,
        kinds={"python", report.source.split("_")[0]},
    )
    def late_days(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        services: Services = context.resources.services
        days = DateWindow.of_days(services.settings.start_date, today(services.settings))
        connector = services.connector(report.source)
        shown = partial(_shown, services.warehouse)
        probed = probe(connector, totals, report, days, services.stores(), context.run.run_id, shown)
        for account in probed.result.failed:
            context.log.warning(f"{account.account_id} {account.name}: {account.failure}")
        # one event for each day that changed, none for those that were looked at
        for day, accounts in sorted(_changed(probed).items()):
            context.log_event(_materialization(totals, probed, day, accounts))
        if probed.late:
            yield dg.MaterializeResult(metadata=_metadata(probed))
        else:
            context.log.info("no late days: nothing is materialized")

    return late_days


def _shown(warehouse: Warehouse, window: DateWindow) -> str:
    """The query for the extract runs whose rows the campaigns' mart shows; of none while there is no mart."""
    if not warehouse.has_table(MARTS, _MART):
        return f"select account_id, date, extract_run_id from {EXTRACTS.id} where {in_window(window)} and false"
    return f"""
        select account_id, date, extract_run_id
        from {MARTS}.{_MART}
        where {in_window(window)} and platform = $source
    """


def _changed(probed: Probed) -> dict[date, list[str]]:
    changed: dict[date, list[str]] = {}
    for account in probed.result.accounts.values():
        for day in account.loaded_days:
            changed.setdefault(day, []).append(account.account_id)
    return changed


def _materialization(totals: DayReport, probed: Probed, day: date, accounts: list[str]) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        asset_key=totals.table,
        partition=day.isoformat(),
        description="The probe found new totals.",
        metadata={
            "accounts_changed": dg.MetadataValue.int(len(accounts)),
            "extract_run_id": dg.MetadataValue.text(probed.result.extract_run_id),
        },
    )


def _metadata(probed: Probed) -> dict[str, dg.MetadataValue]:
    late = LateDays(
        tuple(probed.late),
        {account.account_id: account.currency for account in probed.result.accounts.values()},
        frozenset(name for name, amount in probed.result.report.amounts.items() if amount.is_money),
    )
    return {
        "reason": dg.MetadataValue.text(late.reason()),
        "moved": dg.MetadataValue.text(late.moved()),
        "windows": dg.MetadataValue.text(", ".join(map(str, late.windows()))),
        "accounts": dg.MetadataValue.int(len(late.accounts())),
        "accounts_failed": dg.MetadataValue.int(len(probed.result.failed)),
        "extract_run_id": dg.MetadataValue.text(probed.result.extract_run_id),
        METADATA_KEY: dg.MetadataValue.json(late.to_json()),
    }
