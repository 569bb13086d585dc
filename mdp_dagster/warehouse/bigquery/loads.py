"""Jobs that do their work once. A load's id is derived from what it loads: who sends it again, because the answer was
lost, finds the job that was there; so does another process that commits the same once more.

An id is taken for good, also by a job that failed: then the next attempt has the next number.
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
from mdp_dagster.warehouse.bigquery.schema import fields
from mdp_dagster.warehouse.conform import conform

log = logging.getLogger(__name__)

_MAX_FILES = 5_000
"""Of one job; BigQuery takes 10,000."""
_MAX_ROWS_AT_HAND = 500_000
_MAX_ATTEMPTS = 5
_PASSING = ("backendError", "internalError", "jobBackendError", "jobInternalError", "rateLimitExceeded")
_PAUSE_SECONDS = 0.5
_MAX_SECONDS = 3600
TIMEOUT = 120
"""Seconds for the answer to one request. Without it, a connection that died in silence would be waited for for ever."""


@dataclass(frozen=True)
class Load:
    """One load job: ``files`` of the lake, or ``rows``. It appends to ``destination``."""

    table: Table
    destination: bigquery.TableReference
    files: Sequence[str] = ()
    rows: pa.Table | None = None
    salt: str = ""
    """Sets jobs apart that load the same on purpose."""
    labels: dict[str, str] = field(default_factory=dict)

    def job_id(self, attempt: int) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for part in (self.destination.dataset_id, self.destination.table_id, self.salt, *self.files):
            digest.update(part.encode() + b"\0")
        if self.rows is not None:
            digest.update(_content(self.rows))
        return f"mdp_{self.table.name}_{digest.hexdigest()}_{attempt}"


def loads(
    appends: Iterable[Append],
    destination: Callable[[Table], bigquery.TableReference],
    salt: Callable[[Table], str],
    labels: dict[str, str] | None = None,
) -> Iterator[Load]:
    """As few jobs as can be: a table takes 1,500 a day."""
    files: dict[Table, list[str]] = {}
    at_hand: dict[Table, list[Append]] = {}
    for append in appends:
        if append.count == 0:
            continue
        if isinstance(append.rows, LandedRows) and append.rows.exact:
            files.setdefault(append.table, []).append(append.rows.address)
        else:
            at_hand.setdefault(append.table, []).append(append)
    for table, addresses in files.items():
        # in order, whichever account was the fastest: the same files are the same job
        for part in _parts(sorted(addresses), _MAX_FILES):
            yield Load(table, destination(table), files=part, salt=salt(table), labels=labels or {})
    for table, some in at_hand.items():
        for rows in _batches(table, some):
            yield Load(table, destination(table), rows=rows, salt=salt(table), labels=labels or {})


def _parts(addresses: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(addresses), size):
        yield addresses[start : start + size]


def _batches(table: Table, appends: Sequence[Append]) -> Iterator[pa.Table]:
    batch: list[pa.Table] = []
    for append in appends:
        batch.append(conform(append.read(), table))
        if sum(rows.num_rows for rows in batch) >= _MAX_ROWS_AT_HAND:
            yield pa.concat_tables(batch)
            batch = []
    if batch:
        yield pa.concat_tables(batch)


def _content(rows: pa.Table) -> bytes:
    """The same bytes for the same rows, however they are cut into chunks."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return sink.getvalue()


Send = Callable[[str], Any]
"""Sends a job under the id that it is given, and gives it."""


def run(client: bigquery.Client, todo: Iterable[Load], check: Callable[[], None]) -> None:
    """Returns when all is loaded. Files are loaded side by side. ``check``: is asked before a job is sent, and raises
    when it must not be. Raises what the client raises, when no job is under way any more."""
    started: list[Sent] = []
    with ExitStack() as under_way:
        for load in todo:
            sent = Sent(client, partial(_insert, client, load), load.job_id, check)
            if load.rows is None:
                started.append(sent)
                # or one could go on alone, and load into a table that was made anew meanwhile
                under_way.callback(_wait, sent.job)
            else:
                sent.finish()  # or all rows would be held until the last is through
        for sent in started:
            sent.finish()


class Sent:
    """A job that was sent, now or before. ``job_id``: by the number of the attempt."""

    def __init__(
        self, client: bigquery.Client, send: Send, job_id: Callable[[int], str], check: Callable[[], None]
    ) -> None:
        self._client, self._send, self._job_id, self._check = client, send, job_id, check
        self._attempt = 1
        self.job = self._begin()

    def _begin(self) -> Any:
        """The running job, or the one that has done it already."""
        while True:
            job_id = self._job_id(self._attempt)
            try:
                self._check()
                return self._send(job_id)
            except Conflict:
                job = self._client.get_job(job_id, timeout=TIMEOUT)
                if not job.done(timeout=TIMEOUT) or job.error_result is None or self._attempt == _MAX_ATTEMPTS:
                    log.info("%s was sent before: %s", job_id, job.state)
                    return job
                self._attempt += 1  # that one failed, and did nothing

    def finish(self) -> None:
        """Waits. What failed in passing is sent again, under the next id; what else failed is raised."""
        while True:
            try:
                self.job.result(timeout=_MAX_SECONDS)
                return
            except GoogleAPICallError:
                reason = (self.job.error_result or {}).get("reason")
                if reason not in _PASSING or self._attempt >= _MAX_ATTEMPTS:
                    raise
            log.warning("%s failed (%s), and is sent again", self.job.job_id, reason)
            time.sleep(_PAUSE_SECONDS * 2**self._attempt * random.uniform(0.5, 1.5))
            self._attempt += 1
            self.job = self._begin()


def _wait(job: Any) -> None:
    with suppress(GoogleAPICallError):  # it has been told, or another one has
        job.result(timeout=_MAX_SECONDS)


def _insert(client: bigquery.Client, load: Load, job_id: str) -> Any:
    config = bigquery.LoadJobConfig(
        schema=fields(load.table.schema),
        source_format=bigquery.SourceFormat.PARQUET,
        # prepare() makes the table, with its partitions; a job that made one would make it without
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
        write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
        labels=load.labels,
    )
    known = {"job_id": job_id, "job_config": config, "timeout": TIMEOUT}
    if load.rows is None:
        return client.load_table_from_uri(list(load.files), load.destination, **known)
    sink = io.BytesIO()
    pq.write_table(load.rows, sink, compression="zstd")
    return client.load_table_from_file(sink, load.destination, rewind=True, **known)


def wait_for_others(client: bigquery.Client, dataset: str) -> None:
    """Until no load of MDP's into the dataset is under way: a job goes on when its process has died."""
    try:
        jobs = [
            job for state in ("pending", "running") for job in client.list_jobs(state_filter=state, timeout=TIMEOUT)
        ]
    except Forbidden:
        log.warning(
            "whether a dead process's load is still under way can't be seen without bigquery.jobs.list → if one was "
            "killed in the last minutes, rebuild once more"
        )
        return
    for job in jobs:
        if job.job_type == "load" and job.job_id.startswith("mdp_") and job.destination.dataset_id == dataset:
            log.info("waiting for %s, which somebody began", job.job_id)
            _wait(job)
