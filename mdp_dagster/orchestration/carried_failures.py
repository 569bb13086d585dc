"""Failures of accounts outside a run: a reload of one account must not hide the failures of other accounts."""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from mdp_dagster.connectors.base import Report
from mdp_dagster.ingest.result import AccountResult
from mdp_dagster.orchestration.raw_checks import ALL_ACCOUNTS

_LIMIT = 10  # the newest records may be planned ones, of this run


def failures_of_other_accounts(
    instance: dg.DagsterInstance, report: Report, only: Collection[str] | None
) -> list[AccountResult]:
    """Returns the accounts outside ``only`` that failed in the newest evaluation of the check."""
    if only is None:
        return []
    key = dg.AssetCheckKey(dg.AssetKey(report.table), ALL_ACCOUNTS)
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=_LIMIT):
        event = record.event.dagster_event if record.event else None
        if event is None or event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            continue
        failures = event.asset_check_evaluation_data.metadata.get("failures")
        records = failures.records if isinstance(failures, dg.TableMetadataValue) else []
        return [
            AccountResult(str(row.data["account_id"]), str(row.data["name"]), failure=str(row.data["failure"]))
            for row in records
            if str(row.data["account_id"]) not in only
        ]
    return []
