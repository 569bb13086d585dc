"""The demo's report of the shops: their figures and the checks."""

from __future__ import annotations

from datetime import timedelta

from dagster import DagsterInstance
from rich import box
from rich.console import Console
from rich.table import Table

from mdp_dagster.cli.dagster_home import dagster_instance
from mdp_dagster.cli.run_report import print_checks
from mdp_dagster.cli.workspace import Workspace
from mdp_dagster.warehouse.base import MARTS, WarehouseError
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow


def print_shop_report(console: Console, workspace: Workspace, run_id: str, window: DateWindow) -> None:
    """Print the report."""
    if workspace.warehouse.exists():
        try:
            console.print(_figures(workspace, DateWindow(window.start, window.end - timedelta(days=1))))
        except WarehouseError:  # the run failed before the mart was made
            console.print(f"{MARTS}.mart_shop__daily has not been built")
    with dagster_instance(workspace.dagster_home) as instance:
        _print_checks(console, instance, run_id)


def _print_checks(console: Console, instance: DagsterInstance, run_id: str) -> None:
    if instance.get_run_by_id(run_id) is not None:
        print_checks(console, instance, run_id)


def _figures(workspace: Workspace, days: DateWindow) -> Table:
    rows = DuckDBWarehouse(workspace.warehouse).query(
        f"""
        select
            boutique, devise, sum(commandes) as commandes, sum(nouveaux_clients) as nouveaux_clients,
            sum(ca_brut) as ca_brut, sum(remises) as remises, sum(retours) as retours, sum(ca_net) as ca_net,
            sum(ca_des_commandes) / nullif(sum(commandes), 0) as panier_moyen
        from {MARTS}.mart_shop__daily
        where jour >= date '{days.start}' and jour < date '{days.end}'
        group by boutique, devise
        order by boutique, devise
        """
    )
    table = Table(
        title=f"{MARTS}.mart_shop__daily, {days}, in each shop's own currency",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for name in ("boutique", "devise"):
        table.add_column(name, no_wrap=True)
    for name in ("commandes", "nouveaux clients", "ca brut", "remises", "retours", "ca net", "panier moyen"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows.to_pylist():
        amounts = (row[name] for name in ("ca_brut", "remises", "retours", "ca_net", "panier_moyen"))
        table.add_row(
            row["boutique"],
            row["devise"],
            f"{row['commandes']:,}",
            f"{row['nouveaux_clients']:,}",
            *("–" if amount is None else f"{amount:,.2f}" for amount in amounts),
        )
    return table
