"""A short round of `make chaos`, as a program of its own: its processes, its folder and its gRPC are nobody else's."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from mdp_dagster.settings import PROJECT_ROOT


@pytest.mark.timeout(280)
def test_a_short_round_is_survived() -> None:
    chaos = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--short", "--seed", "20261120", "--seconds", "240"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=270,
    )
    assert chaos.returncode == 0, chaos.stdout[-6000:] + chaos.stderr[-2000:]
    hits = {name.strip(): int(hit) for name, hit in re.findall(r"^(\w+: .+?)\s+\d+\s+(\d+)$", chaos.stdout, re.M)}
    for fault in ("kill: extract", "api: google_ads internal", "api: meta_ads transient", "restated: empty"):
        assert hits.get(fault, 0) >= 1, chaos.stdout
    assert re.search(r"[1-9]\d* rows compared", chaos.stdout)
