"""MDP as processes: the documented command, two at once, and with a damaged file.

Kills are in chaos/.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mdp_dagster.__main__ import main
from mdp_dagster.window import DateWindow
from tests.end_to_end.conftest import Platform, days_ago
from tests.support.clock import python_path
from tests.support.limits import HANG_SECONDS

ROOT = Path(__file__).parents[2]
GOOGLE, META = "4123087751", "301400000000101"


def materialize(platform: Platform, window: DateWindow) -> subprocess.Popen[str]:
    """``dagster asset materialize`` of the ads. tests/defs/shop/test_night.py has two nights of a shop at once."""
    command = [
        sys.executable, "-m", "dagster", "asset", "materialize", "-m", "mdp_dagster.definitions",
        "--select", "tag:domain=ads", "--partition-range", f"{window.start}...{window.last}",
    ]  # fmt: skip
    return subprocess.Popen(
        command,
        cwd=platform.folder,  # where Dagster leaves its temporary instance when it is killed
        env={**os.environ, "PYTHONPATH": python_path(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def ended(process: subprocess.Popen[str]) -> str:
    """The output of a process that has succeeded."""
    output, _ = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 0, output[-3000:]
    return output


@pytest.fixture(autouse=True)
def _no_dagster_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process has its own Dagster instance. They share only the warehouse."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def test_two_processes_at_once_lose_nothing_and_neither_fails(platform: Platform) -> None:
    """Overlapping windows, on a database that neither has made yet, while somebody reads it."""
    one, other = materialize(platform, days_ago(4, 1)), materialize(platform, days_ago(6, 3))
    ended(one), ended(other)
    platform.assert_mart_is_true(days_ago(6, 1))


def test_a_damaged_database_is_named_and_raw_comes_back_from_the_lake(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: the test above runs the documented command."""
    window = days_ago(2, 1)
    platform.run(window)
    rows = platform.count("mdp_raw.raw_meta_ads__campaign_daily")
    platform.warehouse.path.write_bytes(b"not a database" * 1000)
    assert "rebuild-raw" in platform.errors(platform.run(window, succeeds=False))

    platform.warehouse.path.unlink()
    assert main(["rebuild-raw"]) == 0
    assert "rebuilt from" in capsys.readouterr().out
    assert platform.count("mdp_raw.raw_meta_ads__campaign_daily") == rows
    platform.sandbox.requests.clear()
    platform.run(window, 'group:"ads_staging" or group:"ads_intermediate" or group:"ads_marts"')
    platform.assert_mart_is_true(window)
    assert platform.sandbox.requests.count() == 0
