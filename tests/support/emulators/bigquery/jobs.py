"""Jobs as in BigQuery. These routes replace the emulator's.

A job id is never free again, even after a failure. A job has a location. A load uses the id from its upload. One job
runs at a time, and it is DONE when its insertion is answered. A delayed job is RUNNING for a while.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import uuid4

from bqemulator.api.dependencies import AppContext
from bqemulator.api.routes import jobs as stock
from bqemulator.catalog.models import JobMeta
from bqemulator.domain.errors import DomainError
from bqemulator.row_access.identity import CallerIdentity
from fastapi import Request
from fastapi.responses import JSONResponse
from sqlglot import exp

from tests.support.emulators.bigquery import faults
from tests.support.emulators.bigquery.copies import copy
from tests.support.emulators.bigquery.costs import Sizes
from tests.support.emulators.bigquery.job import Job, JobError
from tests.support.emulators.bigquery.loads import load
from tests.support.emulators.bigquery.queries import query
from tests.support.emulators.bigquery.statements import Name, name_of, parsed, tables_in

log = logging.getLogger(__name__)

_KINDS = ("query", "load", "copy", "extract")
_STATUS = {
    "accessDenied": 403,
    "duplicate": 409,
    "invalid": 400,
    "invalidQuery": 400,
    "notFound": 404,
    "notImplemented": 501,
    "quotaExceeded": 403,
    "rateLimitExceeded": 403,
    "resourcesExceeded": 400,
}
_FOUND_ANYWHERE = ("us", "eu")
"""Multi-regions. A request without a location finds their jobs."""


class Refused(Exception):
    """The request gets an HTTP error, and no job is created."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason

    def response(self) -> JSONResponse:
        error = {"domain": "global", "reason": self.reason, "message": str(self)}
        return JSONResponse({"error": {"code": self.status, "message": str(self), "errors": [error]}}, self.status)


