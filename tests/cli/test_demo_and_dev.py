"""`make demo` and `make dev`, as a newcomer runs them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.support.limits import HANG_SECONDS
from tests.support.snapshot import number_of_checks

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command_environment() -> dict[str, str]:
    """A shell with settings of the user, which the demo must not use."""
    own = {"MDP_DUCKDB_PATH": "/nowhere/production.duckdb", "META_ACCESS_TOKEN": "EAAproduction", "MDP_TARGET": "x"}
    return {**os.environ, **own}


def test_the_demo_shows_kpis_checks_and_where_things_lie_and_dev_shows_its_run(
    tmp_path: Path, command_environment: dict[str, str]
) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "mdp_dagster", "demo", "--days", "4", "--folder", str(tmp_path)],
        cwd=ROOT,
        env=command_environment,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    for part in ("✓ raw_google_ads__campaign_daily", "✓ ads_dbt_models", "Nordlicht Outdoor", "meta_ads", "ROAS"):
        assert part in demo.stdout
    for part in ("✓ shop__orders_sync", "✓ shop_dbt_models", "nordlicht-outdoor.myshopify.com", "panier moyen"):
        assert part in demo.stdout
    assert f"of {number_of_checks('ads')} passed" in demo.stdout
    assert f"{number_of_checks('shop')} of {number_of_checks('shop')} passed" in demo.stdout
    assert str(tmp_path / "warehouse.duckdb") in demo.stdout
    assert sorted(path.name for path in (tmp_path / "looker").glob("*/*.csv")) == [
        "kpis_produit.csv", "ltv_cohorts.csv", "produits_premium.csv", "ventes_geographiques.csv",
    ]  # fmt: skip
    assert str(tmp_path / "looker") in demo.stdout and str(tmp_path / "mail") in demo.stdout
    assert len(list((tmp_path / "mail").glob("*.eml"))) == len(list((tmp_path / "mail").glob("*.html"))) == 2
    assert "ERROR" not in demo.stdout
    assert _processes_of(tmp_path) == []

    port = _free_port()
    dev = subprocess.Popen(
        [sys.executable, "-m", "mdp_dagster", "dev", "--port", str(port), "--demo", str(tmp_path)],
        cwd=ROOT,
        env=command_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        answer = _ask(port, "{ runsOrError { ... on Runs { results { status jobName } } } }")
        assert answer == {
            "runsOrError": {"results": [{"status": "SUCCESS", "jobName": job} for job in ("shop_daily", "ads_daily")]}
        }
        locations = _ask(
            port, "{ repositoriesOrError { ... on RepositoryConnection { nodes { location { name } } } } }"
        )
        assert locations["repositoriesOrError"]["nodes"] == [{"location": {"name": "mdp"}}]
    finally:
        dev.send_signal(signal.SIGTERM)
        dev.communicate(timeout=HANG_SECONDS)
    assert _processes_of(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "processes"), [(signal.SIGTERM, 2), (signal.SIGTERM, 3), (signal.SIGHUP, 3)]
)  # the demo itself, the sandbox, the run
def test_a_demo_that_is_ended_ends_everything_it_started(
    tmp_path: Path, command_environment: dict[str, str], number: int, processes: int
) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-u", "-m", "mdp_dagster", "demo", "--days", "4", "--folder", str(tmp_path)],
        cwd=ROOT,
        env=command_environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    deadline = time.monotonic() + HANG_SECONDS
    while len(_processes_of(tmp_path)) < processes and time.monotonic() < deadline:
        time.sleep(0.02)
    demo.send_signal(number)
    output, _ = demo.communicate(timeout=HANG_SECONDS)
    assert demo.returncode == 130, output
    assert "Interrupted" in output
    assert "the demo has ended its run and its sandbox" in output
    assert "Traceback" not in output
    assert _processes_of(tmp_path) == []


def _ask(port: int, query: str) -> dict[str, object]:  # type: ignore[type-arg]
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": query}).encode(),
        {"Content-Type": "application/json"},
    )
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=HANG_SECONDS) as answer:
                data: dict[str, object] = json.load(answer)["data"]
                return data
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _processes_of(folder: Path) -> list[str]:
    """Command lines of processes with the folder in their environment or arguments. These were left behind."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                about = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if str(folder).encode() in about and state != "Z":
                found.append((process / "cmdline").read_text(errors="replace").replace("\0", " "))
    return found
