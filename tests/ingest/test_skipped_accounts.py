"""A probe that skips accounts: what it requests, and that their late days are listed all the same."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

import pytest

from mdp_dagster.clients.model import Clients
from mdp_dagster.connectors.errors import AccountError, TransientError
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.lateness import Reason
from mdp_dagster.ingest.probe import LISTED, ProbeResult, ProbeRun, probe
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow

from .scripted import REPORT, TOTALS, WATCHED, TotalsConnector, row

TODAY = date.today()
DAYS = DateWindow.of_days(TODAY - timedelta(days=3), TODAY)


@pytest.fixture
def connector(stores: Stores) -> TotalsConnector:
    """Two accounts with all days loaded and probed."""
    connector = TotalsConnector()
    connector.rows = {account: [row(day) for day in DAYS.days()] for account in ("1", "2")}
    for report in (TOTALS, REPORT):
        ingest(connector, report, DAYS, stores, IngestRun("run"))
    for requests in (connector.looks, connector.pulls, connector.lookups):
        requests.clear()
    return connector


def look(connector: TotalsConnector, stores: Stores, due: Collection[str] = ()) -> ProbeResult:
    return probe(connector, WATCHED, DAYS, stores, ProbeRun("probe", lambda account_id, days: account_id in due))


def listing(stores: Stores, *ids: str) -> Stores:
    data = stores.clients.model_dump()
    data["clients"][0]["accounts"]["scripted"] = list(ids)
    return Stores(Clients.model_validate(data), stores.warehouse, stores.lake)


def test_an_account_that_is_not_due_gets_no_request(connector: TotalsConnector, stores: Stores) -> None:
    probed = look(connector, stores, due=["2"])
    assert connector.looks == [("2", DAYS)] and connector.lookups == []
    assert probed.answered == {"2"} and probed.skipped == {"1": len(DAYS)}


def test_the_late_days_of_a_skipped_account_stay_in_the_list(connector: TotalsConnector, stores: Stores) -> None:
    """The sensor reads the newest list only: restated days wait in it, and requests without success are repeated."""
    for account in ("1", "2"):
        connector.rows[account][0]["spend"] = "9.50"
    first = look(connector, stores, due=["1", "2"])
    assert len(first.late) == 2
    again = look(connector, stores)
    assert again.late == first.late and again.skipped.keys() == {"1", "2"}
    assert {account.account_id for account in again.accounts} == {"1", "2"}


def test_days_that_were_never_loaded_are_late_while_their_account_is_skipped(
    connector: TotalsConnector, stores: Stores
) -> None:
    new = DateWindow.of_days(TODAY, TODAY + timedelta(days=1))
    connector.rows["1"].append(row(new.last))
    ingest(connector, TOTALS, new, stores, IngestRun("totals alone"))
    connector.looks.clear()
    found = probe(connector, WATCHED, DateWindow(DAYS.start, new.end), stores, ProbeRun("probe", lambda *_: False))
    assert {(day.account_id, day.date, day.reason) for day in found.late} == {
        (account, new.last, Reason.NEVER_LOADED) for account in ("1", "2")
    }
    assert connector.looks == []


def test_one_failing_account_among_skipped_ones_does_not_fail_the_probe(
    connector: TotalsConnector, stores: Stores
) -> None:
    connector.rows["1"][0]["spend"] = "9.50"
    look(connector, stores, due=["1"])
    connector.errors = {"2": TransientError("down")}
    probed = look(connector, stores, due=["2"])
    assert [day.account_id for day in probed.late] == ["1"]
    assert probed.answered == set() and [account.account_id for account in probed.totals.failed] == ["2"]


def test_an_account_with_days_that_were_not_answered_counts_as_not_answered(
    connector: TotalsConnector, stores: Stores
) -> None:
    connector.not_answered = {"1": {TODAY}}
    connector.rows["1"] = connector.rows["1"][:-1]
    assert look(connector, stores, due=["1", "2"]).answered == {"2"}


def test_a_new_account_is_probed_at_once(connector: TotalsConnector, stores: Stores) -> None:
    probed = look(connector, listing(stores, "1", "2", "3"), due=[LISTED + "3"])
    assert connector.lookups == ["3"] and connector.looks == [("3", DAYS)]
    assert probed.answered == {LISTED + "3", "3"}


def test_a_listed_id_that_could_not_be_looked_up_counts_as_not_answered(
    connector: TotalsConnector, stores: Stores
) -> None:
    connector.unlisted = {"3": AccountError("gone", "remove it")}
    probed = look(connector, listing(stores, "1", "2", "3"), due=[LISTED + "3"])
    assert connector.lookups == ["3"] and probed.answered == set()
    assert [account.account_id for account in probed.totals.failed] == ["3"]


def test_an_empty_warehouse_makes_every_account_due(connector: TotalsConnector, stores: Stores) -> None:
    """Dagster's storage may remember probes into another warehouse."""
    folder = stores.warehouse.path.parent / "other"
    folder.mkdir()
    other = Stores(stores.clients, DuckDBWarehouse(folder / "warehouse.duckdb", 60), stores.lake)
    probed = look(connector, other)
    assert sorted(connector.looks) == [("1", DAYS), ("2", DAYS)] and probed.skipped == {}


def test_managers_are_looked_up_together_when_one_is_due(connector: TotalsConnector, stores: Stores) -> None:
    """Otherwise an account behind two managers could move to the other one's client."""

    class Managers(TotalsConnector):
        def accounts(self, listed):  # type: ignore[no-untyped-def]
            accounts, failures = super().accounts(["1", "2"])
            self.lookups[-2:] = list(listed)
            behind = {"1": "m1", "2": "m2"}
            return [type(a)(a.source, a.account_id, behind[a.account_id], a.name, "EUR") for a in accounts], failures

    managers = Managers()
    managers.rows = connector.rows
    stores = listing(stores, "m1", "m2")
    look(managers, stores, due=[LISTED + "m1"])
    assert managers.lookups == ["m1", "m2"]
    managers.lookups.clear()
    probed = look(managers, stores, due=["1"])
    assert managers.lookups == [] and probed.answered == {"1"} and probed.skipped == {"2": len(DAYS)}