class Service:
    """All jobs of all projects, and every request for a job that arrived."""

    def __init__(self, ctx: AppContext) -> None:
        self.ctx = ctx
        self.faults = faults.Faults()
        self.sizes = Sizes(ctx)
        self._jobs: dict[tuple[str, str, str], Job] = {}
        self._arrived: list[tuple[str, dict[str, Any], Job | None]] = []
        self._one_at_a_time = asyncio.Lock()

    def arrivals_of(self, project: str) -> list[dict[str, Any]]:
        return [
            {**arrival, "state": job.meta.state if job and job.meta else None, "error": job.error if job else None}
            for arrived_in, arrival, job in self._arrived
            if arrived_in == project
        ]

    def may_be_unavailable(self, project: str, configuration: dict[str, Any]) -> None:
        """Raises ``Refused`` if a test has made the service unavailable for this request."""
        kind = _kind(configuration)
        fault = self.faults.take({faults.UNAVAILABLE}, project, kind, configuration)
        if fault:
            raise Refused(fault.status, fault.reason, fault.message)

    async def insert(
        self,
        project: str,
        envelope: dict[str, Any],
        request: Request,
        caller: CallerIdentity,
        media: bytes | None = None,
    ) -> Job:
        """The job, DONE or RUNNING. Raises ``Refused`` if there is none."""
        configuration = envelope.get("configuration", {})
        kind = _kind(configuration)
        reference = envelope.get("jobReference") or {}
        job_id = reference.get("jobId") or f"job_{uuid4().hex}"
        arrival = {
            "id": job_id,
            "kind": kind,
            "sql": configuration.get("query", {}).get("query"),
            "configuration": {**configuration},
            "location": reference.get("location"),
            "refused": None,
        }
        try:
            location = self._location(project, kind, configuration, reference.get("location"))
            if not configuration.get("dryRun") and (project, location.lower(), job_id) in self._jobs:
                raise Refused(409, "duplicate", f"Already Exists: Job {project}:{location}.{job_id}")
        except Refused as refused:
            self._arrived.append((project, {**arrival, "refused": str(refused)}, None))
            raise
        job = Job(project, location, job_id, kind, configuration, media)
        job.meta = job.became("PENDING", self.ctx)
        self._arrived.append((project, arrival, job))
        if not job.is_dry:
            self._jobs[project, location.lower(), job_id] = job
        fault = None if job.is_dry else self._fault(job)
        if fault and fault.effect == faults.LOSE_ANSWER:
            faults.lose_answer(request)
        if fault and fault.effect == faults.DELAY:
            job.meta = job.became("RUNNING", self.ctx)
            asyncio.get_running_loop().create_task(self._run_later(job, caller, fault))
            return job
        try:
            await self._run(job, caller, fault)
        except DomainError as error:  # BigQuery does not create a job for this request
            self._jobs.pop((project, location.lower(), job_id), None)
            arrival["refused"] = error.message
            raise
        return job

    def find(self, project: str, job_id: str, location: str | None) -> Job:
        """Find a job. Raises ``Refused`` like BigQuery, for example without the location outside the multi-regions."""
        for place in (location,) if location else _FOUND_ANYWHERE:
            if job := self._jobs.get((project, str(place).lower(), job_id)):
                return job
        raise Refused(404, "notFound", f"Not found: Job {project}:{f'{location}.' if location else ''}{job_id}")

    def jobs(self, project: str) -> list[Job]:
        return [job for (owner, _, _), job in self._jobs.items() if owner == project and job.meta is not None]

    def response(self, job: Job) -> dict[str, Any]:
        """The ``Job`` resource."""
        assert job.meta is not None
        body = stock._build_job_response(job.project, job.id, job.meta, dict(job.configuration))
        body["jobReference"]["location"] = job.location
        body["id"] = f"{job.project}:{job.location}.{job.id}"
        body["configuration"]["jobType"] = job.kind.upper()
        return body

    def _fault(self, job: Job) -> faults.Fault | None:
        effects = {faults.FAIL, faults.LOSE_ANSWER, faults.DELAY, faults.BYTES}
        return self.faults.take(effects, job.project, job.kind, job.configuration)

    def _location(self, project: str, kind: str, configuration: dict[str, Any], given: str | None) -> str:
        """The location of the job's datasets. Raises ``Refused`` if the request names another one."""
        for owner, dataset in sorted(self._datasets(project, kind, configuration)):
            found = self.ctx.catalog.get_dataset(owner, dataset)
            if found is None:
                continue
            if given and found.location.lower() != given.lower():
                raise Refused(
                    404, "notFound", f"Not found: Dataset {owner}:{dataset} was not found in location {given}"
                )
            given = found.location
        return given or "US"

    def _datasets(self, project: str, kind: str, configuration: dict[str, Any]) -> set[tuple[str, str]]:
        config = configuration[kind]
        if kind == "query":
            default = (config.get("defaultDataset") or {}).get("datasetId")
            return {name[:2] for name in tables_in(config.get("query", ""), project, default)}
        named = [config.get("destinationTable"), config.get("sourceTable"), *config.get("sourceTables", [])]
        return {(table.get("projectId", project), table["datasetId"]) for table in named if table}

    async def _run_later(self, job: Job, caller: CallerIdentity, fault: faults.Fault) -> None:
        await asyncio.sleep(fault.seconds)
        try:
            await self._run(job, caller, None)
        except DomainError as error:
            job.meta = job.failed(error.bq_reason, error.message, self.ctx)
            job.finished.set()

    async def _run(self, job: Job, caller: CallerIdentity, fault: faults.Fault | None) -> None:
        async with self._one_at_a_time:
            try:
                if fault and fault.effect == faults.FAIL:
                    raise JobError(fault.reason, fault.message)
                job.meta = await self._done(job, caller, fault)
            except JobError as error:
                job.meta = job.failed(error.reason, str(error), self.ctx)
            except DomainError:
                raise
            except Exception as error:  # clients would retry an HTTP 500 for minutes
                log.exception("%s", job.configuration)
                job.meta = job.failed("invalid", f"the emulator failed: {error!r}", self.ctx)
            self.ctx.catalog.upsert_job(job.meta)
            self.sizes.forget(_written_by(job))
            job.finished.set()

    async def _done(self, job: Job, caller: CallerIdentity, fault: faults.Fault | None) -> JobMeta:
        if job.kind == "query":
            return await query(self.ctx, self.sizes, job, caller, fault.bytes if fault else None)
        if job.kind == "load":
            return job.became("DONE", self.ctx, load(self.ctx, job.project, job.config, job.media))
        if job.kind == "copy":
            return job.became("DONE", self.ctx, copy(self.ctx, job.project, job.config))
        return await stock.execute_extract_job(job.project, job.id, job.configuration, self.ctx)


def http_status(reason: str) -> int:
    return _STATUS.get(reason, 500)


def _kind(configuration: dict[str, Any]) -> str:
    for kind in _KINDS:
        if kind in configuration:
            return kind
    raise Refused(400, "required", "Required parameter is missing")


def _written_by(job: Job) -> set[Name] | None:
    """The tables that the job writes. None if that is unknown."""
    if job.kind != "query":
        target = job.config.get("destinationTable") or {}
        return {(target.get("projectId", job.project), target.get("datasetId", ""), target.get("tableId", ""))}
    written: set[Name] = set()
    statements = parsed(job.config["query"])
    for statement in statements:
        if isinstance(statement, (exp.Merge, exp.Insert, exp.Delete, exp.Update, exp.Create)):
            target = statement.this.this if isinstance(statement.this, exp.Schema) else statement.this
            name = name_of(target, job.project, None) if isinstance(target, exp.Table) else None
            if name is None:
                return None
            written.add(name)
        elif not isinstance(statement, exp.Query):
            return None
    return written if statements else None
