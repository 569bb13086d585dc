"""dbt in this process gives Dagster what the stock command gives it."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from mdp_dagster.warehouse.base import in_window
from tests.end_to_end.conftest import Platform, days_ago

MODELS = 'group:"ads_staging" or group:"ads_intermediate" or group:"ads_marts"'


def _outcome(platform: Platform, result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    return {
        "materialized": sorted(
            (event.asset_key.to_user_string(), event.partition)
            for event in result.all_events
            if event.is_step_materialization and event.asset_key
        ),
        "checks": sorted(
            (key, check.passed, check.severity.value, check.blocking) for key, check in platform.checks(result).items()
        ),
        "success": result.success,
    }


@pytest.mark.parametrize("spoilt", [False, True], ids=["good rows", "a grain that is not unique"])
def test_both_ways_give_the_same(loaded: Platform, monkeypatch: pytest.MonkeyPatch, spoilt: bool) -> None:
    platform, window = loaded, days_ago(2, 1)
    before = platform.mart(window)
    if spoilt:
        # behind the ledger's back: a row twice under the run that counts
        with platform.warehouse._connection() as connection:
            table = "mdp_raw.raw_google_ads__campaign_daily"
            connection.execute(f"insert into {table} from {table} where {in_window(window)} limit 1")
    fast = _outcome(platform, platform.run(window, select=MODELS, succeeds=not spoilt))
    monkeypatch.setenv("MDP_DBT_EXECUTION", "cli")
    stock = _outcome(platform, platform.run(window, select=MODELS, succeeds=not spoilt))
    assert fast == stock
    assert platform.mart(window) == before  # unchanged, or out of a bad grain's reach
