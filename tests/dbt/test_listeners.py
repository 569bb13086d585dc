"""dbt ends although one of its listeners fails, and the failure is reported."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from mdp_dagster.definitions import services
from mdp_dagster.settings import load_settings
from mdp_dagster.transform import in_process_dbt
from mdp_dagster.transform.project import DbtError, parsed_project
from tests.support.limits import HANG_SECONDS


def test_a_listener_that_raises_does_not_leave_dbt_waiting_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's log raises like this if its disk is full."""
    monkeypatch.setenv("MDP_DUCKDB_PATH", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setenv("MDP_LAKE_URI", str(tmp_path / "lake"))
    settings = load_settings()
    services(settings).prepare_raw()
    raised: list[BaseException] = []

    def fails(message: Any) -> None:
        if message.info.name in ("LogStartLine", "LogModelResult") or message.info.level == "error":
            raise OSError(28, "No space left on device")

    def run() -> None:
        variables = {"window_start": "2026-11-17", "window_end": "2026-11-18"}
        command = ["run", "--select", "stg_google_ads__account_daily"]
        try:
            in_process_dbt._invoke(parsed_project(settings), command, variables, [fails])
        except BaseException as error:
            raised.append(error)

    dbt = threading.Thread(target=run, daemon=True)
    dbt.start()
    dbt.join(HANG_SECONDS)
    assert not dbt.is_alive(), "dbt waits for ever"
    assert isinstance(raised[0], DbtError)
    assert "No space left on device" in str(raised[0])
