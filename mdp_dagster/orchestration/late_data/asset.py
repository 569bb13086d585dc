"""The probe as an asset. It is materialized only when there are late days; its event lists them."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.probe import ProbeResult, probe
from mdp_dagster.ingest.tables import EXTRACTS
from mdp_dagster.ingest.watched_reports import WatchedReports
from mdp_dagster.orchestration.domain import LATE_DATA, OWNERS, Domain
from mdp_dagster.orchestration.late_data.payload import METADATA_KEY, LateDays
from mdp_dagster.orchestration.partitions import SINGLE_RUN, today
from mdp_dagster.orchestration.services import Services
from mdp_dagster.window import DateWindow


def late_days_name(source: str) -> str:
    """Returns the name of a source's late-days asset. Its materializations list the late days."""
    return f"{source}__late_days"


def late_days_asset(watched: WatchedReports, domain: Domain) -> dg.AssetsDefinition:
    """Returns the asset that extracts the totals over the whole lookback and finds the late days."""
    totals, source = watched.totals, watched.source
    details = ", ".join(f"`{table}`" for table in watched.detail_tables)

    @dg.asset(
        name=late_days_name(source),
        group_name=domain.group(LATE_DATA),
        tags=domain.tags(LATE_DATA),
        description=(
            f"Which days of {details} are older than the account totals. Extracts `{totals.table}` of every account "
            f"for its whole lookback ({totals.lookback_days} days, unless its client has its own) and compares it with "
            "the ledger. **Materialized only when there are late days**; the sensor reads them from the event. "
            "Does not have a table."
        ),
        # After everything that it judges: in a run of all assets, it must see the marts that this run builds.
        deps=[totals.table, *watched.detail_tables, *watched.judged_tables, EXTRACTS.name],
        output_required=False,
        backfill_policy=SINGLE_RUN,  # Dagster refuses a backfill of `*` unless every asset in it can run as one run.
        required_resource_keys={"services"},
        owners=OWNERS,
        kinds={"python", source.split("_")[0]},
    )
    def late_days(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        services: Services = context.resources.services
        days = DateWindow.of_days(services.settings.start_date, today(services.settings))
        probed = probe(services.connector(source), watched, days, services.stores(), context.run.run_id)
        for account in probed.totals.failed:
            context.log.warning(f"{account.account_id} {account.name}: {account.failure}")
        # one event for each day that changed, none for days that did not
        for day, accounts in sorted(_changed(probed).items()):
            context.log_event(_materialization(totals, probed, day, accounts))
        if probed.late:
            yield dg.MaterializeResult(metadata=_metadata(probed))
        else:
            context.log.info("no late days: nothing is materialized")

    return late_days


def _changed(probed: ProbeResult) -> dict[date, list[str]]:
    """Returns the accounts with new totals, by day."""
    changed: dict[date, list[str]] = {}
    for account in probed.totals.accounts.values():
        for day in account.loaded_days:
            changed.setdefault(day, []).append(account.account_id)
    return changed


def _materialization(totals: DayReport, probed: ProbeResult, day: date, accounts: list[str]) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        asset_key=totals.table,
        partition=day.isoformat(),
        description="The probe found new totals.",
        metadata={
            "accounts_changed": dg.MetadataValue.int(len(accounts)),
            "extract_run_id": dg.MetadataValue.text(probed.totals.extract_run_id),
        },
    )


def _metadata(probed: ProbeResult) -> dict[str, dg.MetadataValue]:
    late = LateDays(
        tuple(probed.late),
        {account.account_id: account.currency for account in probed.totals.accounts.values()},
        frozenset(name for name, amount in probed.totals.report.amounts.items() if amount.is_money),
        probed.time_zones,
    )
    return {
        "reason": dg.MetadataValue.text(late.reason()),
        "moved": dg.MetadataValue.text(late.moved()),
        "windows": dg.MetadataValue.text(", ".join(map(str, late.windows()))),
        "accounts": dg.MetadataValue.int(len(late.accounts())),
        "accounts_failed": dg.MetadataValue.int(len(probed.totals.failed)),
        "extract_run_id": dg.MetadataValue.text(probed.totals.extract_run_id),
        METADATA_KEY: dg.MetadataValue.json(late.to_json()),
    }
