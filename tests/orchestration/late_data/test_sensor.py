"""A sensor's tick, with a real event log: its cost, what it reads, and which runs cover late days."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest

from mdp_dagster.defs.ads.jobs import reload_job, reload_sensor
from mdp_dagster.defs.ads.platforms import PROBES
from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.orchestration import run_tags
from mdp_dagster.orchestration.account_days import account_days, run_config
from mdp_dagster.orchestration.late_data import active_runs
from mdp_dagster.orchestration.late_data.payload import METADATA_KEY, LateDays
from mdp_dagster.orchestration.late_data.plan import MAX_RUNS
from mdp_dagster.orchestration.partitions import range_tags
from mdp_dagster.settings import load_settings
from mdp_dagster.window import DateWindow
from tests.support.settings_variables import forget_accounts

WATCHED = PROBES[0]
REPORT = WATCHED.details[0].report
LAST = date(2026, 11, 19)
MONEY = frozenset(["spend"])


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield instance


@pytest.fixture(autouse=True)
def nothing_to_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No account, no warehouse, no clients file: a tick needs none of them, and makes none."""
    forget_accounts(monkeypatch)
    monkeypatch.setenv("MDP_ENV_FILE", os.devnull)
    monkeypatch.setenv("MDP_DUCKDB_PATH", str(tmp_path / "absent" / "warehouse.duckdb"))
    monkeypatch.setenv("MDP_CLIENTS_FILE", str(tmp_path / "absent.yaml"))
    yield
    assert not (tmp_path / "absent").exists()


def report_late(instance: dg.DagsterInstance, late: LateDays) -> None:
    metadata = {METADATA_KEY: dg.MetadataValue.json(late.to_json())}
    instance.report_runless_asset_event(dg.AssetMaterialization("google_ads__late_days", metadata=metadata))


def tick(instance: dg.DagsterInstance) -> dg.SensorResult:
    answer = evaluate(instance)
    assert isinstance(answer, dg.SensorResult)
    return answer


def evaluate(instance: dg.DagsterInstance, cursor: str | None = None) -> object:
    sensor = reload_sensor(WATCHED, reload_job(WATCHED), load_settings())
    return sensor(dg.build_sensor_context(instance, cursor=cursor))


def late_accounts(days: int, accounts: int) -> LateDays:
    ids = [str(4_000_000_000 + n) for n in range(accounts)]
    found = [
        LateDay(account, LAST - timedelta(days=n), Reason.RESTATED, {"spend": 12.345678, "conversions": -1.25})
        for account in ids
        for n in range(days)
    ]
    return LateDays(tuple(found), dict.fromkeys(ids, "EUR"), MONEY)


def test_five_hundred_days_of_fifty_accounts_are_one_quick_tick(instance: dg.DagsterInstance) -> None:
    late = late_accounts(days=500, accounts=50)
    report_late(instance, replace(late, days=tuple(d for d in late.days if d.date.day not in (7, 8))))
    seconds = []
    for _ in range(5):
        began = time.thread_time()
        answer = tick(instance)
        seconds.append(time.thread_time() - began)
    print(f"a tick with 500 days x 50 accounts: {min(seconds):.3f} s of CPU time")
    assert min(seconds) < 1  # 0.2 on two cores; a query or a request for each would take many times that
    assert answer.run_requests is not None
    assert len(answer.run_requests) == MAX_RUNS  # although there is a gap of two days in each month
    assert all(len(request.tags[run_tags.ACCOUNTS].split(",")) == 50 for request in answer.run_requests)
    extracted = [account_days(request.run_config, [REPORT.table]) for request in answer.run_requests]
    assert sum(len(days) for found in extracted for days in (found or {}).values()) == 50 * sum(
        (LAST - timedelta(days=n)).day not in (7, 8) for n in range(500)
    )


def start_run(instance: dg.DagsterInstance, window: DateWindow, tables: list[str], accounts: str = "") -> None:
    run = dg.DagsterRun(
        job_name="__ASSET_JOB",
        status=dg.DagsterRunStatus.STARTING,
        tags={**range_tags(window), **({run_tags.ACCOUNTS: accounts} if accounts else {})},
        asset_selection=frozenset(dg.AssetKey(table) for table in tables),
    )
    instance.add_run(run)


@pytest.mark.parametrize(
    ("tables", "accounts", "covered"),
    [
        ([REPORT.table, "mart_campaign__daily"], "", True),
        ([REPORT.table], "4000000000,4000000001", True),
        ([REPORT.table], "4000000001", False),
        (["mart_campaign__daily"], "", False),
        (["raw_meta_ads__campaign_daily"], "", False),
    ],
)
def test_an_active_run_of_the_same_report_and_accounts_covers_its_days(
    instance: dg.DagsterInstance, tables: list[str], accounts: str, covered: bool
) -> None:
    report_late(instance, late_accounts(days=3, accounts=1))
    start_run(instance, DateWindow.of_days(LAST - timedelta(days=9), LAST), tables, accounts)
    answer = tick(instance)
    assert len(answer.run_requests or []) == (0 if covered else 1)
    if covered:
        assert answer.skip_reason is not None and ": covered by run" in str(answer.skip_reason.skip_message)


def test_a_reload_covers_only_the_days_of_each_account_in_its_config(instance: dg.DagsterInstance) -> None:
    late = late_accounts(days=2, accounts=2)
    report_late(instance, late)
    one, other = late.accounts()
    instance.add_run(
        dg.DagsterRun(
            job_name="google_ads_late_data",
            status=dg.DagsterRunStatus.STARTING,
            tags={
                **range_tags(DateWindow.of_days(LAST - timedelta(days=1), LAST)),
                run_tags.ACCOUNTS: f"{one},{other}",
            },
            run_config=run_config({one: {LAST}, other: {LAST - timedelta(days=1)}}, [REPORT.table]),
        )
    )
    [request] = tick(instance).run_requests or []
    assert account_days(request.run_config, [REPORT.table]) == {one: {LAST - timedelta(days=1)}, other: {LAST}}


def test_a_tick_without_a_request_explains_which_days_wait(instance: dg.DagsterInstance) -> None:
    now = datetime.now(timezone.utc)
    days = tuple(
        LateDay(account, now.date(), Reason.RESTATED, {"spend": 1.0}, "aa", now)
        for account in ("4000000000", "4000000001")
    )
    report_late(instance, LateDays(days, {}, MONEY))
    answer = tick(instance)
    assert not answer.run_requests and answer.skip_reason is not None
    message = str(answer.skip_reason.skip_message)
    assert f"{now.date()} of 2 accounts: next reload after " in message
    assert message.endswith("because days of age 0-3 are reloaded every 8 hours")
    assert isinstance(evaluate(instance, answer.cursor), dg.SkipReason)  # it waits for the next probe


def test_a_run_without_an_event_for_an_hour_covers_nothing(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine died, and Dagster still says that it is running."""
    run = dg.DagsterRun(
        job_name="__ASSET_JOB",
        status=dg.DagsterRunStatus.STARTED,
        tags=range_tags(DateWindow.of_days(LAST - timedelta(days=9), LAST)),
        asset_selection=frozenset([dg.AssetKey(REPORT.table)]),
    )
    instance.add_run(run)
    instance.report_engine_event("the last that was heard of it", run)
    report_late(instance, late_accounts(days=3, accounts=1))
    assert not tick(instance).run_requests
    now = time.time()
    monkeypatch.setattr(active_runs.time, "time", lambda: now + 4000)
    assert len(tick(instance).run_requests or []) == 1
