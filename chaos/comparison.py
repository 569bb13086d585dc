"""Compares the mart of campaigns with the platforms' data, and runs all other comparisons."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from chaos.ledger_agreement import current_problems, lake_problems, raw_problems, unfinished_problems
from chaos.mart_agreement import consistency_problems
from chaos.plan_model import AccountDay
from chaos.raw_contents import rebuild_problems
from mdp_dagster.warehouse.base import Warehouse, WarehouseError
from mdp_dagster.window import DateWindow
from sandbox import World

_COMPARED = """
    select date, platform, account_id, account_name, client_id, campaign_id, campaign_name, currency,
        impressions, clicks, clicks_all, link_clicks, spend, conversions, conversion_value,
        conversions_by_conversion_date, conversion_value_by_conversion_date, conversion_dating
    from mdp_marts.mart_campaign__daily
"""
_SHOWN = 5

Row = dict[str, Any]
Key = tuple[date, str, str]


def row_key(row: Row) -> Key:
    """The key of a mart row."""
    return row["date"], row["platform"], row["campaign_id"]


def expected_rows(world: World, window: DateWindow) -> list[Row]:
    """The rows that the mart must show, from the platforms and the clients file."""
    rows = world.truth(None, window.start, window.end)
    accounts = {row["account_id"]: world.account(row["platform"], row["account_id"]) for row in rows}
    return [row | {"client_id": getattr(accounts[row["account_id"]], "client_id", None)} for row in rows]


def mart_problems(
    warehouse: Warehouse, world: World, window: DateWindow, apart: Collection[AccountDay] | None = None
) -> tuple[int, list[str]]:
    """Compare the mart with the platforms: find rows that are lost, duplicated or stale.

    Args:
        warehouse: The warehouse.
        world: The platforms.
        window: The days to compare.
        apart: Account-days to ignore. If given, rows outside the window are ignored too. Otherwise they are problems.

    Returns:
        The number of compared rows, and the problems.
    """

    def matters(row: Row) -> bool:
        return apart is None or (
            row["date"] in window and (row["platform"], row["account_id"], row["date"]) not in apart
        )

    shown = [row for row in warehouse.query(_COMPARED).to_pylist() if matters(row)]
    problems: list[str] = []
    mart: dict[Key, Row] = {}
    for row in shown:
        if row_key(row) in mart:
            problems.append(f"duplicated in the mart: {row_key(row)}")
        mart[row_key(row)] = row
    expected = {row_key(row): row for row in expected_rows(world, window) if matters(row)}
    problems += [f"lost: {key} {expected[key]}" for key in sorted(expected.keys() - mart.keys())]
    problems += [
        f"not (or no longer) on the platform: {key} {mart[key]}" for key in sorted(mart.keys() - expected.keys())
    ]
    for key in sorted(expected.keys() & mart.keys()):
        differing = {
            name: (mart[key][name], value) for name, value in expected[key].items() if mart[key][name] != value
        }
        if differing:
            account = mart[key]["account_id"]
            problems.append(f"stale: {key} of {account}, in the mart and on the platform: {differing}")
    if not expected:
        problems.append(f"{window}: the platforms have no rows, so nothing was compared")
    return len(expected), _first(problems)


def problems_now(
    warehouse: Warehouse, world: World, window: DateWindow, apart: Collection[AccountDay]
) -> tuple[int, list[str]]:
    """Compare right after a successful run of the window, before another run can repair anything.

    ``apart``: account-days that changed during the run.
    """
    compared, problems = mart_problems(warehouse, world, window, apart)
    return compared, problems + _first(current_problems(warehouse, window))


@dataclass(frozen=True)
class FinalState:
    """The expected state at the end of a round.

    Args:
        world: The platforms.
        window: All days.
        lake: The lake's folder.
        explained: Paths that kills explain.
        unsettled: See ``rebuild_problems``.
    """

    world: World
    window: DateWindow
    lake: Path
    explained: set[Path]
    unsettled: set[date]


def all_problems(warehouse: Warehouse, expected: FinalState) -> tuple[int, list[str]]:
    """The number of rows that were compared with the platforms, and all problems at the end of a round."""
    try:
        compared, problems = mart_problems(warehouse, expected.world, expected.window)
        for found in (
            consistency_problems(warehouse),
            raw_problems(warehouse),
            current_problems(warehouse, expected.window),
            lake_problems(warehouse),
            unfinished_problems(expected.lake, expected.explained),
            rebuild_problems(warehouse, expected.lake, expected.unsettled),
        ):
            problems += _first(list(found))
        return compared, problems
    except WarehouseError as error:
        return 0, [f"the warehouse can't be read: {error}"]


def _first(problems: list[str]) -> list[str]:
    more = len(problems) - _SHOWN
    return problems if more <= 0 else [*problems[:_SHOWN], f"... and {more} more like these"]
