"""Each request to Google Cloud has a time limit: a server that sends its answer drop by drop does not block MDP."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dbt.adapters.bigquery import connections
from dbt.adapters.bigquery.credentials import BigQueryCredentials
from google.api_core.exceptions import NotFound
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import TransportError
from google.cloud import bigquery, storage
from google.oauth2 import service_account

from mdp_dagster.google_cloud.clients import bigquery_client, storage_client
from mdp_dagster.google_cloud.limited_requests import REQUEST_SECONDS, limit_requests, requests_within
from mdp_dagster.google_cloud.settings import GoogleCloudSettings
from mdp_dagster.lake.gcs import BucketError, BucketLocation
from mdp_dagster.lake.lease.object import LeaseObject
from mdp_dagster.transform.bigquery_requests import limit_dbts_requests
from tests.connectors.dribbling import dribbling_server
from tests.support.limits import HANG_SECONDS

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LONG_BODY = HEADERS + b"Content-Length: 1000000\r\n\r\n{"
ANSWERS = {
    "headers": (HEADERS, b"X-More: 1\r\n"),
    "a body with a length": (LONG_BODY, b" "),
    "a body until the end of the connection": (HEADERS + b"Connection: close\r\n\r\n{", b" "),
    "a body in chunks": (HEADERS + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}


def settings(url: str) -> GoogleCloudSettings:
    hosts: dict[str, Any] = {"BIGQUERY_EMULATOR_HOST": url, "STORAGE_EMULATOR_HOST": url}
    return GoogleCloudSettings(_env_file=None, GOOGLE_CLOUD_PROJECT="some-project", BIGQUERY_LOCATION="EU", **hosts)


def query(url: str) -> None:
    bigquery_client(settings(url)).query("select 1", retry=None, job_retry=None)


def download(url: str) -> None:
    storage_client(settings(url)).bucket("some-bucket").blob("some/file").download_as_bytes(retry=None)


def upload(url: str) -> None:
    storage_client(settings(url)).bucket("some-bucket").blob("some/file").upload_from_string("text", retry=None)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("request_it", [query, download, upload])
def test_an_answer_that_drips_is_cut_at_the_deadline(request_it: Callable[[str], None], answer: str) -> None:
    started = time.monotonic()
    with (
        dribbling_server(*ANSWERS[answer]) as (url, sent),
        requests_within(0.3),
        pytest.raises(requests.exceptions.Timeout, match="the whole answer did not arrive within 0.3 s"),
    ):
        request_it(url)
    assert len(sent) == 1
    assert time.monotonic() - started < HANG_SECONDS


def test_a_lease_waits_no_longer_than_its_own_time_for_an_answer() -> None:
    with dribbling_server(LONG_BODY, b" ") as (url, _):
        location = BucketLocation("gs://some-bucket/lake", lambda: storage_client(settings(url)))
        lease = LeaseObject(location, "lease", request_seconds=0.3)
        for call in (lease.read, lambda: lease.write({}, 0), lambda: lease.remove(1)):
            with pytest.raises(BucketError, match="the whole answer did not arrive within 0.3 s") as caught:
                call()
            assert caught.value.transient


def test_an_access_token_that_drips_is_cut_too() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with dribbling_server(LONG_BODY, b" ") as (url, _):
        credentials = service_account.Credentials.from_service_account_info(
            {"client_email": "a@example.com", "private_key": pem, "token_uri": url}
        )
        client = bigquery.Client("some-project", credentials)
        limit_requests(client)
        with requests_within(0.3), pytest.raises(TransportError, match="did not arrive within 0.3 s"):
            client.query("select 1", retry=None, job_retry=None)


class KeepsConnections(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"ok"
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Keeps the output clean."""


def test_a_limit_ends_with_its_answer_and_does_not_cut_the_next_one_on_the_same_connection() -> None:
    connections_made: list[object] = []

    class Server(ThreadingHTTPServer):
        def process_request(self, request: Any, client_address: Any) -> None:
            connections_made.append(client_address)
            super().process_request(request, client_address)

    with Server(("127.0.0.1", 0), KeepsConnections) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        bucket = storage_client(settings(f"http://127.0.0.1:{server.server_address[1]}")).bucket("some-bucket")

        def content(name: str) -> bytes:
            return bytes(bucket.blob(name).download_as_bytes(retry=None, checksum=None))

        with requests_within(0.3):
            assert content("there") == b"ok"
            with pytest.raises(NotFound):
                content("missing")
        time.sleep(0.5)
        assert content("there") == b"ok"
        assert len(connections_made) == 1
        server.shutdown()


def test_clients_have_the_same_limit_without_another_one() -> None:
    limit_dbts_requests()
    limit_dbts_requests()
    of_dbt = connections.create_bigquery_client(
        BigQueryCredentials.from_dict(
            {"method": "oauth-secrets", "database": "some-project", "schema": "s", "token": "t", "threads": 1}
        )
    )
    for client in (bigquery_client(settings("http://x")), storage_client(settings("http://x")), of_dbt):
        assert client._http._seconds == REQUEST_SECONDS == 600
        assert {type(adapter).__name__ for adapter in client._http.adapters.values()} == {"_LimitedAdapter"}
    plain = storage.Client("some-project", AnonymousCredentials())
    assert type(plain._http).__name__ == "AuthorizedSession"
