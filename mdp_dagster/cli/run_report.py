"""The report at the end of a run: KPIs by client and platform, the checks, the paths, and the next steps."""

from __future__ import annotations

from typing import Any

from dagster import DagsterEventType, DagsterInstance, TableMetadataValue
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mdp_dagster.cli.dagster_home import dagster_instance
from mdp_dagster.cli.workspace import MAIL_FOLDER, Workspace
from mdp_dagster.warehouse.base import MARTS, in_window
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow


def print_report(console: Console, workspace: Workspace, run_id: str, window: DateWindow) -> None:
    """Print the demo's report of the ads."""
    if workspace.warehouse.exists():
        console.print(_kpi_table(workspace, window))
    with dagster_instance(workspace.dagster_home) as instance:
        print_checks(console, instance, run_id)


def print_places(console: Console, workspace: Workspace) -> None:
    """Print where everything is, and the next steps."""
    settings = workspace.settings()
    console.print(
        f"""
[bold]Warehouse[/]  {workspace.warehouse}  (DuckDB: mdp_raw, mdp_staging, mdp_marts)
[bold]Lake[/]       {workspace.lake}  (every extract as received)
[bold]PostgreSQL[/] {settings.shop_postgres_folder}  (the shops' current state; started when a run needs it)
[bold]CSV files[/]  {settings.looker_address}/*/*.csv  (for Looker Studio)
[bold]Emails[/]     {workspace.folder / MAIL_FOLDER}  (open an .html file in a browser)
[bold]Next[/]       make dev     Dagster with these runs in it, on http://127.0.0.1:3000
           make query SQL="from mdp_marts.mart_campaign__daily limit 10"
           make query SQL="from mdp_marts.kpis_produit limit 10"
           README.md    your own accounts and shops: .env and config/clients.yaml""",
        highlight=False,
    )


def _kpi_table(workspace: Workspace, window: DateWindow) -> Table:
    rows = DuckDBWarehouse(workspace.warehouse).query(
        f"""
        select
            client_name, platform, reporting_currency as currency, sum(impressions) as impressions,
            if(count(link_clicks) = count(*), sum(link_clicks), null) as link_clicks, sum(spend) as spend,
            sum(conversions) as conversions, sum(conversion_value) as value
        from {MARTS}.mart_client__daily
        where {in_window(window)}
        group by client_name, platform, reporting_currency
        order by client_name, platform, reporting_currency
        """
    )
    table = Table(
        title=f"{MARTS}.mart_client__daily, {window}, in each client's reporting currency",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for name in ("client", "platform", "currency"):
        table.add_column(name, no_wrap=True)
    for name in ("impressions", "link clicks", "spend", "conversions", "CTR", "conv. rate", "CPA", "ROAS"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows.to_pylist():
        # null where a day's link clicks can't be read, or its currency has no rate
        clicks, spend, value = (
            None if row[name] is None else float(row[name]) for name in ("link_clicks", "spend", "value")
        )
        impressions, conversions = (float(row[name]) for name in ("impressions", "conversions"))
        table.add_row(
            row["client_name"],
            row["platform"],
            row["currency"],
            f"{impressions:,.0f}",
            "–" if clicks is None else f"{clicks:,.0f}",
            _number(spend),
            f"{conversions:,.0f}",
            _number(_ratio(clicks, impressions), percent=True),
            _number(_ratio(conversions, clicks), percent=True),
            _number(_ratio(spend, conversions)),
            _number(_ratio(value, spend)),
        )
    return table


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Returns the ratio; None unless both are known and the denominator is above 0, as in the marts."""
    return numerator / denominator if numerator is not None and denominator is not None and denominator > 0 else None


def _number(value: float | None, percent: bool = False) -> str:
    if value is None:
        return "–"
    return f"{value:.2%}" if percent else f"{value:,.2f}"


def print_checks(console: Console, instance: DagsterInstance, run_id: str) -> None:
    """Print how many checks of a run passed, and each one that failed."""
    events = instance.all_logs(run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
    checks = [event.get_dagster_event().asset_check_evaluation_data for event in events]
    failed = [check for check in checks if not check.passed]
    console.print(f"\n[bold]Checks[/]     {len(checks) - len(failed)} of {len(checks)} passed")
    for check in failed:
        color = "yellow" if check.severity.value == "WARN" else "red"
        console.print(
            f"  [{color}]{check.severity.value:5}[/] {check.asset_key.to_user_string()}: "
            f"{check.check_name}  [dim]{_summary(check.metadata)}[/]"
        )
        failures = check.metadata.get("failures")
        for account in failures.records if isinstance(failures, TableMetadataValue) else ():
            failure = f"{account.data['account_id']} {account.data['name']}: {account.data['failure']}"
            console.print(f"        {escape(failure)}", highlight=False)


def _summary(metadata: Any) -> str:
    plain = {name: value.value for name, value in metadata.items() if not hasattr(value, "records")}
    shown = ("misses", "new_misses", "odd_days", "failed", "rejected", "duplicates", "dagster_dbt/failed_row_count")
    return ", ".join(f"{name.rpartition('/')[2].replace('_', ' ')} {plain[name]}" for name in shown if name in plain)
