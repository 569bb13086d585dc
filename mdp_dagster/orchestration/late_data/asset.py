"""The probe as an asset. It is materialized only when there are late days; its event lists them."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timezone

import dagster as dg

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.lateness import LateDay
from mdp_dagster.ingest.probe import ProbeResult, ProbeRun, probe
from mdp_dagster.ingest.tables import EXTRACTS
from mdp_dagster.ingest.watched_reports import WatchedReports
from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.domain import LATE_DATA, OWNERS, Domain
from mdp_dagster.orchestration.late_data.first_probes import FirstProbes
from mdp_dagster.orchestration.late_data.payload import METADATA_KEY, LateDays
from mdp_dagster.orchestration.late_data.reload_times import ReloadTimes
from mdp_dagster.orchestration.partitions import SINGLE_RUN, today
from mdp_dagster.orchestration.services import Services
from mdp_dagster.window import DateWindow

_STATE_KEY = "first_probes"


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
            f"Which days of {details} are late. Extracts `{totals.table}` of every account that is due, over its whole "
            f"lookback ({totals.lookback_days} days, unless its client has its own), and compares it with the "
            "ledger. A run of the schedule skips an account until its next interval of "
            "MDP_RELOAD_CADENCE begins. **Materialized only when there are late days**; the sensor reads them from the "
            "event. Does not have a table."
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
        key, began = dg.AssetKey(late_days_name(source)), datetime.now(timezone.utc)
        before = _first_probes(context.instance, key, ReloadTimes.of(services.settings))
        run = ProbeRun(context.run.run_id)
        if run_tags.DUE_ACCOUNTS in context.run.tags:
            run = ProbeRun(context.run.run_id, lambda account_id, length: before.is_due(account_id, length, began))
        probed = probe(services.connector(source), watched, days, services.stores(), run)
        ended = datetime.now(timezone.utc)
        after = before.after(probed.answered, probed.late, began, ended)
        skipped_until = _skipped_until(probed, after, began)
        skipped = _skipped(probed, skipped_until)
        for account in probed.totals.failed:
            context.log.warning(f"{account.account_id} {account.name}: {account.failure}")
        if skipped_until:
            context.log.info(
                f"{len(probed.skipped)} of {len(probed.accounts)} accounts are skipped until "
                f"{skipped_until:%Y-%m-%d %H:%M} UTC: their current intervals of MDP_RELOAD_CADENCE were probed"
            )
        if after != before:
            state = dg.MetadataValue.json(after.to_json())
            context.log_event(dg.AssetObservation(key, metadata={**skipped, _STATE_KEY: state}))
        # one event for each day that changed, none for days that did not
        for day, accounts in sorted(_changed(probed).items()):
            context.log_event(_materialization(totals, probed, day, accounts))
        if probed.late:
            zones = {account.account_id: account.time_zone for account in probed.accounts}
            late = [after.dated(day, zones.get(day.account_id, ""), ended) for day in probed.late]
            yield dg.MaterializeResult(metadata={**_metadata(probed, late), **skipped})
        else:
            context.log.info("no late days: nothing is materialized")

    return late_days


def _first_probes(instance: dg.DagsterInstance, key: dg.AssetKey, times: ReloadTimes) -> FirstProbes:
    """Returns when each account was first probed in the current intervals, from the newest observation."""
    records = instance.fetch_observations(key, limit=1).records
    observation = records[0].asset_observation if records else None
    state = observation.metadata.get(_STATE_KEY) if observation else None
    return FirstProbes.from_json(times, state.value if state else None)


def _skipped_until(probed: ProbeResult, first: FirstProbes, now: datetime) -> datetime | None:
    """Returns when the first of the skipped accounts is due; None if none was skipped."""
    return min((first.next_at(length, now) for length in set(probed.skipped.values())), default=None)


def _skipped(probed: ProbeResult, until: datetime | None) -> dict[str, dg.MetadataValue]:
    """Returns how many accounts were probed and skipped, and until when, as metadata."""
    metadata: dict[str, dg.MetadataValue] = {
        "accounts_probed": dg.MetadataValue.int(len(probed.accounts) - len(probed.skipped)),
        "accounts_skipped": dg.MetadataValue.int(len(probed.skipped)),
    }
    if until:
        metadata["skipped_until"] = dg.MetadataValue.timestamp(until)
    return metadata


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


def _metadata(probed: ProbeResult, days: Iterable[LateDay]) -> dict[str, dg.MetadataValue]:
    late = LateDays(
        tuple(days),
        {account.account_id: account.currency for account in probed.accounts},
        frozenset(name for name, amount in probed.totals.report.amounts.items() if amount.is_money),
        {account.account_id: account.time_zone for account in probed.accounts},
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
