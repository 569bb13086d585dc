"""The sandbox as a whole: one world, both platforms' servers, and the settings that direct clients to them."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from sandbox.certificates import server_certificate
from sandbox.control import Control
from sandbox.faults import Faults
from sandbox.google_ads.server import PAGE_ROWS, GoogleAdsServer
from sandbox.google_ads.tokens import Tokens, service_account_key, write_service_account_file
from sandbox.http_app import TOKEN_PATH, HttpServer, build_app
from sandbox.meta_ads import wire
from sandbox.meta_ads.graph import Graph
from sandbox.requestlog import RequestLog
from sandbox.world import World

if TYPE_CHECKING:
    from typing_extensions import Self

_HERE = ("localhost", "127.0.0.1")
DEVELOPER_TOKEN = "sandbox-developer-token"


class Sandbox:
    """Serves a world on 127.0.0.1 until it is stopped; a context manager.

    `state_dir` keeps the certificate authority and the service account's key; both are used again while they are
    valid, which matters because gRPC reads its trusted authorities once per process.
    """

    def __init__(
        self,
        world: World,
        state_dir: Path | str,
        *,
        http_port: int = 0,
        grpc_port: int = 0,
        google_page_rows: int = PAGE_ROWS,
        meta_reduce_data_rows: int = 1_000_000,
    ) -> None:
        self.world = world
        self.faults = Faults()
        self.requests = RequestLog()
        self.state_dir = Path(state_dir)
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self._http = HttpServer(http_port)
        token_uri = self._http.url + TOKEN_PATH
        key = service_account_key(self.state_dir)
        # One file per port: several sandboxes may share the directory.
        self._key_file = self.state_dir / f"service-account-{self._http.port}.json"
        write_service_account_file(self._key_file, key, token_uri)
        self.tokens = Tokens(key, token_uri)
        certificate = server_certificate(self.state_dir)
        self._ca_path = certificate.ca_path
        self.google_ads = GoogleAdsServer(
            world,
            self.faults,
            self.requests,
            self.tokens,
            certificate,
            port=grpc_port,
            page_rows=google_page_rows,
        )
        self.meta_ads = Graph(world, self.faults, self.requests, reduce_data_rows=meta_reduce_data_rows)

    @property
    def url(self) -> str:
        """Where Graph, the token endpoint and `/_sandbox/…` are."""
        return self._http.url

    @property
    def google_ads_endpoint(self) -> str:
        return f"localhost:{self.google_ads.port}"

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that direct clients to this sandbox."""
        return {
            "GOOGLE_ADS_ENDPOINT": self.google_ads_endpoint,
            "GOOGLE_ADS_JSON_KEY_FILE_PATH": str(self._key_file.resolve()),
            "GOOGLE_ADS_DEVELOPER_TOKEN": DEVELOPER_TOKEN,
            "GOOGLE_ADS_USE_PROTO_PLUS": "False",
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(self._ca_path.resolve()),
            "META_GRAPH_URL": self.url,
            "META_ACCESS_TOKEN": wire.ACCESS_TOKEN,
            "META_APP_ID": wire.APP_ID,
            "META_APP_SECRET": wire.APP_SECRET,
            "no_proxy": _no_proxy(),
        }

    def start(self) -> Self:
        control = Control(self.world, self.faults, self.requests)
        self._http.start(build_app(self.meta_ads, self.tokens, control))
        self.google_ads.start()
        return self

    def stop(self) -> None:
        self.meta_ads.stop()
        self.google_ads.stop()
        self._http.stop()
        self._key_file.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _no_proxy() -> str:
    """What this process reaches without a proxy, and this machine: a proxy can't reach the sandbox."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = [name.strip() for name in known.split(",") if name.strip()]
    return ",".join(dict.fromkeys([*names, *_HERE]))
