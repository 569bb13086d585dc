"""With a used-up quota, the other accounts are committed, and the account is extracted after the platform's delay."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import dagster as dg

from mdp_dagster.connectors.errors import QuotaError
from mdp_dagster.ingest.ingestion import IngestRun, ingest
from mdp_dagster.ingest.stores import Stores
from mdp_dagster.orchestration.domain import Domain
from mdp_dagster.orchestration.partitions import daily_partitions, range_tags
from mdp_dagster.orchestration.raw_assets import raw_asset
from mdp_dagster.settings import Settings
from mdp_dagster.window import DateWindow
from tests.end_to_end.conftest import days_ago
from tests.ingest.conftest import make_stores
from tests.ingest.current import current_rows
from tests.ingest.scripted import REPORT, ScriptedConnector, row


class RecoveringConnector(ScriptedConnector):
    """Its quota for account 2 is used up: once, or for good."""

    def __init__(self, for_good: bool = False) -> None:
        super().__init__()
        self.for_good = for_good
        self.errors = {"2": QuotaError("quota used up", retry_after_seconds=0.2)}

    def extract(self, report, account, window):  # type: ignore[no-untyped-def]
        try:
            yield from super().extract(report, account, window)
        finally:
            if account.account_id == "2" and not self.for_good:
                self.errors = {}


def materialize(connector: ScriptedConnector, stores: Stores, window: DateWindow) -> dg.ExecuteInProcessResult:
    settings = Settings()
    services = SimpleNamespace(
        settings=settings, stores=lambda: stores, connector=lambda source: connector, unfinished={}
    )
    asset = raw_asset(REPORT, Domain("ads"), daily_partitions(settings))
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [asset], instance=instance, tags=range_tags(window), resources={"services": services}, raise_on_error=False
        )


def test_a_run_waits_for_the_platforms_delay_and_extracts_only_what_is_missing(tmp_path: Path) -> None:
    window = days_ago(2, 1)
    stores, connector = make_stores(tmp_path, ["1", "2"]), RecoveringConnector()
    connector.rows = {"1": [row(window.start)]}
    ingest(ScriptedConnector(), REPORT, window, stores, IngestRun("earlier"))  # both accounts had nothing
    connector.rows = {"1": [row(window.start), row(window.start)], "2": [row(window.last)]}

    result = materialize(connector, stores, window)
    assert [event for event in result.all_events if event.is_step_up_for_retry]
    assert [account for account, _ in connector.pulls].count("1") == 1
    assert set(current_rows(stores.warehouse)) == {("1", window.start), ("2", window.last)}
    # what the first try found is not forgotten
    [materialization, *_] = result.asset_materializations_for_node(REPORT.table)
    assert materialization.metadata["restated_days"].value == [str(window.start), str(window.last)]
    assert materialization.metadata["rows"].value == 3
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == {"all_accounts_extracted": True, "rejects_within_limit": True, "grain_unique": False}


def test_a_quota_that_stays_used_up_affects_only_its_account(tmp_path: Path) -> None:
    window = days_ago(2, 1)
    stores, connector = make_stores(tmp_path, ["1", "2"]), RecoveringConnector(for_good=True)
    connector.rows = {"1": [row(window.start)], "2": [row(window.last)]}
    result = materialize(connector, stores, window)
    assert result.success
    assert set(current_rows(stores.warehouse)) == {("1", window.start)}
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == {"all_accounts_extracted": False, "rejects_within_limit": True, "grain_unique": True}
