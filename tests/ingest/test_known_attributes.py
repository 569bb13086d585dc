"""A reload takes attributes such as the status of campaigns from the extracts of the last day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mdp_dagster.ingest import extraction, ingestion
from mdp_dagster.ingest.clock import utc_now
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.window import DateWindow

from .scripted import REPORT, ScriptedConnector, row

TODAY = utc_now().date()
DAYS = DateWindow.of_days(TODAY - timedelta(days=2), TODAY)
DESCRIBED = replace(REPORT, attribute_columns=("actions",))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    now = [utc_now()]
    for module in (extraction, ingestion):
        monkeypatch.setattr(module, "utc_now", lambda: now[0])
    return now


def reload(connector: ScriptedConnector, stores: Stores, *accounts: str) -> Mapping[str, object]:
    ingest(connector, DESCRIBED, DAYS, stores, IngestRun("reload", days={account: {TODAY} for account in accounts}))
    return {account: dict(entities) for account, entities in connector.known_attributes.items()}


def test_a_reload_has_the_newest_attributes_of_its_accounts(
    connector: ScriptedConnector, stores: Stores, now: list[datetime]
) -> None:
    connector.rows = {
        "1": [row(DAYS.start, "c1", actions='["old"]'), row(TODAY, "c1", actions='["new"]'), row(TODAY, "c2")],
        "2": [row(TODAY, "c3", actions='["other"]')],
    }
    ingest(connector, DESCRIBED, DAYS, stores, IngestRun("daily"))
    assert connector.known_attributes == {}, "the daily run requests all of them"
    now[0] += timedelta(hours=16)
    # c2 does not have a value
    assert reload(connector, stores, "1") == {"1": {"c1": {"actions": '["new"]'}}}
    assert reload(connector, stores, "2") == {"2": {"c3": {"actions": '["other"]'}}}


def test_attributes_are_known_for_a_day(connector: ScriptedConnector, stores: Stores, now: list[datetime]) -> None:
    connector.rows = {"1": [row(TODAY, "c1", actions='["new"]')], "2": []}
    ingest(connector, DESCRIBED, DAYS, stores, IngestRun("daily"))
    now[0] += timedelta(hours=20)
    # the same rows: the ledger shows that they were extracted again
    ingest(connector, DESCRIBED, DAYS, stores, IngestRun("again"))
    now[0] += timedelta(hours=20)
    assert reload(connector, stores, "1") == {"1": {"c1": {"actions": '["new"]'}}}
    now[0] += timedelta(hours=25)
    assert reload(connector, stores, "1") == {}


def test_a_report_without_attributes_reads_nothing(connector: ScriptedConnector, stores: Stores) -> None:
    connector.rows = {"1": [row(TODAY, "c1", actions='["new"]')], "2": []}
    ingest(connector, REPORT, DAYS, stores, IngestRun("reload", days={"1": {TODAY}}))
    assert connector.known_attributes == {}
