"""Google's services for the tests: BigQuery and Cloud Storage on this machine, without an account.

    def test_…(google_cloud: GoogleCloud) -> None:
        project, bucket = google_cloud.new_project(), google_cloud.new_bucket()

Each test needs its own project, because dataset names are fixed.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials

from tests.support.emulators.processes import Emulator, free_port, listens
from tests.support.limits import HANG_SECONDS

if TYPE_CHECKING:
    from google.cloud import bigquery, storage

LOCATION = "europe-west3"
"""Neither US nor EU, where BigQuery finds a job without its location."""


@dataclass(frozen=True)
class Job:
    """A request for a job, as it arrived."""

    id: str
    kind: str
    """``query``, ``load`` or ``copy``."""
    sql: str | None
    configuration: dict[str, Any]
    """As sent: labels, dryRun, and ``configuration[kind]``."""
    location: str | None
    """As sent."""
    refused: str | None
    """Why there is no job of it: a taken id (``Already Exists: …``), another location."""
    state: str | None
    error: dict[str, Any] | None
    """Its errorResult by now."""


class GoogleCloud:
    """Two emulators, for one worker's session."""

    def __init__(self, state_dir: Path) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        self._numbers = itertools.count(1)
        port_file, data_dir = state_dir / "bigquery.port", state_dir / "gcs"
        storage_port = free_port()
        self._emulators = [
            Emulator(
                "tests.support.emulators.bigquery_launcher",
                ["--port-file", str(port_file), "--gcs-root", str(data_dir / ".cloudstorage")],
                state_dir / "bigquery.log",
            ),
            Emulator(
                "tests.support.emulators.storage_launcher",
                ["--port", str(storage_port), "--data-dir", str(data_dir)],
                state_dir / "storage.log",
            ),
        ]
        try:
            self._emulators[0].wait_until(port_file.exists)
            self._emulators[1].wait_until(lambda: listens(storage_port))
        except BaseException:
            self.end()
            raise
        self.bigquery_url = f"http://127.0.0.1:{port_file.read_text()}"
        self.storage_url = f"http://127.0.0.1:{storage_port}"
        self._http = requests.Session()

    def end(self) -> None:
        for emulator in self._emulators:
            emulator.end()

    def new_project(self) -> str:
        return f"test-project-{next(self._numbers)}"

    def new_bucket(self) -> str:
        return self.storage_client().create_bucket(f"test-bucket-{next(self._numbers)}").name

    @property
    def env(self) -> dict[str, str]:
        """The settings that connect MDP, dbt and Google's clients to the emulators, in a shared project."""
        return self.env_of("test-project")

    def env_of(self, project: str) -> dict[str, str]:
        return {
            "GOOGLE_CLOUD_PROJECT": project,
            "BIGQUERY_LOCATION": LOCATION,
            "BIGQUERY_EMULATOR_HOST": self.bigquery_url,
            "STORAGE_EMULATOR_HOST": self.storage_url,
        }

    def bigquery_client(self, project: str) -> bigquery.Client:
        from google.cloud import bigquery

        return bigquery.Client(
            project=project,
            location=LOCATION,
            credentials=AnonymousCredentials(),
            client_options=ClientOptions(api_endpoint=self.bigquery_url),
        )

    def storage_client(self) -> storage.Client:
        from google.cloud import storage

        return storage.Client(
            project="test-project",
            credentials=AnonymousCredentials(),
            client_options=ClientOptions(api_endpoint=self.storage_url),
        )

    def statements(self, project: str) -> list[Job]:
        """Every request for a job in order, except those that were answered as unavailable."""
        return [Job(**job) for job in self._ask("GET", "jobs", params={"project": project}).json()]

    # Faults. ``which``: project=, kind=, table="dataset.table", contains= (in the statement); times=1.

    def fail(self, reason: str = "backendError", message: str = "injected by the test", **which: Any) -> None:
        """The job does nothing and ends with this errorResult. Its id is used up."""
        self._fault("fail", reason=reason, message=message, **which)

    def unavailable(self, status: int = 503, reason: str = "backendError", **which: Any) -> None:
        """The request gets this answer before anything is done. Its id stays free."""
        self._fault("unavailable", status=status, reason=reason, **which)

    def lose_answer(self, **which: Any) -> None:
        """The job is done, but the connection is closed instead of an answer."""
        self._fault("lose_answer", **which)

    def delay(self, seconds: float, **which: Any) -> None:
        """The job is RUNNING for this time before it is done."""
        self._fault("delay", seconds=seconds, **which)

    def bytes_read(self, bytes_: int, **which: Any) -> None:
        """The query reads and bills this number of bytes, independent of its SQL."""
        self._fault("bytes", bytes=bytes_, **which)

    def clear(self) -> None:
        """Remove faults that no job has matched."""
        self._ask("DELETE", "faults")

    def _fault(self, effect: str, **what: Any) -> None:
        self._ask("POST", "faults", json={"effect": effect, **what})

    def _ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        answer = self._http.request(method, f"{self.bigquery_url}/_emulator/{path}", timeout=HANG_SECONDS, **arguments)
        answer.raise_for_status()
        return answer
