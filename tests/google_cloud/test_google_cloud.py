"""Credentials for Google Cloud: application default credentials in each form, or an impersonated service account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth import external_account, identity_pool, impersonated_credentials
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.oauth2 import service_account

from mdp_dagster.google_cloud.clients import bigquery_client, storage_client
from mdp_dagster.google_cloud.settings import GoogleCloudSettings
from mdp_dagster.orchestration.bigquery_resource import bigquery_resource

ACT_AS = "mdp-runner@some-project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@pytest.fixture(autouse=True)
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the credentials of the machine that runs the tests, and the metadata server."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "BIGQUERY_EMULATOR_HOST", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    file = tmp_path / "key.json"
    file.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "some-project",
                "private_key_id": "1",
                "private_key": pem,
                "client_email": "a-key@some-project.iam.gserviceaccount.com",
                "token_uri": "https://oauth2.example.com/token",
            }
        )
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    return file


def settings(**more: str) -> GoogleCloudSettings:
    return GoogleCloudSettings(
        _env_file=None, GOOGLE_CLOUD_PROJECT="some-project", BIGQUERY_LOCATION="europe-west3", **more
    )


def test_a_key_file_is_a_service_account(key_file: Path) -> None:
    for client in (bigquery_client(settings()), storage_client(settings())):
        assert isinstance(client._credentials, service_account.Credentials)
        assert client._credentials.service_account_email.startswith("a-key@")
        assert client.project == "some-project"
    assert bigquery_client(settings()).location == "europe-west3"


class TokenService(BaseHTTPRequestHandler):
    """Exchanges tokens, and resolves project numbers."""

    def do_POST(self) -> None:
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._answer({"access_token": f"for {asked['subject_token'][0]}", "expires_in": 3600, "token_type": "Bearer"})

    def do_GET(self) -> None:
        self._answer({"projectId": "another-project"})

    def _answer(self, body: dict[str, object]) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def token_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), TokenService) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(external_account, "_CLOUD_RESOURCE_MANAGER", url)
        yield url
        server.shutdown()


def test_workload_identity_federation_needs_no_key(
    token_service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q"
    config = {
        "type": "external_account",
        "audience": pool,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": token_service,
        "credential_source": {"file": str(tmp_path / "token")},
    }
    (tmp_path / "token").write_text("the-cluster-says-who-i-am")
    (tmp_path / "federation.json").write_text(json.dumps(config))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "federation.json"))
    for client in (bigquery_client(settings()), storage_client(settings())):
        assert isinstance(client._credentials, identity_pool.Credentials)
        assert client._credentials.token == "for the-cluster-says-who-i-am"
        assert client.project == "some-project"


def test_another_service_account_can_be_impersonated(key_file: Path) -> None:
    given = settings(MDP_GOOGLE_IMPERSONATE_SERVICE_ACCOUNT=ACT_AS)
    for client in (bigquery_client(given), storage_client(given)):
        assert isinstance(client._credentials, impersonated_credentials.Credentials)
        assert client._credentials.service_account_email == ACT_AS
        assert SCOPE in client._credentials._target_scopes


def test_missing_credentials_raise_an_error(tmp_path: Path) -> None:
    with pytest.raises(DefaultCredentialsError):
        bigquery_client(settings())


def test_an_emulator_gets_anonymous_requests() -> None:
    given = settings(BIGQUERY_EMULATOR_HOST="http://127.0.0.1:1", STORAGE_EMULATOR_HOST="http://127.0.0.1:2")
    big, storage = bigquery_client(given), storage_client(given)
    assert isinstance(big._credentials, AnonymousCredentials) and isinstance(storage._credentials, AnonymousCredentials)
    assert (big._connection.API_BASE_URL, storage._connection.API_BASE_URL) == (
        "http://127.0.0.1:1",
        "http://127.0.0.1:2",
    )


def test_the_dagster_resource_makes_the_same_client(key_file: Path) -> None:
    with bigquery_resource(settings()).get_client() as client:
        assert isinstance(client._credentials, service_account.Credentials) and client.location == "europe-west3"
