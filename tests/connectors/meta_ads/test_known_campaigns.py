"""A reload with campaigns that are known: their list is requested only if a row is of another campaign."""

from __future__ import annotations

from typing import Any

import pytest

from mdp_dagster.connectors.meta_ads import MetaAdsConnector
from sandbox import Sandbox
from tests.connectors.conftest import LAST_MONTH, META, account_of, rows_of
from tests.connectors.meta_ads.test_connector import as_truth, truth

ACCOUNT = META[0]
STATUS = {"campaign_status": "PAUSED", "campaign_effective_status": "CAMPAIGN_PAUSED"}


def lists(sandbox: Sandbox) -> int:
    return sandbox.requests.count("meta_ads", "campaigns", ACCOUNT)


def statuses(rows: list[dict[str, Any]]) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        found.setdefault(row["campaign_id"], set()).add((row["campaign_status"], row["campaign_effective_status"]))
    return found


@pytest.fixture
def campaigns(sandbox: Sandbox) -> list[str]:
    """The campaigns that have rows."""
    rows = sandbox.world.truth("meta_ads", LAST_MONTH.start, LAST_MONTH.end, account_ids=[ACCOUNT])
    ids = sorted({str(row["campaign_id"]) for row in rows})
    assert len(ids) > 1
    return ids


def test_known_campaigns_need_one_request(meta: MetaAdsConnector, sandbox: Sandbox, campaigns: list[str]) -> None:
    account = account_of(meta)
    meta.known_attributes = {ACCOUNT: dict.fromkeys(campaigns, STATUS)}
    rows = rows_of(meta, "campaign_daily", account)
    assert sorted(map(as_truth, rows)) == truth(sandbox, ACCOUNT, LAST_MONTH)
    assert statuses(rows) == {campaign: {("PAUSED", "CAMPAIGN_PAUSED")} for campaign in campaigns}
    assert lists(sandbox) == 0


def test_a_campaign_that_is_not_known_gets_its_status_from_the_list(
    meta: MetaAdsConnector, sandbox: Sandbox, campaigns: list[str]
) -> None:
    account = account_of(meta)
    meta.known_attributes = {ACCOUNT: dict.fromkeys(campaigns[1:], STATUS)}
    rows = rows_of(meta, "campaign_daily", account)
    assert sorted(map(as_truth, rows)) == truth(sandbox, ACCOUNT, LAST_MONTH)
    assert lists(sandbox) == 1
    listed = statuses(rows)
    meta.known_attributes = {}
    assert statuses(rows_of(meta, "campaign_daily", account)) == listed, "the list has the status of every campaign"
    assert lists(sandbox) == 1


def test_a_request_that_must_be_divided_by_campaigns_needs_the_whole_list(
    meta: MetaAdsConnector, sandbox: Sandbox, campaigns: list[str]
) -> None:
    """The account may have campaigns that are not known: dividing the known ones would lose their rows."""
    account = account_of(meta)
    meta.known_attributes = {ACCOUNT: dict.fromkeys(campaigns[1:], STATUS)}
    *_, day, _ = LAST_MONTH.chunks(1)
    sandbox.faults.add("meta_ads", "reduce_data", method="insights", times=4)  # pages of 500, 125, 31 and 25 rows
    rows = [row for batch in meta.extract(meta.report("campaign_daily"), account, day) for row in batch.to_pylist()]
    assert sorted(map(as_truth, rows)) == truth(sandbox, ACCOUNT, day)
    assert lists(sandbox) == 1


def test_the_totals_do_not_need_campaigns(meta: MetaAdsConnector, sandbox: Sandbox, campaigns: list[str]) -> None:
    account = account_of(meta)
    meta.known_attributes = {ACCOUNT: dict.fromkeys(campaigns, STATUS)}
    assert rows_of(meta, "account_daily", account) and lists(sandbox) == 0
