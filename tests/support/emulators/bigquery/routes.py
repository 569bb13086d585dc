"""The HTTP side of jobs: insertion, uploads, polling, results."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Annotated, Any
from uuid import uuid4

from bqemulator.api.dependencies import get_caller
from bqemulator.api.routes import jobs as stock
from bqemulator.api.routes import tables
from bqemulator.api.routes.upload import _parse_multipart_related
from bqemulator.row_access.identity import CallerIdentity
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse

from tests.support.emulators.bigquery.faults import router as control
from tests.support.emulators.bigquery.jobs import Job, Refused, Service, http_status

router = APIRouter()
_JOBS = "/bigquery/v2/projects/{project_id}/jobs"
_QUERIES = "/bigquery/v2/projects/{project_id}/queries"
_TABLES = "/bigquery/v2/projects/{project_id}/datasets/{dataset_id}/tables/{table_id}"
_UPLOADS = "/upload/bigquery/v2/projects/{project_id}/jobs"
_LONGEST_POLL_SECONDS = 10.0

_Caller = Annotated[CallerIdentity, Depends(get_caller)]


def install(app: FastAPI, service: Service) -> None:
    """Install the routes before the emulator's routes with the same paths."""
    app.state.service = service
    app.state.uploads = {}
    app.add_exception_handler(Refused, _refuse)
    app.add_exception_handler(Exception, _confess)
    own = app.router.routes[:]
    app.include_router(router)
    app.include_router(control)
    app.router.routes.sort(key=own.__contains__)


async def _refuse(request: Request, refused: Refused) -> JSONResponse:
    return refused.response()


async def _confess(request: Request, error: Exception) -> JSONResponse:
    """Not as an HTTP 500: clients would ask again, for minutes."""
    return Refused(501, "notImplemented", f"the emulator failed: {error!r}").response()


def _service(request: Request) -> Service:
    return request.app.state.service


_Service = Annotated[Service, Depends(_service)]


@router.post(_JOBS)
async def insert_job(project_id: str, request: Request, service: _Service, caller: _Caller) -> dict[str, Any]:
    envelope = await request.json()
    service.may_be_unavailable(project_id, envelope.get("configuration", {}))
    return service.response(await service.insert(project_id, envelope, request, caller))


@router.get(_JOBS)
async def list_jobs(project_id: str, service: _Service, stateFilter: str | None = None) -> dict[str, Any]:  # noqa: N803
    """All jobs. maxResults is ignored."""
    found = [service.response(job) for job in service.jobs(project_id)]
    listed = [{**job, "state": job["status"]["state"]} for job in found]
    return {"kind": "bigquery#jobList", "jobs": [job for job in listed if stateFilter in (None, job["state"].lower())]}


@router.get(_JOBS + "/{job_id}")
async def get_job(project_id: str, job_id: str, service: _Service, location: str | None = None) -> dict[str, Any]:
    return service.response(service.find(project_id, job_id, location))


@router.post(_JOBS + "/{job_id}/cancel")
async def cancel_job(project_id: str, job_id: str, service: _Service, location: str | None = None) -> dict[str, Any]:
    """A job that is done stays so; one that a fault delays isn't stopped."""
    return {"job": service.response(service.find(project_id, job_id, location))}


@router.get(_QUERIES + "/{job_id}")
async def get_query_results(
    project_id: str,
    job_id: str,
    service: _Service,
    location: str | None = None,
    maxResults: int = 10_000,  # noqa: N803
    startIndex: int = 0,  # noqa: N803
    pageToken: str | None = None,  # noqa: N803
    timeoutMs: int = 10_000,  # noqa: N803
) -> dict[str, Any]:
    job = service.find(project_id, job_id, location)
    return await _results(service, job, maxResults, startIndex, pageToken, timeoutMs / 1000)


@router.post(_QUERIES)
async def query(project_id: str, request: Request, service: _Service, caller: _Caller) -> dict[str, Any]:
    """jobs.query: a job, and its first results. Unlike the emulator's own, a failure is an HTTP error."""
    body = await request.json()
    config = {**body, "query": body["query"]}
    envelope = {
        "jobReference": {"location": body.get("location")},
        "configuration": {"query": config, "labels": body.get("labels", {}), "dryRun": body.get("dryRun", False)},
    }
    service.may_be_unavailable(project_id, envelope["configuration"])
    job = await service.insert(project_id, envelope, request, caller)
    if body.get("dryRun"):
        statistics = service.response(job)["statistics"]["query"]
        return {
            "kind": "bigquery#queryResponse",
            "jobComplete": True,
            "schema": statistics.get("schema"),
            "totalBytesProcessed": statistics["totalBytesProcessed"],
        }
    timeout = body.get("timeoutMs", 10_000) / 1000
    return await _results(service, job, body.get("maxResults", 10_000), 0, None, timeout)


