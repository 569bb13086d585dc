"""The vendors' SDKs take 1-2 s to import: only a connector that makes a request may import one."""

from __future__ import annotations

import subprocess
import sys

import pytest

CHECK = """
import sys
from mdp_dagster.connectors.google_ads import GoogleAdsConnector
from mdp_dagster.connectors.meta_ads import MetaAdsConnector
from mdp_dagster.connectors.google_ads.settings import GoogleAdsSettings
from mdp_dagster.connectors.meta_ads.settings import MetaAdsSettings
GoogleAdsConnector(GoogleAdsSettings(_env_file=None)).accounts([])
MetaAdsConnector(MetaAdsSettings(_env_file=None)).accounts([])
slow = {"google.ads", "google.auth", "grpc", "facebook_business", "requests", "dagster"}
print(sorted(slow & set(sys.modules)))
"""


@pytest.mark.slow
def test_importing_and_constructing_a_connector_imports_no_sdk() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["account_lookup", "base", "errors", "history", "redaction", "retry", "sources"])
def test_a_shared_module_names_no_platform(name: str) -> None:
    module = __import__(f"mdp_dagster.connectors.{name}", fromlist=["_"])
    names = {value.__module__ for value in vars(module).values() if hasattr(value, "__module__")}
    assert not {n for n in names if "google_ads" in n or "meta_ads" in n}
