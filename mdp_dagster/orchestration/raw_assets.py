"""Raw assets: one for each report of each source."""

import dagster as dg

from mdp_dagster.connectors.base import DayReport
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.result import IngestResult
from mdp_dagster.ingest.tables import report_table
from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.account_days import CONFIG_SCHEMA, days_in
from mdp_dagster.orchestration.carried_failures import failures_of_other_accounts
from mdp_dagster.orchestration.domain import OWNERS, RAW, Domain
from mdp_dagster.orchestration.partitions import SINGLE_RUN, run_window
from mdp_dagster.orchestration.raw_checks import check_results, check_specs
from mdp_dagster.orchestration.run_chain import unfinished_before
from mdp_dagster.orchestration.services import Services

# The number of times that a run waits for a quota before it fails. The source's answer states the delay.
_QUOTA_RETRIES = 3


def raw_asset(report: DayReport, domain: Domain, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """Returns the asset of a report's append-only raw table."""

    @dg.asset(
        name=report.table,
        group_name=domain.group(RAW),
        tags=domain.tags(RAW),
        description=_description(report),
        partitions_def=partitions,
        backfill_policy=SINGLE_RUN,
        check_specs=check_specs(report),
        config_schema=CONFIG_SCHEMA,
        required_resource_keys={"services"},
        owners=OWNERS,
        kinds={"python", "parquet", report.source.split("_")[0]},
        metadata={
            "dagster/table_name": report_table(report).id,
            "dagster/column_schema": _column_schema(report),
            "grain": report.grain,
            "lookback_days": report.lookback_days,
        },
    )
    def raw(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        services: Services = context.resources.services
        connector = services.connector(report.source)
        window = run_window(context.run.tags, services.settings)
        earlier = services.unfinished.pop(report.table, None)
        run = IngestRun(
            context.run.run_id,
            run_tags.accounts_of(context.run.tags),
            unfinished_before(context.instance, context.run),
            earlier,
            days_in(context.op_execution_context.op_config or {}),
        )
        result = ingest(connector, report, window, services.stores(), run)
        for account in result.failed:
            context.log.warning(f"{account.account_id} {account.name}: {account.failure}")
        if result.retry_after_seconds is not None:
            if context.retry_number < _QUOTA_RETRIES:
                # The other accounts are committed. The retry extracts only the missing ones.
                services.unfinished[report.table] = result
                raise dg.RetryRequested(_QUOTA_RETRIES, result.retry_after_seconds)
            result.require_an_account()  # one account's quota must not keep the others out of the marts
        others = failures_of_other_accounts(context.instance, report, run.accounts)
        return dg.MaterializeResult(metadata=_metadata(result), check_results=check_results(result, others))

    return raw


def _metadata(result: IngestResult) -> dict[str, dg.MetadataValue]:
    """Returns the asset's metadata. It is small, because Dagster copies it to every partition of the run."""
    accounts = result.accounts.values()
    metadata: dict[str, dg.MetadataValue] = {
        "window": dg.MetadataValue.text(str(result.window)),
        "rows": dg.MetadataValue.int(result.received - result.rejected),
        "accounts": dg.MetadataValue.int(len(accounts) - len(result.failed)),
        "days_appended": dg.MetadataValue.int(sum(account.days_loaded for account in accounts)),
        "days_unchanged": dg.MetadataValue.int(sum(account.days_unchanged for account in accounts)),
        "restated_days": dg.MetadataValue.json([day.isoformat() for day in result.restated_days]),
        "extract_run_id": dg.MetadataValue.text(result.extract_run_id),
    }
    if result.days_beyond_history:
        metadata["days_beyond_history"] = dg.MetadataValue.int(result.days_beyond_history)
    if result.days_not_answered:
        metadata["days_not_answered"] = dg.MetadataValue.json([day.isoformat() for day in result.days_not_answered])
    for (name, currency), total in result.money().items():
        metadata[f"{name}_{currency}"] = dg.MetadataValue.float(total)
    return metadata


def _description(report: DayReport) -> str:
    return (
        f"{report.description}\n\n**Grain**: {report.grain} × extract_run_id. Append-only, in the platform's own units "
        f"and names. `raw__extracts` shows which rows are current.\n\n**Day**: `{report.day_column}`, in the ad "
        f"account's time zone. The platform may rewrite a day for {report.lookback_days} days."
    )


def _column_schema(report: DayReport) -> dg.TableSchema:
    table = report_table(report)
    return dg.TableSchema(
        [
            dg.TableColumn(column.name, str(column.type), description=table.descriptions[column.name])
            for column in table.schema
        ]
    )
