"""Fixtures for all tests, registered in tests/conftest.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.emulators.google_cloud import GoogleCloud


@pytest.fixture(scope="session")
def google_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleCloud]:
    """BigQuery and Cloud Storage on this machine, started by the first test that needs them. One pair per worker."""
    from tests.support.emulators.google_cloud import GoogleCloud

    cloud = GoogleCloud(tmp_path_factory.getbasetemp() / "google_cloud")
    yield cloud
    cloud.end()
