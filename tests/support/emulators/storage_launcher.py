"""Cloud Storage on this machine: gcp-storage-emulator, with the guarantees that the lake and its leases need.

    python -m tests.support.emulators.storage_launcher --port 9023 --data-dir DIR

Objects are files: ``DIR/.cloudstorage/<bucket>/<object>``. Additions to the stock emulator:

- ``ifGenerationMatch`` (uploads of every kind, copies, reads, deletions) and ``ifSourceGenerationMatch``: 412 like the
  service, atomic among concurrent requests. Unsupported preconditions are refused with 501.
- An object gets a generation when it appears, and no generation occurs twice. A deleted object is gone at once (no soft
  delete).
- A finished resumable upload that is sent again gets the same answer.
- Ranges from the end (``bytes=-65536``), errors with the service's messages, listings in pages of 50.

``/_faults``: POST ``{"method": "POST", "target": regex, "times": 1}`` and one of ``"status": 503`` (with ``"message"``;
nothing is done), ``"lose": true`` (it is done, but the answer is lost), ``"damage": true`` (one bit of a download), or
``"hold": 2.0`` (it is done after these seconds). The target is the unescaped ``path?query`` and the name of an uploaded
object. DELETE removes faults and requests. GET ``/_requests``: the requests that arrived.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import threading
import time
from datetime import datetime, timezone
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from gcp_storage_emulator import server
from gcp_storage_emulator.storage import Storage

PAGE = 50
_OBJECT = re.compile(
    r"(?:/download)?(?:/storage/v1)?/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+)(?P<copy>/(?:copy|rewrite)To/.*)?"
)
_LIST = re.compile(r"(?:/storage/v1)?/b/[^/]+/o")
_KNOWN_PRECONDITIONS = {"ifGenerationMatch", "ifSourceGenerationMatch"}


class Refused(Exception):
    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class PreciseStorage(Storage):
    """One request at a time: the caller holds ``lock``, and has put the request's query in ``query``."""

    def __init__(self, data_dir: str) -> None:
        super().__init__(data_dir=data_dir)
        self.lock = threading.Lock()
        self.query: dict[str, list[str]] = {}
        self.finished_uploads: dict[str, dict[str, Any]] = {}
        self._last_generation = 0

    def require(self, bucket: str, name: str, parameter: str) -> None:
        if parameter in self.query:
            there = self.objects.get(bucket, {}).get(name, {}).get("generation", "0")
            if self.query[parameter][0] != there:
                message = "At least one of the pre-conditions you specified did not hold."
                raise Refused(412, "conditionNotMet", message)

    def create_file(
        self, bucket_name: str, file_name: str, content: bytes, file_obj: dict[str, Any], file_id: str | None = None
    ) -> None:
        self.require(bucket_name, file_name, "ifGenerationMatch")
        self._last_generation = max(self._last_generation + 1, time.time_ns() // 1_000)
        generation = str(self._last_generation)
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        file_obj.update(generation=generation, metageneration="1", timeCreated=now, updated=now)
        file_obj["id"] = f"{bucket_name}/{file_name}/{generation}"
        file_obj["mediaLink"] = re.sub(r"generation=\d+", f"generation={generation}", file_obj["mediaLink"])
        super().create_file(bucket_name, file_name, content, file_obj, file_id)
        if file_id:
            self.finished_uploads[file_id] = file_obj

    def create_resumable_upload(self, bucket_name: str, file_name: str, file_obj: dict[str, Any]) -> str:
        self.require(bucket_name, file_name, "ifGenerationMatch")
        return super().create_resumable_upload(bucket_name, file_name, file_obj)

    def delete_file(self, bucket_name: str, file_name: str) -> None:
        self.require(bucket_name, file_name, "ifGenerationMatch")
        self._hard_delete_file(bucket_name, file_name)

    def _write_config_to_file(self) -> None:
        """Do nothing: the stock emulator writes its state at every change, which is slow, and no test restarts it."""


class Control:
    """The injected faults, and the requests that arrived."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[dict[str, Any]] = []
        self._requests: list[str] = []

    def serve(self, method: str, body: Any) -> Any:
        with self._lock:
            if method == "POST":
                self._faults.append({"times": 1, **body})
            elif method == "DELETE":
                self._faults.clear()
                self._requests.clear()
            return self._requests

    def fault(self, method: str, target: str) -> dict[str, Any]:
        with self._lock:
            self._requests.append(f"{method} {target}")
            for fault in self._faults:
                if fault["times"] and fault.get("method", method) == method and re.search(fault["target"], target):
                    fault["times"] -= 1
                    return fault
            return {}


class Request(server.Request):
    """A request, read completely before the lock is taken, so that a slow client blocks no other one."""

    def __init__(self, handler: Handler, method: str) -> None:
        super().__init__(handler, method)
        kind = handler.headers.get("Content-Type", "")
        if kind.startswith("multipart/related"):
            self._data = _parts(kind, server._read_raw_data(handler) or b"")
        else:
            self._data = server._read_data(handler, self.query)
        self.range: str | None = None
        # In an upload with one request, only the body contains the object's name.
        named = self._data.get("meta", self._data).get("name") if isinstance(self._data, dict) else None
        self.target = unquote(handler.path) + (f" {named}" if named else "")

    def get_header(self, key: str, default: Any = None) -> Any:
        return self.range if key == "range" and self.range else super().get_header(key, default)


class Handler(server.RequestHandler):
    def __init__(self, control: Control, storage: PreciseStorage, *args: Any) -> None:
        self.control = control
        super().__init__(storage, *args)

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_PATCH(self) -> None:
        self._serve("PATCH")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        request, response = Request(self, method), server.Response(self)
        if request.path in ("/_faults", "/_requests"):
            response.json(self.control.serve(method, request.data))
            response.close()
            return
        fault = self.control.fault(method, request.target)
        time.sleep(fault.get("hold", 0))
        try:
            if "status" in fault:
                raise Refused(fault["status"], "injected", fault.get("message", "a fault that a test asked for"))
            with self.storage.lock:
                self.storage.query = request.query
                self._answer(request, response)
        except Refused as refused:
            _refuse(response, refused)
        if fault.get("damage") and isinstance(response._content, bytes):
            response._content = bytes([response._content[0] ^ 1]) + response._content[1:]
        if fault.get("lose"):
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            response.close()

    def _answer(self, request: Request, response: server.Response) -> None:
        unknown = {name for name in request.query if re.match("if[A-Z]", name)} - _KNOWN_PRECONDITIONS
        if unknown or request.path.startswith("/batch"):
            raise Refused(501, "notImplemented", f"not emulated: {', '.join(unknown) or 'batches'}")
        upload = request.query.get("upload_id", [""])[0]
        if upload in self.storage.finished_uploads:
            response.json(self.storage.finished_uploads[upload])
            return
        found = _OBJECT.fullmatch(request.path)
        if found:
            self._check_object(request, unquote(found["bucket"]), unquote(found["name"]), bool(found["copy"]))
            if request.query.get("alt") == ["media"]:
                there = self.storage.objects[unquote(found["bucket"])][unquote(found["name"])]
                response["X-Goog-Generation"] = there["generation"]
        self._handle(request, response)
        if response.status == HTTPStatus.NOT_FOUND:
            raise Refused(404, "notFound", self._missing(request))
        if request.method == "GET" and _LIST.fullmatch(request.path):
            _one_page(request, response)

    def _handle(self, request: Request, response: server.Response) -> None:
        for pattern, methods in server.HANDLERS:
            match = re.fullmatch(pattern, request.path)
            if match and request.method in methods:
                request.set_match(match)
                methods[request.method](request, response, self.storage)
                return
        raise Refused(501, "notImplemented", f"not emulated: {request.method} {request.path}")

    def _check_object(self, request: Request, bucket: str, name: str, copied: bool) -> None:
        """Check preconditions on a read, copied or deleted object. ``create_file`` checks those on written objects."""
        there = self.storage.objects.get(bucket, {}).get(name)
        wanted = request.query.get("sourceGeneration" if copied else "generation", [None])[0]
        if there is None or wanted not in (None, there["generation"]):
            raise Refused(404, "notFound", self._missing(request))
        self.storage.require(bucket, name, "ifSourceGenerationMatch" if copied else "ifGenerationMatch")
        last = re.fullmatch(r"bytes=-(\d+)", request.get_header("range", ""))
        if last:
            size = int(there["size"])
            if size == 0:
                raise Refused(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
            request.range = f"bytes={max(0, size - int(last[1]))}-"

    def _missing(self, request: Request) -> str:
        found = re.search(r"/b/([^/]+)/o/([^/]+)", request.path)
        bucket = re.search(r"/b/([^/]+)", request.path)
        if (bucket and bucket[1] not in self.storage.buckets) or not found:
            return "The specified bucket does not exist."
        return f"No such object: {found[1]}/{unquote(found[2])}"


def _parts(kind: str, raw: bytes) -> dict[str, Any]:
    """The metadata and content of a multipart upload. The stock emulator reads it as an e-mail, which is text."""
    boundary = re.search(r'boundary="?([^";]+)', kind)
    assert boundary, kind
    _, meta, content, _ = raw.split(b"--" + boundary[1].encode())
    head, _, body = content.partition(b"\r\n\r\n")
    content_type = re.search(rb"(?i)content-type: *([^\r\n]+)", head)
    return {
        "meta": json.loads(meta.partition(b"\r\n\r\n")[2]),
        "content": body.removesuffix(b"\r\n"),
        "content-type": content_type[1].decode() if content_type else "application/octet-stream",
    }


def _one_page(request: Request, response: server.Response) -> None:
    """One page of a listing. As in the service, only requests for that field get the next page's token."""
    found = json.loads(response._content)
    after = request.query.get("pageToken", [""])[0]
    items = [item for item in found["items"] if item["name"] > after]
    found["items"] = items[:PAGE]
    if len(items) > PAGE and "nextPageToken" in request.query.get("fields", ["nextPageToken"])[0]:
        found["nextPageToken"] = items[PAGE - 1]["name"]
    response.json(found)


def _refuse(response: server.Response, refused: Refused) -> None:
    response.status = HTTPStatus(refused.status)
    error = {"message": str(refused), "domain": "global", "reason": refused.reason}
    response.json({"error": {"code": refused.status, "message": str(refused), "errors": [error]}})


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    parser = argparse.ArgumentParser(description="Cloud Storage on this machine, for tests.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", required=True)
    asked = parser.parse_args()
    storage = PreciseStorage(asked.data_dir)
    Server(("127.0.0.1", asked.port), partial(Handler, Control(), storage)).serve_forever()


if __name__ == "__main__":
    main()
