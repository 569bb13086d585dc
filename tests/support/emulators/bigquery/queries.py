"""Query jobs: checked like the service does, run by the emulator, with the read bytes in their statistics."""

from __future__ import annotations

from bqemulator.api.dependencies import AppContext
from bqemulator.api.routes import jobs as stock
from bqemulator.catalog.models import JobMeta
from bqemulator.row_access.identity import CallerIdentity

from tests.support.emulators.bigquery import costs, ddl, partition_filter
from tests.support.emulators.bigquery.costs import Sizes
from tests.support.emulators.bigquery.job import Job, JobError
from tests.support.emulators.bigquery.scans import Scans


async def query(ctx: AppContext, sizes: Sizes, job: Job, caller: CallerIdentity, injected_bytes: int | None) -> JobMeta:
    """Raises ``JobError``, and ``DomainError`` for a request that BigQuery makes no job of."""
    config, sql = job.config, job.config["query"]
    if config.get("destinationTable"):
        raise JobError("notImplemented", "the emulator doesn't write query results to a destination table")
    scans = list(Scans(sql, job.project, (config.get("defaultDataset") or {}).get("datasetId"), ctx.catalog))
    _check_datasets(ctx, job, {scan.table[:2] for scan in scans})
    partition_filter.check(ctx.catalog, scans)
    read = costs.read_by(ctx, sizes, config, scans)
    processed = sum(read.values()) if injected_bytes is None else injected_bytes
    billed = costs.billed_for(read) if injected_bytes is None else injected_bytes
    costs.check(config, billed)
    meta = await stock._handle_query_job(
        job.project,
        job.id,
        {**job.configuration, "query": {**config, "query": ddl.mended(sql)}},
        dry_run=job.is_dry,
        ctx=ctx,
        caller=caller,
        now=ctx.clock.now(),
    )
    if isinstance(meta, dict):  # the answer to a dry run
        return costs.told(job.became("DONE", ctx, meta["statistics"]), processed, 0)
    if meta.error_result:
        said = meta.error_result["message"].replace("in location US", f"in location {job.location}")
        return meta.model_copy(update={"error_result": {**meta.error_result, "message": said}})
    stock._merge_executor_config(job.configuration, meta.configuration)
    ddl.remember(sql, job.project, job.location, ctx)
    return costs.told(meta, processed, billed)


def _check_datasets(ctx: AppContext, job: Job, datasets: set[tuple[str, str]]) -> None:
    for project, dataset in datasets:
        is_special = dataset.lower().startswith(("region-", "information_schema", "_"))
        if not is_special and ctx.catalog.get_dataset(project, dataset) is None:
            said = f"Not found: Dataset {project}:{dataset} was not found in location {job.location}"
            raise JobError("notFound", said)
