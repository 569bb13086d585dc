"""A Google Ads server with scripted answers, byte by byte. It uses gRPC over TLS, because the SDK requires it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from google.oauth2.credentials import Credentials

from mdp_dagster.connectors.google_ads import GoogleAdsConnector
from mdp_dagster.connectors.google_ads.settings import GoogleAdsSettings
from mdp_dagster.connectors.retry import RetryPolicy
from sandbox.certificates import server_certificate
from tests.support.limits import HANG_SECONDS

DEVELOPER_TOKEN = "developer-token-of-the-tests"
ACCESS_TOKEN = "ya29.access-token-of-the-tests"
IMPATIENT = RetryPolicy(attempts=2, first_wait_seconds=0, longest_wait_seconds=0, longest_quota_wait_seconds=0)


@dataclass(frozen=True)
class End:
    """The end of a call that fails. ``trailing`` is its trailing metadata."""

    status: grpc.StatusCode
    details: str = ""
    trailing: tuple[tuple[str, str | bytes], ...] = ()


@dataclass
class Script:
    """The messages of every stream, and how it ends; ``asked`` holds the requests as bytes."""

    messages: Iterable[bytes] = ()
    end: End | None = None
    asked: list[bytes] = field(default_factory=list)

    def begin(self, messages: Iterable[bytes] = (), end: End | None = None) -> None:
        self.messages, self.end, self.asked = messages, end, []

    def stream(self, body: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self.asked.append(body)
        yield from self.messages
        if self.end is not None:
            context.set_trailing_metadata(self.end.trailing)
            context.abort(self.end.status, self.end.details)


class ScriptedAds(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """A context manager. ``folder`` has the certificate authority that all sandboxes of the test run share."""

    def __init__(self, folder: Path, script: Script) -> None:
        folder.mkdir(exist_ok=True)
        certificate = server_certificate(folder)
        os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = str(certificate.ca_path)
        self._script = script
        self._server = grpc.server(ThreadPoolExecutor(4), handlers=[self])
        secure = grpc.ssl_server_credentials([(certificate.key, certificate.chain)])
        self.endpoint = f"localhost:{self._server.add_secure_port('localhost:0', secure)}"

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return grpc.unary_stream_rpc_method_handler(self._script.stream)

    def connector(self, timeout_seconds: float = HANG_SECONDS, **more: Any) -> GoogleAdsConnector:
        """The production connector, with a token that does not need a token server."""
        given = {"developer_token": DEVELOPER_TOKEN, "endpoint": self.endpoint} | more
        connector = GoogleAdsConnector(
            GoogleAdsSettings(_env_file=None, **given),  # type: ignore[call-arg]
            retry=IMPATIENT,
            timeout_seconds=timeout_seconds,
        )
        connector._clients._new_credentials = lambda: Credentials(ACCESS_TOKEN)  # type: ignore[method-assign]
        return connector

    def __enter__(self) -> ScriptedAds:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(None).wait()
