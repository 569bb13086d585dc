from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulators.google_cloud import GoogleCloud

from .places import Bucket, Folder, Place


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    """A lake's folder or bucket. Each test runs with both."""
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "lake")


@pytest.fixture
def bucket(google_cloud: GoogleCloud) -> Iterator[Bucket]:
    bucket = Bucket(google_cloud)
    bucket.faults.clear()
    yield bucket
    bucket.faults.clear()
