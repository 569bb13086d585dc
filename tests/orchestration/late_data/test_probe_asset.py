"""The asset of the probe: which accounts a run of the schedule and a run of a person ask, and what its events show."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import time_machine

from mdp_dagster.connectors.errors import TransientError
from mdp_dagster.defs.ads.jobs import probe_job, probe_schedule
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.lateness import Reason
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.orchestration.domain import Domain
from mdp_dagster.orchestration.late_data.asset import late_days_asset
from mdp_dagster.orchestration.late_data.payload import METADATA_KEY, LateDays
from mdp_dagster.settings import Settings
from mdp_dagster.window import DateWindow
from tests.ingest.conftest import make_stores
from tests.ingest.scripted import REPORT, TOTALS, WATCHED, TotalsConnector, row
from tests.support.settings_variables import forget_settings

MORNING = datetime(2026, 11, 20, 5, tzinfo=timezone.utc)
DAYS = DateWindow.of_days(MORNING.date() - timedelta(days=9), MORNING.date())
ASSET = late_days_asset(WATCHED, Domain("ads"))


class Probes:
    """The asset with an event log, a warehouse and a source, at times that the test sets."""

    def __init__(self, instance: dg.DagsterInstance, stores: Stores, schedule_tags: dict[str, str]) -> None:
        self.instance, self.stores, self.connector = instance, stores, TotalsConnector()
        self.connector.rows = {account: [row(day) for day in DAYS.days()] for account in ("1", "2")}
        self._tags = schedule_tags

    def run(self, hour: float, *, by_a_person: bool = False) -> list[str]:
        """Runs the asset at an hour of the day, and returns the accounts that were asked."""
        settings = SimpleNamespace(start_date=DAYS.start, timezone="UTC", reload_cadence="0-3=6h 4+=24h")
        services = SimpleNamespace(
            settings=settings, connector=lambda source: self.connector, stores=lambda: self.stores
        )
        self.connector.looks.clear()
        with time_machine.travel(MORNING + timedelta(hours=hour - 5), tick=True):
            result = dg.materialize(
                [ASSET], instance=self.instance, resources={"services": services},
                tags={} if by_a_person else self._tags,
            )  # fmt: skip
        assert result.success
        return sorted(account for account, _ in self.connector.looks)

    def load(self, hour: float) -> None:
        """Runs the daily run at an hour of the day."""
        with time_machine.travel(MORNING + timedelta(hours=hour - 5), tick=True):
            for report in (TOTALS, REPORT):
                ingest(self.connector, report, DAYS, self.stores, IngestRun("daily"))

    def shown(self) -> dict[str, Any]:
        """The metadata of the newest observation."""
        record = self.instance.fetch_observations(ASSET.key, limit=1).records[0]
        return {name: value.value for name, value in record.asset_observation.metadata.items()}  # type: ignore[union-attr]

    def late(self) -> LateDays:
        """The newest list of late days."""
        record = self.instance.fetch_materializations(ASSET.key, limit=1).records[0]
        return LateDays.from_json(record.asset_materialization.metadata[METADATA_KEY].value)  # type: ignore[union-attr]


@pytest.fixture
def probes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Probes]:
    forget_settings(monkeypatch)
    tags = probe_schedule(Settings(), probe_job()).tags
    with dg.DagsterInstance.ephemeral() as instance:
        probes = Probes(instance, make_stores(tmp_path, ["1", "2"]), dict(tags or {}))
        probes.load(5)
        yield probes


def test_the_schedule_asks_an_account_once_in_each_interval_and_a_person_asks_every_account(probes: Probes) -> None:
    assert probes.run(5.33) == ["1", "2"]
    assert probes.run(6.33) == [] and probes.run(10.33) == []
    assert probes.run(10.5, by_a_person=True) == ["1", "2"]
    assert probes.run(11.33) == ["1", "2"]


def test_the_events_show_how_many_accounts_are_skipped_and_until_when(probes: Probes) -> None:
    probes.connector.rows["1"][-1]["spend"] = "9.50"
    probes.connector.errors = {"2": TransientError("down")}
    probes.run(11.33)
    assert (probes.shown()["accounts_probed"], probes.shown()["accounts_skipped"]) == (2, 0)
    probes.connector.errors = {}
    assert probes.run(12.33) == ["2"], "it failed, and is asked again an hour later"
    assert (probes.shown()["accounts_probed"], probes.shown()["accounts_skipped"]) == (1, 1)
    assert probes.shown()["skipped_until"] == (MORNING + timedelta(hours=12)).timestamp()
    record = probes.instance.fetch_materializations(ASSET.key, limit=1).records[0]
    assert record.asset_materialization is not None
    assert record.asset_materialization.metadata["accounts_skipped"].value == 1
    assert probes.late().currencies == {"1": "EUR"} and probes.late().time_zones == {"1": "Europe/Berlin"}


def test_what_the_first_probe_of_an_interval_finds_counts_from_the_extract_on(probes: Probes) -> None:
    """It may have changed before the interval, so it does not wait for another one."""
    probes.run(5.33)
    probes.connector.rows["1"][-1]["spend"] = "9.50"
    probes.run(11.33)
    [late] = probes.late().days
    assert late.reason is Reason.RESTATED and late.changed_at is not None
    assert MORNING <= late.changed_at < MORNING + timedelta(minutes=5)
    # what a person finds within an interval waits for its end
    probes.connector.rows["2"][-1]["spend"] = "9.50"
    probes.run(12.5, by_a_person=True)
    found = {day.account_id: day.changed_at for day in probes.late().days}
    assert found["1"] == late.changed_at and found["2"] is not None
    assert found["2"] > MORNING + timedelta(hours=7)


def test_a_lost_event_log_makes_every_account_due(probes: Probes) -> None:
    probes.run(5.33)
    with dg.DagsterInstance.ephemeral() as probes.instance:
        assert probes.run(6.33) == ["1", "2"]
