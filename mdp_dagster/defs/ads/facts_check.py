"""The check that the mart shows every day of an account with the facts that are valid for that day."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from mdp_dagster.defs.ads.campaign_checks import MART
from mdp_dagster.defs.ads.platforms import PLATFORM_NAMES, SHOWN_BY
from mdp_dagster.ingest.shown_facts import DifferingDays, days_with_other_facts, digest_column
from mdp_dagster.ingest.tables import ACCOUNTS
from mdp_dagster.orchestration.partitions import today
from mdp_dagster.orchestration.services import Services
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow

FACTS = "account_facts_are_consistent"
_MOST_ROWS = 100

_FACTS = {
    "client_id": "client",
    "client_name": "client's name",
    "reporting_currency": "reporting currency",
    "exchange_rate": "exchange rate",
    "conversion_action_type": "conversion type",
    "lookback_days": "lookback",
}
# The facts that the mart itself shows, for rows without a digest.
_SHOWN_FACTS = ("client_id", "client_name", "reporting_currency")

Facts = Mapping[str, Any]


def facts_check() -> dg.AssetChecksDefinition:
    """The check for accounts that have two values of one fact."""

    @dg.asset_check(
        name=FACTS,
        asset=MART,
        description=(
            "All days of an account show the facts that are valid for them: client, rate, reporting currency, "
            "conversion type, lookback. Lists the accounts with two values, over the whole history. The sensors build "
            "these days again."
        ),
        required_resource_keys={"services"},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        services: Services = context.resources.services
        days = DateWindow.of_days(services.settings.start_date, today(services.settings))
        with services.warehouse.session():
            records = [
                record for platform in PLATFORM_NAMES for record in _differences(services.warehouse, platform, days)
            ]
        accounts = sorted({f"{record['platform']} {record['account_id']}" for record in records})
        return dg.AssetCheckResult(
            passed=not records,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "accounts_that_differ": ", ".join(accounts) or "none",
                **({"values": dg.MetadataValue.table(_table(records))} if records else {}),
            },
        )

    return check


def _table(records: Sequence[Mapping[str, str]]) -> list[dg.TableRecord]:
    return [dg.TableRecord(dict(record)) for record in records[:_MOST_ROWS]]


def _differences(warehouse: Warehouse, platform: str, days: DateWindow) -> list[dict[str, str]]:
    """Returns one record for each fact with two values: the shown one and the valid one."""
    found = days_with_other_facts(warehouse, platform, SHOWN_BY, days)
    if not found:
        return []
    known = _facts_by_digest(warehouse, platform, found)
    records = []
    for differing in found:
        valid = known.get((differing.account_id, differing.valid or ""), {})
        shown = known.get((differing.account_id, differing.shown or ""))
        names: Sequence[str] = list(_FACTS)
        if shown is None:
            shown, names = _facts_in_mart(warehouse, platform, differing), _SHOWN_FACTS
        records += [
            {
                "platform": platform,
                "account_id": differing.account_id,
                "fact": _FACTS[name],
                "built_with": _text(shown.get(name)),
                "valid": _text(valid.get(name)),
                "days": f"{differing.window}, {differing.days} built with the other value",
            }
            for name in names
            if _text(shown.get(name)) != _text(valid.get(name))
        ]
    return records


def _facts_by_digest(
    warehouse: Warehouse, platform: str, found: Sequence[DifferingDays]
) -> dict[tuple[str, str], Facts]:
    """Returns the values behind the digests, by account and digest."""
    accounts = {f"account_{n}": account for n, account in enumerate(sorted({each.account_id for each in found}))}
    rows = warehouse.query(
        f"""
        select distinct account_id, facts_digest, {", ".join(_FACTS)}
        from {ACCOUNTS.id}
        where source = $source and facts_digest is not null
            and account_id in ({", ".join(f"${name}" for name in accounts)})
        """,
        {"source": platform, **accounts},
    ).to_pylist()
    return {(row["account_id"], row["facts_digest"]): row for row in rows}


def _facts_in_mart(warehouse: Warehouse, platform: str, differing: DifferingDays) -> Facts:
    """Returns the facts in the mart's own columns, for rows with a digest that is not known."""
    rows = warehouse.query(
        f"""
        select {", ".join(f"max({name}) as {name}" for name in _SHOWN_FACTS)}
        from {SHOWN_BY.id}
        where {in_window(differing.window)} and platform = $source and account_id = $account
            and coalesce({digest_column(warehouse, SHOWN_BY)}, '') = $shown
        """,
        {"source": platform, "account": differing.account_id, "shown": differing.shown or ""},
    ).to_pylist()
    return rows[0] if rows else {}


def _text(value: object) -> str:
    return "none" if value is None or value == "" else str(value)
