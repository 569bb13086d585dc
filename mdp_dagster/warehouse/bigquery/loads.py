"""Load jobs that take effect once.

A job's id is derived from the data it loads. After a lost answer, or in another process that commits the same data, the
same id finds the existing job. BigQuery never frees a job id, even after a failure, so every retry gets a new suffix.
"""

from __future__ import annotations

import hashlib
import io
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core.exceptions import Conflict, Forbidden, GoogleAPICallError
from google.cloud import bigquery

from mdp_dagster.warehouse.base import Append, LandedRows, Table
from mdp_dagster.warehouse.bigquery.schema import schema_fields
from mdp_dagster.warehouse.conform import conform

log = logging.getLogger(__name__)

_MAX_FILES = 5_000
"""Files per job. BigQuery's limit is 10,000."""
_MAX_ROWS_IN_MEMORY = 500_000
_MAX_ATTEMPTS = 5
_TRANSIENT = ("backendError", "internalError", "jobBackendError", "jobInternalError", "rateLimitExceeded")
_PAUSE_SECONDS = 0.5
_MAX_SECONDS = 3600
TIMEOUT = 120
"""Seconds to wait for the answer to one request. Without a limit, a dead connection would block forever."""


@dataclass(frozen=True)
class Load:
    """One load job. It appends either ``files`` of the lake or ``rows`` to ``destination``."""

    table: Table
    destination: bigquery.TableReference
    files: Sequence[str] = ()
    rows: pa.Table | None = None
    salt: str = ""
    """Gives different ids to jobs that load the same data intentionally."""
    labels: dict[str, str] = field(default_factory=dict)

    def job_id(self, attempt: int) -> str:
        """The id of an attempt, derived from the data."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (self.destination.dataset_id, self.destination.table_id, self.salt, *self.files):
            digest.update(part.encode() + b"\0")
        if self.rows is not None:
            digest.update(_content(self.rows))
        return f"mdp_{self.table.name}_{digest.hexdigest()}_{attempt}"


def plan_loads(
    appends: Iterable[Append],
    destination: Callable[[Table], bigquery.TableReference],
    salt: Callable[[Table], str],
    labels: dict[str, str] | None = None,
) -> Iterator[Load]:
    """The load jobs for the rows: as few as possible, because BigQuery allows 1,500 per table and day.

    Args:
        appends: The rows.
        destination: Returns the table to load into.
        salt: Returns the salt of a table's job ids.
        labels: The labels of the jobs.
    """
    files: dict[Table, list[str]] = {}
    in_memory: dict[Table, list[Append]] = {}
    for append in appends:
        if append.count == 0:
            continue
        if isinstance(append.rows, LandedRows) and append.rows.exact:
            files.setdefault(append.table, []).append(append.rows.address)
        else:
            in_memory.setdefault(append.table, []).append(append)
    for table, addresses in files.items():
        # Sorted, because accounts finish in any order: the same files must give the same job id.
        for part in _slices(sorted(addresses), _MAX_FILES):
            yield Load(table, destination(table), files=part, salt=salt(table), labels=labels or {})
    for table, table_appends in in_memory.items():
        for rows in _batches(table, table_appends):
            yield Load(table, destination(table), rows=rows, salt=salt(table), labels=labels or {})


def _slices(addresses: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(addresses), size):
        yield addresses[start : start + size]


def _batches(table: Table, appends: Sequence[Append]) -> Iterator[pa.Table]:
    batch: list[pa.Table] = []
    for part in (part for append in appends for part in append.parts()):
        batch.append(conform(part, table))
        if sum(rows.num_rows for rows in batch) >= _MAX_ROWS_IN_MEMORY:
            yield pa.concat_tables(batch)
            batch = []
    if batch:
        yield pa.concat_tables(batch)


def _content(rows: pa.Table) -> bytes:
    """The rows as bytes. Equal rows give equal bytes, independent of Arrow's chunks."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return sink.getvalue()


Submit = Callable[[str], Any]
"""Submits a job under the given id, and returns it."""


