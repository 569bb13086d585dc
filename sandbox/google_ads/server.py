"""The gRPC server, in every version: SearchStream and Search, and CustomerService's ListAccessibleCustomers."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import any_pb2
from google.rpc import status_pb2

from sandbox.certificates import ServerCertificate
from sandbox.faults import Faults
from sandbox.google_ads import access, errors, spoil
from sandbox.google_ads.errors import AdsError
from sandbox.google_ads.fields import Row
from sandbox.google_ads.gaql import QueryError, parse
from sandbox.google_ads.protos import Protos, installed_versions, protos
from sandbox.google_ads.query import answer
from sandbox.google_ads.tokens import Tokens
from sandbox.requestlog import RequestLog
from sandbox.world import World, normal_id

if TYPE_CHECKING:
    from typing_extensions import Self

PAGE_ROWS = 10_000  # rows of a page and of a message of a stream, as in the real service


class GoogleAdsServer:
    """Serves a world on 127.0.0.1. `port` is known once it is started."""

    def __init__(
        self,
        world: World,
        faults: Faults,
        log: RequestLog,
        tokens: Tokens,
        certificate: ServerCertificate,
        *,
        port: int = 0,
        page_rows: int = PAGE_ROWS,
    ) -> None:
        self.world = world
        self.page_rows = page_rows
        self._faults = faults
        self._requests = log
        self._tokens = tokens
        self._stopping = threading.Event()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=16, thread_name_prefix="sandbox-google"),
            options=[("grpc.max_metadata_size", 16 * 1024 * 1024)],
        )
        self._server.add_generic_rpc_handlers((_Router(self),))
        credentials = grpc.ssl_server_credentials([(certificate.key, certificate.chain)])
        self.port: int = self._server.add_secure_port(f"127.0.0.1:{port}", credentials)

    def start(self) -> None:
        """Starts to accept calls."""
        self._server.start()

    def stop(self) -> None:
        """Ends all calls and closes the port."""
        self._stopping.set()
        self._server.stop(grace=0.2).wait()

    # --- the methods: a request's bytes in, an answer's bytes out

    def search_stream(self, version: str, body: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        """Answers `SearchStream`: yields the rows in batches."""
        with _Call(version, context) as call:
            request = call.protos.stream_request()
            request.ParseFromString(body)
            rows, select, resource = self._rows(call, "search_stream", request.customer_id, request.query)
            broken = self._take("broken_stream", "search_stream", request.customer_id)
            after = int(broken.number("after_rows")) if broken else len(rows)
            write = call.protos.writer(select, resource)
            # An answer without rows is one message without rows.
            for start in range(0, max(1, min(after, len(rows))), self.page_rows):
                response = call.protos.stream_response(request_id=call.request_id)
                response.field_mask.paths.extend(select)
                for row in rows[start : min(after, start + self.page_rows)]:
                    write(response.results.add(), row)
                yield response.SerializeToString()
            if broken:
                raise errors.unavailable()

    def search(self, version: str, body: bytes, context: grpc.ServicerContext) -> bytes:
        """Answers `Search`: returns one page of rows."""
        with _Call(version, context) as call:
            request = call.protos.search_request()
            request.ParseFromString(body)
            if request.page_size:
                raise errors.request_error(
                    "PAGE_SIZE_NOT_SUPPORTED",
                    "Setting the page size is not supported. The fixed page size is 10000.",
                )
            rows, select, resource = self._rows(call, "search", request.customer_id, request.query)
            start = _page_start(request)
            response = call.protos.search_response()
            response.field_mask.paths.extend(select)
            if request.search_settings.return_total_results_count:
                response.total_results_count = len(rows)
            write = call.protos.writer(select, resource)
            for row in rows[start : start + self.page_rows]:
                write(response.results.add(), row)
            if start + self.page_rows < len(rows):
                response.next_page_token = _page_token(request, start + self.page_rows)
            return bytes(response.SerializeToString())

    def list_accessible_customers(self, version: str, body: bytes, context: grpc.ServicerContext) -> bytes:
        """Answers `ListAccessibleCustomers`: returns the accounts that the user can reach directly."""
        with _Call(version, context) as call:
            self._requests.add("google_ads", "list_accessible_customers", version=version)
            access.authenticate(call.metadata, self._tokens)
            access.refuse(self._faults, None, "list_accessible_customers")
            names = [f"customers/{a.id}" for a in self.world.accounts("google_ads") if a.direct]
            return bytes(call.protos.list_response(resource_names=names).SerializeToString())

    def _rows(self, call: _Call, method: str, customer_id: str, text: str) -> tuple[list[Row], Sequence[str], str]:
        login = call.metadata.get("login-customer-id")
        self._requests.add(
            "google_ads",
            method,
            normal_id("google_ads", customer_id),
            version=call.version,
            query=text,
            login_customer_id=login,
        )
        access.authenticate(call.metadata, self._tokens)
        if slow := self._take("slow", method, customer_id):
            self._faults.delay(slow, self._stopping)
        access.refuse(self._faults, customer_id, method)
        account = access.customer(self.world, customer_id, login)
        try:
            query = parse(text)
            rows = answer(self.world, account, query, call.protos.schema)
        except QueryError as error:
            raise errors.query_error(error.code, str(error)) from error
        return spoil.spoilt(rows, self._faults, customer_id, method), query.select, query.resource

    def _take(self, kind: str, method: str, customer_id: str) -> Any:
        return self._faults.take("google_ads", (kind,), account_id=customer_id, method=method)


class _Call:
    """One call: its metadata and request id. An AdsError inside ends it as the service ends a refused call."""

    def __init__(self, version: str, context: grpc.ServicerContext) -> None:
        self.version = version
        self.protos: Protos = protos(version)
        self.request_id = secrets.token_urlsafe(16)
        self.metadata = {key: str(value) for key, value in context.invocation_metadata()}
        self._context = context

    def __enter__(self) -> Self:
        self._context.send_initial_metadata((("request-id", self.request_id),))
        self._context.set_trailing_metadata((("request-id", self.request_id),))
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, AdsError):
            return
        trailing: list[tuple[str, str | bytes]] = [("request-id", self.request_id)]
        failure = self.protos.failure(error, self.request_id)
        if failure is not None:
            packed = any_pb2.Any()
            packed.Pack(failure)
            status = status_pb2.Status(code=error.status.value[0], message=error.details, details=[packed])
            trailing.append((self.protos.failure_key, failure.SerializeToString()))
            trailing.append(("grpc-status-details-bin", status.SerializeToString()))
        self._context.set_trailing_metadata(tuple(trailing))
        self._context.abort(error.status, error.details)


class _Router(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Finds the method by its path, so that no version needs to be imported before it is called."""

    def __init__(self, server: GoogleAdsServer) -> None:
        self._server = server

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        service, _, method = details.method.strip("/").rpartition("/")
        package, _, name = service.rpartition(".services.")
        version = package.rpartition(".")[2]
        if version not in installed_versions():
            return None
        unary: dict[tuple[str, str], Callable[..., bytes]] = {
            ("GoogleAdsService", "Search"): self._server.search,
            ("CustomerService", "ListAccessibleCustomers"): self._server.list_accessible_customers,
        }
        if (name, method) == ("GoogleAdsService", "SearchStream"):
            return grpc.unary_stream_rpc_method_handler(
                lambda body, context: self._server.search_stream(version, body, context)
            )
        if handler := unary.get((name, method)):
            return grpc.unary_unary_rpc_method_handler(lambda body, context: handler(version, body, context))
        return None


def _page_token(request: Any, start: int) -> str:
    digest = hashlib.sha256(f"{request.customer_id} {request.query}".encode()).hexdigest()[:16]
    return f"{digest}.{start}"


def _page_start(request: Any) -> int:
    if not request.page_token:
        return 0
    start = request.page_token.rpartition(".")[2]
    if not start.isdigit() or _page_token(request, int(start)) != request.page_token:
        raise errors.request_error("INVALID_PAGE_TOKEN", "Page token is invalid.")
    return int(start)
