"""The probe: what it asks, what it leaves in the ledger, and which days it calls late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from mdp_dagster.connectors.errors import AccountError, TransientError
from mdp_dagster.ingest import pull as pull_module
from mdp_dagster.ingest.lateness import LateDay, Reason
from mdp_dagster.ingest.probe import Probed, probe
from mdp_dagster.ingest.result import IngestError
from mdp_dagster.ingest.run import Stores, ingest
from mdp_dagster.window import DateWindow

from .scripted import REPORT, TOTALS, TotalsConnector, row

TODAY = date.today()
ALL_DAYS = DateWindow.of_days(TODAY - timedelta(days=400), TODAY)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def days(first: int, last: int) -> DateWindow:
    return DateWindow.of_days(ago(first), ago(last))


@pytest.fixture
def connector() -> TotalsConnector:
    connector = TotalsConnector()
    connector.rows = {
        account: [row(ago(n), campaign) for n in range(40) for campaign in ("c1", "c2")] for account in ("1", "2")
    }
    return connector


def look(connector: TotalsConnector, stores: Stores, days: DateWindow = ALL_DAYS) -> Probed:
    return probe(connector, TOTALS, REPORT, days, stores, "probe")


def load(connector: TotalsConnector, stores: Stores, window: DateWindow) -> None:
    """The daily run: totals, then campaigns."""
    ingest(connector, TOTALS, window, stores, "run")
    ingest(connector, REPORT, window, stores, "run")


def late(probed: Probed) -> list[tuple[str, int, Reason]]:
    return [(day.account_id, (TODAY - day.date).days, day.reason) for day in probed.late]


def change(connector: TotalsConnector, account: str, ago_: int, campaign: str = "c1", **values: object) -> None:
    for r in connector.rows[account]:
        if r["day"] == str(ago(ago_)) and r["campaign_id"] == campaign:
            r.update(values)


@pytest.fixture
def loaded(connector: TotalsConnector, stores: Stores) -> TotalsConnector:
    """Everything in the lookback loaded, and looked at."""
    load(connector, stores, days(28, 0))
    assert late(look(connector, stores)) == []
    connector.looks.clear()
    connector.pulls.clear()
    connector.lookups.clear()
    return connector


def test_one_request_per_account_for_the_whole_lookback(loaded: TotalsConnector, stores: Stores) -> None:
    look(loaded, stores)
    assert sorted(loaded.looks) == [("1", days(28, 0)), ("2", days(28, 0))]
    assert loaded.lookups == [] and loaded.pulls == []


def test_a_look_that_finds_nothing_leaves_no_trace(loaded: TotalsConnector, stores: Stores) -> None:
    def traces() -> tuple[int, int]:
        rows = stores.warehouse.query("select count(*) as n from mdp_raw.raw__extracts").to_pylist()[0]["n"]
        return rows, len(list(stores.lake.files()))

    before = traces()
    assert look(loaded, stores).late == []
    assert traces() == before
    change(loaded, "1", 5, spend="2.50")
    look(loaded, stores)
    assert traces() == (before[0] + 1, before[1] + 1)


def test_restated_days_are_late_until_they_are_pulled(loaded: TotalsConnector, stores: Stores) -> None:
    change(loaded, "1", 5, spend="2.50", value=4.0)
    change(loaded, "2", 20, value=0.0)
    probed = look(loaded, stores)
    assert probed.late == [
        LateDay("1", ago(5), Reason.RESTATED, spend=1.0, conversions=3.0),
        LateDay("2", ago(20), Reason.RESTATED, spend=0.0, conversions=-1.0),
    ]
    # the probe knows these totals now; the days are late all the same, until somebody pulls them
    assert look(loaded, stores).late == probed.late
    ingest(loaded, REPORT, days(5, 5), stores, "reload", only={"1"})
    assert loaded.pulls == [("1", days(5, 5))]
    assert late(look(loaded, stores)) == [("2", 20, Reason.RESTATED)]


def test_a_day_that_vanishes_or_appears_is_restated(loaded: TotalsConnector, stores: Stores) -> None:
    gone = loaded.rows["1"]
    loaded.rows["1"] = [r for r in gone if r["day"] != str(ago(3))]
    assert look(loaded, stores).late == [LateDay("1", ago(3), Reason.RESTATED, -3.0, -2.0)]
    ingest(loaded, REPORT, days(3, 3), stores, "reload")
    loaded.rows["1"] = gone
    assert look(loaded, stores).late == [LateDay("1", ago(3), Reason.RESTATED, 3.0, 2.0)]


def test_a_day_restated_and_restated_back_is_not_late(loaded: TotalsConnector, stores: Stores) -> None:
    change(loaded, "1", 5, spend="2.50")
    assert look(loaded, stores).late
    change(loaded, "1", 5, spend="1.50")
    assert look(loaded, stores).late == []


def test_days_never_loaded_are_late_inside_the_lookback(connector: TotalsConnector, stores: Stores) -> None:
    load(connector, stores, days(2, 0))
    expected = [(account, n, Reason.NEVER_LOADED) for account in ("1", "2") for n in range(28, 2, -1)]
    assert late(look(connector, stores)) == expected
    assert late(look(connector, stores, days(4, 0))) == [e for e in expected if e[1] <= 4]


def test_without_earlier_totals_the_days_rows_are_the_measure(connector: TotalsConnector, stores: Stores) -> None:
    ingest(connector, REPORT, days(28, 0), stores, "campaigns alone")
    change(connector, "2", 7, spend="9.50")
    assert look(connector, stores).late == [LateDay("2", ago(7), Reason.RESTATED, 8.0, 0.0)]


def test_a_client_can_have_a_lookback_of_its_own(connector: TotalsConnector, stores: Stores, tmp_path: Path) -> None:
    data = stores.clients.model_dump()
    data["clients"][0]["lookback_days"] = {"scripted": 33}
    stores = Stores(type(stores.clients).model_validate(data), stores.warehouse, stores.lake)
    look(connector, stores)
    assert sorted(connector.looks) == [("1", days(33, 0)), ("2", days(33, 0))]
    assert stores.warehouse.query("select distinct lookback_days as n from mdp_raw.raw__accounts").to_pylist() == [
        {"n": 33}
    ]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[datetime]]:
    """A clock that stands still until it is set."""
    now = [datetime.now(timezone.utc)]
    monkeypatch.setattr(pull_module, "utc_now", lambda: now[0])
    yield now


def test_a_day_is_pulled_a_last_time_when_it_is_final(
    connector: TotalsConnector, stores: Stores, clock: list[datetime]
) -> None:
    clock[0] -= timedelta(days=3)  # three days ago the oldest days were 25 days old
    load(connector, stores, days(31, 3))
    clock[0] += timedelta(days=3)
    load(connector, stores, days(2, 0))
    # aged 29 to 31 then 26 to 28: of these, those that are 28 days old by now
    expected = [(account, n, Reason.SETTLED) for account in ("1", "2") for n in (30, 29, 28)]
    assert late(look(connector, stores)) == expected
    ingest(connector, REPORT, days(30, 28), stores, "reload")
    assert late(look(connector, stores)) == []


def test_a_failing_account_is_neither_late_nor_in_the_others_way(loaded: TotalsConnector, stores: Stores) -> None:
    change(loaded, "1", 5, spend="2.50")
    change(loaded, "2", 5, spend="2.50")
    loaded.errors = {"2": AccountError("disabled", "enable it")}
    probed = look(loaded, stores)
    assert late(probed) == [("1", 5, Reason.RESTATED)]
    assert [account.account_id for account in probed.result.failed] == ["2"]
    loaded.errors = {account: TransientError("down") for account in ("1", "2")}
    with pytest.raises(IngestError, match="no account could be pulled"):
        look(loaded, stores)


def test_new_accounts_and_managers_are_looked_up(loaded: TotalsConnector, tmp_path: Path, stores: Stores) -> None:
    data = stores.clients.model_dump()
    data["clients"][0]["accounts"]["scripted"].append({"id": "3"})
    stores = Stores(type(stores.clients).model_validate(data), stores.warehouse, stores.lake)
    look(loaded, stores)
    assert loaded.lookups == ["3"]


def test_only_the_accounts_asked_for_are_pulled(loaded: TotalsConnector, stores: Stores) -> None:
    result = ingest(loaded, REPORT, days(5, 4), stores, "reload", only={"2", "77"})
    assert loaded.pulls == [("2", days(5, 4))]
    assert loaded.lookups == []
    assert list(result.accounts) == ["2"]
