"""Failures of accounts that a run is not about: a reload of one account must not turn the morning's warning green."""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from mdp_dagster.connectors.base import Report
from mdp_dagster.ingest.result import AccountResult
from mdp_dagster.orchestration.raw_checks import ALL_ACCOUNTS

_LOOKED_AT = 10  # the newest of them may be planned, by this very run


def others_failures(instance: dg.DagsterInstance, report: Report, only: Collection[str] | None) -> list[AccountResult]:
    """The accounts beside ``only`` that the check's newest verdict says could not be pulled."""
    if only is None:
        return []
    key = dg.AssetCheckKey(dg.AssetKey(report.table), ALL_ACCOUNTS)
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=_LOOKED_AT):
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
