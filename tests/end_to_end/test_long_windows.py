"""Windows that begin before the 37 months: the available days are extracted, and the marts have all rows of raw."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from mdp_dagster.connectors import history
from mdp_dagster.definitions import services as services_for
from mdp_dagster.defs.ads.platforms import REPORTS
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.settings import load_settings
from mdp_dagster.window import DateWindow
from tests.end_to_end.conftest import NOW, TODAY, Platform, days_ago

OLDEST = history.safe_first_day(REPORTS[0])


@pytest.fixture
def platform_since_2020(environment: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Platform:
    monkeypatch.setenv("MDP_START_DATE", "2020-01-01")
    built: Platform = request.getfixturevalue("platform")
    return built


def test_the_marts_keep_what_the_platform_no_longer_has(
    platform_since_2020: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = platform_since_2020
    window = DateWindow.of_days(OLDEST - timedelta(days=9), OLDEST + timedelta(days=4))
    gone = DateWindow(window.start, OLDEST)
    with monkeypatch.context() as then:  # three weeks ago all of it could be had
        platform.world.now = NOW - timedelta(days=21)
        then.setattr(history, "earliest_today", lambda: TODAY - timedelta(days=21))
        platform.run(window)
        platform.assert_mart_is_true(window)
        kept = platform.mart(gone)
    platform.world.now = NOW
    day = OLDEST + timedelta(days=1)
    platform.world.restate("google_ads", "4123087751", day, factor=3)

    result = platform.run(window)
    left = DateWindow(OLDEST, window.end)
    platform.assert_mart_is_true(left)
    assert platform.mart(gone) == kept
    for report in REPORTS:
        [materialization, *_] = result.asset_materializations_for_node(report.table)
        assert materialization.metadata["days_beyond_history"].value == 9

    # nothing of it can be had: the models are rebuilt from raw, and nobody is asked
    platform.sandbox.requests.clear()
    platform.run(gone)
    assert platform.mart(gone) == kept
    assert platform.sandbox.requests.count() == 0


def test_several_years_are_one_ingest_in_chunks(environment: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The real connectors, from years before the history to yesterday."""
    clients = environment / "clients.yaml"
    clients.write_text(
        "clients:\n  - id: nordlicht\n    name: Nordlicht\n    reporting_currency: EUR\n"
        "    accounts: {google_ads: ['4123087751'], meta_ads: ['301400000000101']}\n"
    )
    services = services_for(load_settings().model_copy(update={"clients_file": clients}))
    caplog.set_level(logging.INFO, "mdp_dagster.ingest")
    window = DateWindow(OLDEST - timedelta(days=700), days_ago(1, 1).end)
    for report in REPORTS:
        result = ingest(services.connector(report.source), report, window, services.stores(), IngestRun("run"))
        assert (result.days_beyond_history, result.failed) == (700, [])
        days = services.warehouse.query(
            "select count(*) as n, min(date) as first, max(date) as last from mdp_raw.raw__extracts "
            "where source = $source and report = $report",
            {"source": report.source, "report": report.name},
        ).to_pylist()
        assert days == [{"n": len(window) - 700, "first": OLDEST, "last": window.last}]
        assert result.received > 300
        assert sum(f"{report.table}: chunk" in record.getMessage() for record in caplog.records) == 13
