"""Fixtures: a sandbox for the session, and the vendors' real clients against it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timezone
from functools import lru_cache
from typing import Any

import pytest
from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession
from google.ads.googleads.client import GoogleAdsClient
from google.oauth2.service_account import Credentials

from sandbox import Sandbox, World
from tests.support.limits import HANG_SECONDS

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
SEED = 7
OPTIONS: dict[str, dict[str, Any]] = {
    "google_ads": {"page_rows": 100},
    "shopify": {"opened": date(2026, 6, 1)},  # less history is faster
}

NORDLICHT, MANAGER, EAST, WEST, NEW_ZEALAND = (
    "4123087751",
    "7001002000",
    "7001002010",
    "7001002020",
    "7001002030",
)
CLOSED = "7001002099"
META_SALES, META_LEADS, META_PURCHASE = "301400000000101", "301400000000102", "301400000000301"

Ads = Callable[..., list[Any]]
Graph = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A running sandbox. gRPC reads its trusted authorities once per process, so that all tests share a directory."""
    state_dir = tmp_path_factory.getbasetemp() / "sandbox"
    with Sandbox(World(seed=SEED, now=NOW), state_dir, options=OPTIONS) as running:
        os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = running.env["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"]
        yield running


@pytest.fixture(autouse=True)
def _as_new(sandbox: Sandbox) -> None:
    sandbox.faults.clear()
    sandbox.requests.clear()
    sandbox.forget_edits()
    sandbox.world.now = NOW


@pytest.fixture(scope="session")
def google_client(sandbox: Sandbox) -> Callable[..., GoogleAdsClient]:
    """The real client: `google_client(version=, login_customer_id=, developer_token=)`."""
    credentials = Credentials.from_service_account_file(
        sandbox.env["GOOGLE_ADS_JSON_KEY_FILE_PATH"], scopes=["https://www.googleapis.com/auth/adwords"]
    )

    @lru_cache
    def client(
        version: str = "v26",
        login_customer_id: str | None = None,
        developer_token: str | None = sandbox.env["GOOGLE_ADS_DEVELOPER_TOKEN"],
    ) -> GoogleAdsClient:
        return GoogleAdsClient(
            credentials=credentials,
            developer_token=developer_token,
            endpoint=sandbox.env["GOOGLE_ADS_ENDPOINT"],
            login_customer_id=login_customer_id,
            version=version,
            use_proto_plus=False,
        )

    return client


@pytest.fixture(scope="session")
def ads(google_client: Callable[..., GoogleAdsClient]) -> Ads:
    """All rows of a query: `ads(query, customer_id, version=, login_customer_id=)`."""

    @lru_cache
    def service(version: str, login: str | None) -> Any:
        return google_client(version=version, login_customer_id=login).get_service("GoogleAdsService")

    def rows(query: str, customer_id: str = NORDLICHT, version: str = "v26", login: str | None = None) -> list[Any]:
        stream = service(version, login).search_stream(customer_id=customer_id, query=query, timeout=HANG_SECONDS)
        return [row for batch in stream for row in batch.results]

    return rows


@pytest.fixture(scope="session")
def meta_api(sandbox: Sandbox) -> FacebookAdsApi:
    env = sandbox.env
    session = FacebookSession(
        env["META_APP_ID"], env["META_APP_SECRET"], env["META_ACCESS_TOKEN"], timeout=HANG_SECONDS
    )
    session.GRAPH = env["META_GRAPH_URL"]
    return FacebookAdsApi(session, api_version="v26.0")


@pytest.fixture(scope="session")
def graph(meta_api: FacebookAdsApi) -> Graph:
    """The JSON of a call: `graph("act_1", "insights", level="campaign", method="POST")`."""

    def call(*path: str, method: str = "GET", **params: Any) -> dict[str, Any]:
        answer = meta_api.call(method, path, params=params).json()
        assert isinstance(answer, Mapping)
        return dict(answer)

    return call


@pytest.fixture(scope="session")
def all_pages(meta_api: FacebookAdsApi) -> Callable[..., list[dict[str, Any]]]:
    """The rows of all pages, followed by `next`."""

    def pages(*path: str, **params: Any) -> list[dict[str, Any]]:
        body = meta_api.call("GET", path, params=params).json()
        rows = list(body["data"])
        while "next" in body.get("paging", {}):
            body = meta_api.call("GET", body["paging"]["next"]).json()
            rows += body["data"]
        return rows

    return pages
