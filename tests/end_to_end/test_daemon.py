"""Without a manual step, the schedule probes, the sensor requests runs, they run, and the mart is right."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from mdp_dagster.cli.dagster_home import dagster_instance, environment, prepare_dagster_home
from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.partitions import RANGE_START_TAG
from tests.end_to_end.conftest import TODAY, Platform, days_ago
from tests.support.limits import HANG_SECONDS

ROOT = Path(__file__).parents[2]
GOOGLE, META = "4123087751", "301400000000101"


@contextmanager
def daemon(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``dagster-daemon run``, and none of its processes afterwards."""
    log = (home / "daemon.log").open("wb")
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-w", str(ROOT / "workspace.yaml")],
        cwd=home,
        env={**os.environ, **environment(home)},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        log.close()


def test_a_change_at_the_platform_reaches_the_mart_without_a_manual_step(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MDP_START_DATE", str(TODAY - timedelta(days=6)))
    monkeypatch.setenv("MDP_PROBE_CRON", "* * * * *")
    home = platform.folder / "dagster"
    prepare_dagster_home(home)
    window = days_ago(6)
    platform.run(window)
    restated, gone = platform.a_day_with_rows(GOOGLE, 3), platform.a_day_with_rows(META, 2)
    platform.world.restate("google_ads", GOOGLE, restated, factor=3)
    platform.world.empty_day("meta_ads", META, gone)
    assert not platform.shows_truth(window)

    with dagster_instance(home) as instance:
        with daemon(home) as process:
            deadline = time.monotonic() + HANG_SECONDS
            while not platform.shows_truth(window):
                assert process.poll() is None and time.monotonic() < deadline, (home / "daemon.log").read_text()[-3000:]
                time.sleep(2)
            _wait_for_the_end_of_runs(instance)
        reloads = {run.job_name: run for run in instance.get_runs() if run.job_name.endswith("_late_data")}
        assert {name: run.tags[RANGE_START_TAG] for name, run in reloads.items()} == {
            "google_ads_late_data": str(restated),
            "meta_ads_late_data": str(gone),
        }
        google = reloads["google_ads_late_data"].tags
        assert google[run_tags.ACCOUNTS] == GOOGLE
        assert google[run_tags.REASON] == "restated: 1 day of 1 account"
        assert google[run_tags.MOVED].startswith("conversions +")
        assert reloads["meta_ads_late_data"].tags[run_tags.MOVED].startswith("spend -")
        touched = Counter(
            str(record.partition_key)
            for record in instance.fetch_materializations(dg.AssetKey("mart_campaign__daily"), limit=100).records
        )
        assert touched == Counter({str(restated): 1, str(gone): 1})


def _wait_for_the_end_of_runs(instance: dg.DagsterInstance) -> None:
    under_way = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    )
    deadline = time.monotonic() + HANG_SECONDS
    while instance.get_runs(under_way) and time.monotonic() < deadline:
        time.sleep(1)