async def _results(
    service: Service, job: Job, limit: int, start: int, token: str | None, timeout: float
) -> dict[str, Any]:
    reference = {"projectId": job.project, "jobId": job.id, "location": job.location}
    try:
        await asyncio.wait_for(job.finished.wait(), min(timeout, _LONGEST_POLL_SECONDS))
    except asyncio.TimeoutError:
        return {"jobReference": reference, "jobComplete": False}
    if job.error:
        raise Refused(http_status(job.error["reason"]), job.error["reason"], job.error["message"])
    body = stock.get_query_results(job.project, job.id, service.ctx, limit, start, token)
    if job.meta is not None:
        stock._attach_query_metadata(body, job.meta)
        body["totalBytesProcessed"] = job.meta.statistics["query"]["totalBytesProcessed"]
    return {**body, "jobReference": reference}


@router.post(_UPLOADS)
async def begin_upload(
    project_id: str,
    request: Request,
    service: _Service,
    caller: _Caller,
    uploadType: str = "",  # noqa: N803
) -> Response:
    body = await request.body()
    if uploadType == "multipart":
        envelope, media = _parse_multipart_related(request.headers.get("content-type", ""), body)
        service.may_be_unavailable(project_id, envelope["configuration"])
        return await _load(service, project_id, envelope, media, request, caller)
    if uploadType != "resumable":
        raise Refused(400, "invalid", f"uploadType {uploadType!r} isn't known here")
    envelope = json.loads(body)
    service.may_be_unavailable(project_id, envelope["configuration"])
    upload_id = uuid4().hex
    request.app.state.uploads[upload_id] = _Upload(envelope)
    return Response(headers={"Location": f"{request.url}&upload_id={upload_id}"})


@router.patch(_TABLES)
@router.put(_TABLES)
async def update_table(project_id: str, dataset_id: str, table_id: str, request: Request, service: _Service) -> Any:
    """Refused if somebody else has changed the table since the client read it. The emulator overwrites that."""
    there = service.ctx.catalog.get_table(project_id, dataset_id, table_id)
    if there and request.headers.get("if-match", there.etag) != there.etag:
        raise Refused(412, "conditionNotMet", "Precondition check failed.")
    return await tables.patch_table(project_id, dataset_id, table_id, request, service.ctx)


class _Upload:
    """A file that arrives in parts."""

    def __init__(self, envelope: dict[str, Any]) -> None:
        self.envelope = envelope
        self.received = bytearray()
        self.answer: Response | None = None

    def take(self, content_range: str, body: bytes) -> bool:
        """Add a part. Returns whether it was the last. Raises ``Refused`` for a part out of order."""
        said = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", content_range)
        if said is None or (said[1] and int(said[1]) != len(self.received)):
            raise Refused(400, "invalid", f"unexpected Content-Range {content_range!r}")
        self.received += body
        return said[3] != "*" and int(said[3]) == len(self.received)


@router.put(_UPLOADS)
async def continue_upload(
    project_id: str, request: Request, service: _Service, caller: _Caller, upload_id: str
) -> Response:
    """The last piece runs the job. Sent again, because its answer was lost, it gets the same answer."""
    upload: _Upload = request.app.state.uploads[upload_id]
    body = await request.body()
    if upload.answer is not None:
        return upload.answer
    if not upload.take(request.headers["content-range"], body):
        there = {"Range": f"bytes=0-{len(upload.received) - 1}"} if upload.received else {}
        return Response(status_code=308, headers=there)
    try:
        media = bytes(upload.received)
        upload.answer = await _load(service, project_id, upload.envelope, media, request, caller)
    except Refused as refused:
        upload.answer = refused.response()
    upload.received.clear()
    return upload.answer


async def _load(
    service: Service, project: str, envelope: dict[str, Any], media: bytes, request: Request, caller: CallerIdentity
) -> Response:
    job = await service.insert(project, envelope, request, caller, media)
    return JSONResponse(service.response(job))
