"""All of MDP on the emulators of BigQuery and Cloud Storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sandbox import Sandbox
from tests.end_to_end.conftest import Platform, environment, servers  # noqa: F401
from tests.support.emulators.google_cloud import GoogleCloud


class CloudPlatform(Platform):
    """MDP on BigQuery, with its own project and bucket. The same process may use DuckDB too."""

    def __init__(self, cloud: GoogleCloud, sandbox: Sandbox, folder: Path, instance: dg.DagsterInstance) -> None:
        self.cloud, self.project, self.bucket = cloud, cloud.new_project(), cloud.new_bucket()
        with self.environment():
            super().__init__(sandbox, folder, instance)
            self.warehouse.tables()  # connects while the environment variables are set

    @contextmanager
    def environment(self) -> Iterator[dict[str, str]]:
        """The environment for MDP."""
        variables = {
            **self.cloud.env_of(self.project),
            "MDP_TARGET": "bigquery",
            "MDP_LAKE_URI": f"gs://{self.bucket}/mdp",
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            yield variables

    def run(self, *arguments: Any, **named: Any) -> dg.ExecuteInProcessResult:
        with self.environment():
            return super().run(*arguments, **named)

    def probe(self, *arguments: Any, **named: Any) -> dg.ExecuteInProcessResult:
        with self.environment():
            return super().probe(*arguments, **named)

    def reload(self, *arguments: Any, **named: Any) -> dg.ExecuteInProcessResult:
        with self.environment():
            return super().reload(*arguments, **named)


@pytest.fixture
def cloud_platform(
    servers: Sandbox,  # noqa: F811
    environment: Path,  # noqa: F811
    google_cloud: GoogleCloud,
) -> Iterator[CloudPlatform]:
    google_cloud.clear()
    with dg.DagsterInstance.ephemeral() as instance:
        yield CloudPlatform(google_cloud, servers, environment, instance)
