"""The host of the bulk files, on a port of its own. Its addresses are signed, and it refuses a shop's token."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.faults import Faults
from sandbox.http_app import HttpServer, build_app, cut_connection
from sandbox.requestlog import RequestLog
from sandbox.shopify.bulk import BulkOperation, BulkOperations

_CHUNK_BYTES = 64 * 1024
_SECRET_HEADERS = ("x-shopify-access-token", "authorization")


class FileHost:
    """Serves the files of completed operations."""

    def __init__(self, faults: Faults, log: RequestLog) -> None:
        self._faults = faults
        self._log = log
        self._http = HttpServer()

    @property
    def url(self) -> str:
        """The host's address."""
        return self._http.url

    def file_url(self, operation: BulkOperation) -> str:
        """Returns the signed address of an operation's file."""
        query = urlencode({"GoogleAccessId": "assets@sandbox", "Expires": 604_800, "Signature": operation.key})
        return f"{self.url}/bulk/bulk-{operation.number}.jsonl?{query}"

    def start(self, operations: BulkOperations) -> None:
        """Starts to serve."""
        self._operations = operations
        self._http.start(build_app([Route("/bulk/bulk-{number}.jsonl", self._file)]))

    def stop(self) -> None:
        """Stops."""
        self._http.stop()

    async def _file(self, request: Request) -> Response:
        operation = self._operations.by_number(request.path_params["number"])
        domain = operation.domain if operation else None
        self._log.add("shopify", "bulk_file", domain)
        if any(name in request.headers for name in _SECRET_HEADERS):
            return _refusal(400, "InvalidArgument", "Only one authentication mechanism is allowed.")
        if operation is None or operation.path is None:
            return _refusal(404, "NoSuchKey", "The specified key does not exist.")
        if not hmac.compare_digest(request.query_params.get("Signature", ""), operation.key):
            return _refusal(403, "SignatureDoesNotMatch", "Access denied.")
        if self._faults.take("shopify", ("expired_url",), account_id=domain, method="bulk_file"):
            return _refusal(400, "ExpiredToken", "The provided token has expired.")
        broken = self._faults.take("shopify", ("broken_download",), account_id=domain, method="bulk_file")
        if broken is None:
            return FileResponse(operation.path, media_type="application/jsonl")
        size = operation.path.stat().st_size
        part = _part(request, operation.path, int(size * broken.number("share")))
        return StreamingResponse(part, headers={"content-length": str(size)}, media_type="application/jsonl")


async def _part(request: Request, path: Path, size: int) -> AsyncIterator[bytes]:
    """The beginning of a file. Then the connection is cut."""
    async with await anyio.open_file(path, "rb") as file:
        while size > 0 and (chunk := await file.read(min(size, _CHUNK_BYTES))):
            size -= len(chunk)
            yield chunk
    cut_connection(request)


def _refusal(status: int, code: str, message: str) -> Response:
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(body, status, media_type="application/xml")
