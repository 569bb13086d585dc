"""The checks of a raw table, evaluated by its extract: every account extracted, few rejects, unique grain."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from mdp_dagster.connectors.base import Report
from mdp_dagster.ingest.extraction import MAX_REJECTED_SHARE
from mdp_dagster.ingest.result import AccountResult, IngestResult

ALL_ACCOUNTS = "all_accounts_extracted"
REJECTS = "rejects_within_limit"
GRAIN = "grain_unique"


def check_specs(report: Report) -> list[dg.AssetCheckSpec]:
    """The checks of a raw table."""
    return [
        dg.AssetCheckSpec(
            ALL_ACCOUNTS,
            asset=report.table,
            description="Every account of the clients file was extracted. A failed account does not stop the others. "
            "After a reload of some accounts, the earlier failures of the others still count.",
        ),
        dg.AssetCheckSpec(
            REJECTS,
            asset=report.table,
            blocking=True,
            description=f"At most {MAX_REJECTED_SHARE:.0%} of all rows are rejected (otherwise nothing is committed), "
            "and of each account's rows (otherwise a warning).",
        ),
        dg.AssetCheckSpec(
            GRAIN,
            asset=report.table,
            blocking=True,
            description=f"Each key ({', '.join(report.key)}) occurs once in an account's answer.",
        ),
    ]


def check_results(result: IngestResult, others: Sequence[AccountResult] = ()) -> list[dg.AssetCheckResult]:
    """Returns the results of the checks.

    Args:
        result: The result of the extract.
        others: Accounts outside the run that failed earlier.
    """
    accounts = list(result.accounts.values())
    failed = [*result.failed, *others]
    many_rejects = [account for account in accounts if account.rejected > MAX_REJECTED_SHARE * account.received]
    doubled = [account for account in accounts if account.duplicates]
    share = result.rejected / result.received if result.received else 0.0
    return [
        dg.AssetCheckResult(
            check_name=ALL_ACCOUNTS,
            passed=not failed,
            metadata={
                "accounts": len(accounts),
                "failed": len(failed),
                **_table("failures", failed, "failure"),
            },
        ),
        dg.AssetCheckResult(
            check_name=REJECTS,
            passed=share <= MAX_REJECTED_SHARE and not many_rejects,
            severity=dg.AssetCheckSeverity.WARN if share <= MAX_REJECTED_SHARE else dg.AssetCheckSeverity.ERROR,
            metadata={
                "received": result.received,
                "rejected": result.rejected,
                "share": round(share, 4),
                **_table("rejects", [a for a in accounts if a.rejected], "rejected", "received", "reject_reasons"),
            },
        ),
        dg.AssetCheckResult(
            check_name=GRAIN,
            passed=not doubled,
            metadata={
                "rows": result.received - result.rejected,
                "duplicates": sum(account.duplicates for account in doubled),
                **_table("accounts_with_duplicates", doubled, "duplicates"),
            },
        ),
    ]


def _table(name: str, accounts: list[AccountResult], *fields: str) -> dict[str, dg.MetadataValue]:
    if not accounts:
        return {}
    return {
        name: dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "account_id": a.account_id,
                        "name": a.name,
                        **{field: getattr(a, field) for field in fields},
                    }
                )
                for a in accounts
            ]
        )
    }
