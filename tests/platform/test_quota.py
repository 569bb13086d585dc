"""A quota that is used up: the others are committed, the account is pulled when the platform said."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import dagster as dg

from mdp_dagster.assets.raw import raw_asset
from mdp_dagster.connectors.errors import QuotaError
from mdp_dagster.partitions import daily_partitions, range_tags
from mdp_dagster.settings import Settings
from tests.ingest.conftest import make_stores
from tests.ingest.current import current_rows
from tests.ingest.scripted import REPORT, ScriptedConnector, row

from .conftest import days_ago


class RecoveringConnector(ScriptedConnector):
    """Its quota for account 2 is used up, once."""

    def __init__(self) -> None:
        super().__init__()
        self.errors = {"2": QuotaError("quota used up", retry_after_seconds=0.5)}

    def extract(self, report, account, window):  # type: ignore[no-untyped-def]
        try:
            yield from super().extract(report, account, window)
        finally:
            if account.account_id == "2":
                self.errors = {}


def test_a_run_waits_as_long_as_the_platform_asks_and_pulls_only_what_is_missing(tmp_path: Path) -> None:
    window = days_ago(2, 1)
    stores, connector = make_stores(tmp_path, ["1", "2"]), RecoveringConnector()
    connector.rows = {"1": [row(window.start)], "2": [row(window.last)]}
    services = SimpleNamespace(stores=lambda: stores, connector=lambda source: connector)
    asset = raw_asset(REPORT, daily_partitions(Settings()))
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([asset], instance=instance, tags=range_tags(window), resources={"services": services})
        assert [event for event in result.all_events if event.is_step_up_for_retry]
        assert instance.get_materialized_partitions(dg.AssetKey(REPORT.table)) == {str(day) for day in window.days()}
    assert [account for account, _ in connector.pulls].count("1") == 1
    assert set(current_rows(stores.warehouse)) == {("1", window.start), ("2", window.last)}
