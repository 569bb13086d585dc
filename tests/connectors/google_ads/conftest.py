"""One scripted Google Ads server for the test run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.connectors.google_ads.scripted_server import Script, ScriptedAds


@pytest.fixture(scope="session")
def ads_script() -> Script:
    return Script()


@pytest.fixture(scope="session")
def ads(tmp_path_factory: pytest.TempPathFactory, ads_script: Script) -> Iterator[ScriptedAds]:
    with ScriptedAds(tmp_path_factory.getbasetemp() / "sandbox", ads_script) as server:
        yield server
