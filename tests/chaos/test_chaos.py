"""A short round of `make chaos`, as a separate program with its own processes, folder and gRPC."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from chaos.sabotage import VARIABLE
from mdp_dagster.settings import PROJECT_ROOT
from tests.support.limits import HANG_SECONDS


def _short_round(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chaos", "--short", "--seed", "20261120", "--seconds", str(HANG_SECONDS)],
        cwd=PROJECT_ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_a_short_round_is_survived() -> None:
    chaos = _short_round()
    assert chaos.returncode == 0, chaos.stdout[-6000:] + chaos.stderr[-2000:]
    hits = {name.strip(): int(hit) for name, hit in re.findall(r"^(\w+: .+?)\s+\d+\s+(\d+)$", chaos.stdout, re.M)}
    for fault in ("kill: commit", "api: google_ads internal", "api: meta_ads transient", "restated: empty"):
        assert hits.get(fault, 0) >= 1, chaos.stdout
    assert re.search(r"[1-9]\d* rows compared", chaos.stdout)


def test_rows_lost_after_a_retry_are_noticed_before_the_next_run_restores_them() -> None:
    chaos = _short_round(**{VARIABLE: "lose_a_row_after_a_retry"})
    assert chaos.returncode == 1, chaos.stdout[-6000:] + chaos.stderr[-2000:]
    assert "FAILED: seed 20261120, round 0" in chaos.stdout
    assert "recovered by" not in chaos.stdout