def run_loads(client: bigquery.Client, loads: Iterable[Load], check: Callable[[], None]) -> None:
    """Run the load jobs, and wait until all have finished. Jobs that load files run in parallel.

    Args:
        client: The client.
        loads: The jobs.
        check: Is called before each job is submitted. It raises if no more jobs may be submitted.

    Raises:
        GoogleAPICallError: a job failed. It is raised when no job is running any more.
    """
    parallel: list[SubmittedJob] = []
    with ExitStack() as running:
        for load in loads:
            submitted = SubmittedJob(client, partial(_submit_load, client, load), load.job_id, check)
            if load.rows is None:
                parallel.append(submitted)
                # After an error, a job that goes on could load into a table that was replaced meanwhile.
                running.callback(_wait, submitted.job)
            else:
                submitted.finish()  # so that only one batch of rows is in memory
        for submitted in parallel:
            submitted.finish()


class SubmittedJob:
    """A job that this process or an earlier one submitted."""

    def __init__(
        self, client: bigquery.Client, submit: Submit, job_id: Callable[[int], str], check: Callable[[], None]
    ) -> None:
        """Submits the job, unless it exists.

        Args:
            client: The client.
            submit: Submits the job under an id.
            job_id: Returns the id of an attempt. Attempts are counted from 1.
            check: Is called before the job is submitted, see ``run_loads``.
        """
        self._client, self._submit, self._job_id, self._check = client, submit, job_id, check
        self._attempt = 1
        self.job = self._submit_or_find()

    def _submit_or_find(self) -> Any:
        """A new job, or the existing one that is running or has succeeded."""
        while True:
            job_id = self._job_id(self._attempt)
            try:
                self._check()
                return self._submit(job_id)
            except Conflict:
                job = self._client.get_job(job_id, timeout=TIMEOUT)
                if not job.done(timeout=TIMEOUT) or job.error_result is None or self._attempt == _MAX_ATTEMPTS:
                    log.info("%s exists already: %s", job_id, job.state)
                    return job
                self._attempt += 1  # the existing job failed, and loaded nothing

    def finish(self) -> None:
        """Wait for the job. A transient failure is retried under the next id; other failures are raised."""
        while True:
            try:
                self.job.result(timeout=_MAX_SECONDS)
                return
            except GoogleAPICallError:
                reason = (self.job.error_result or {}).get("reason")
                if reason not in _TRANSIENT or self._attempt >= _MAX_ATTEMPTS:
                    raise
            log.warning("%s failed (%s), and is retried", self.job.job_id, reason)
            time.sleep(_PAUSE_SECONDS * 2**self._attempt * random.uniform(0.5, 1.5))
            self._attempt += 1
            self.job = self._submit_or_find()


def _wait(job: Any) -> None:
    with suppress(GoogleAPICallError):  # this error or another one is raised already
        job.result(timeout=_MAX_SECONDS)


def _submit_load(client: bigquery.Client, load: Load, job_id: str) -> Any:
    config = bigquery.LoadJobConfig(
        schema=schema_fields(load.table.schema),
        source_format=bigquery.SourceFormat.PARQUET,
        # prepare() creates the table with its partitions. A job would create it without them.
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
        write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
        labels=load.labels,
    )
    options = {"job_id": job_id, "job_config": config, "timeout": TIMEOUT}
    if load.rows is None:
        return client.load_table_from_uri(list(load.files), load.destination, **options)
    sink = io.BytesIO()
    pq.write_table(load.rows, sink, compression="zstd")
    return client.load_table_from_file(sink, load.destination, rewind=True, **options)


def wait_for_running_loads(client: bigquery.Client, dataset: str) -> None:
    """Wait until no load job of MDP into the dataset is running. A job continues after its process has died."""
    try:
        jobs = [
            job for state in ("pending", "running") for job in client.list_jobs(state_filter=state, timeout=TIMEOUT)
        ]
    except Forbidden:
        log.warning(
            "MDP can't see whether a load job of a dead process is still running, because the permission "
            "bigquery.jobs.list is missing → if a process was killed in the last minutes, rebuild once more"
        )
        return
    for job in jobs:
        if job.job_type == "load" and job.job_id.startswith("mdp_") and job.destination.dataset_id == dataset:
            log.info("waiting for %s, which another process started", job.job_id)
            _wait(job)
