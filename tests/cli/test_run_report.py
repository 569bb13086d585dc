"""The report at the end of a demo has the same KPIs as the marts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest
from dagster import DagsterInstance
from rich.console import Console

from mdp_dagster.cli import run_report
from mdp_dagster.cli.workspace import Workspace
from mdp_dagster.window import DateWindow

DAY = DateWindow.of_days(date(2026, 11, 1), date(2026, 11, 2))
COLUMNS = "client_name, platform, reporting_currency, date, impressions, clicks, link_clicks, spend, conversions"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def report(workspace: Workspace, rows: str) -> str:
    """The table of a mart that has the rows."""
    with duckdb.connect(str(workspace.warehouse)) as connection:
        connection.execute("create schema mdp_marts")
        connection.execute(
            f"create table mdp_marts.mart_client__daily as select *, 300.0 as conversion_value "
            f"from (values {rows}) as rows ({COLUMNS})"
        )
    console = Console(record=True, width=200)
    console.print(run_report._kpi_table(workspace, DAY))
    return console.export_text()


def test_ratios_use_link_clicks_as_in_the_marts(workspace: Workspace) -> None:
    text = report(
        workspace,
        "('Ada', 'meta_ads', 'EUR', date '2026-11-01', 6000, 900, 300, 50.0, 15), "
        "('Ada', 'meta_ads', 'EUR', date '2026-11-02', 4000, 300, 100, 50.0, 5)",
    )
    [line] = [line for line in text.splitlines() if "Ada" in line]
    assert line.split() == ["Ada", "meta_ads", "EUR", "10,000", "400", "100.00", "20", "4.00%", "5.00%", "5.00", "6.00"]


def test_ratios_are_unknown_where_a_day_has_no_known_link_clicks_or_conversions_are_negative(
    workspace: Workspace,
) -> None:
    text = report(
        workspace,
        "('Ada', 'meta_ads', 'EUR', date '2026-11-01', 6000, 900, 300, 50.0, 0), "
        "('Ada', 'meta_ads', 'EUR', date '2026-11-02', 4000, 300, null, 50.0, -1)",
    )
    [line] = [line for line in text.splitlines() if "Ada" in line]
    assert line.split() == ["Ada", "meta_ads", "EUR", "10,000", "–", "100.00", "-1", "–", "–", "–", "6.00"]


def test_a_day_without_rows_has_an_empty_table_and_a_run_without_checks_has_none(workspace: Workspace) -> None:
    assert "Ada" not in report(workspace, "('Ada', 'x', 'EUR', date '2026-01-01', 1, 1, 1, 1.0, 1)")
    console = Console(record=True, width=200)
    with DagsterInstance.ephemeral() as instance:
        run_report.print_checks(console, instance, "no such run")
    assert "0 of 0 passed" in console.export_text()
