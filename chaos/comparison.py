"""Is it all there, once and up to date? The campaigns' mart beside the platforms' truth; and all the other comparisons,
in the end and right after a run."""

from __future__ import annotations

from collections.abc import Collection
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
        impressions, clicks, spend, conversions, conversion_value
    from mdp_marts.mart_campaign__daily
"""
_SHOWN = 5

Row = dict[str, Any]
Key = tuple[date, str, str]


def key_of(row: Row) -> Key:
    return row["date"], row["platform"], row["campaign_id"]


def expected_rows(world: World, window: DateWindow) -> list[Row]:
    """What the mart has to show, as far as the platforms and the clients file say it."""
    rows = world.truth(None, window.start, window.end)
    accounts = {row["account_id"]: world.account(row["platform"], row["account_id"]) for row in rows}
    return [row | {"client_id": getattr(accounts[row["account_id"]], "client_id", None)} for row in rows]


def mart_problems(
    warehouse: Warehouse, world: World, window: DateWindow, apart: Collection[AccountDay] | None = None
) -> tuple[int, list[str]]:
    """How many rows were compared, and what is lost, doubled or stale. The mart's rows outside the window are wrong,
    unless ``apart`` is given: then it is about the window alone, without these account-days."""

    def matters(row: Row) -> bool:
        return apart is None or (
            row["date"] in window and (row["platform"], row["account_id"], row["date"]) not in apart
        )

    shown = [row for row in warehouse.query(_COMPARED).to_pylist() if matters(row)]
    problems: list[str] = []
    mart: dict[Key, Row] = {}
    for row in shown:
        if key_of(row) in mart:
            problems.append(f"doubled in the mart: {key_of(row)}")
        mart[key_of(row)] = row
    expected = {key_of(row): row for row in expected_rows(world, window) if matters(row)}
    problems += [f"lost: {key} {expected[key]}" for key in sorted(expected.keys() - mart.keys())]
    problems += [f"not the platform's (any more): {key} {mart[key]}" for key in sorted(mart.keys() - expected.keys())]
    for key in sorted(expected.keys() & mart.keys()):
        differing = {
            name: (mart[key][name], value) for name, value in expected[key].items() if mart[key][name] != value
        }
        if differing:
            account = mart[key]["account_id"]
            problems.append(f"stale: {key} of {account}, the mart and the platform: {differing}")
    if not expected:
        problems.append(f"{window}: the platforms have no row, so nothing was compared")
    return len(expected), _first(problems)


def problems_now(
    warehouse: Warehouse, world: World, window: DateWindow, apart: Collection[AccountDay]
) -> tuple[int, list[str]]:
    """Right after a run of the window that succeeded, before another one can mend anything. ``apart``: what changed
    while it was at work."""
    compared, problems = mart_problems(warehouse, world, window, apart)
    return compared, problems + _first(current_problems(warehouse, window))


def all_problems(
    warehouse: Warehouse, world: World, window: DateWindow, lake: Path, explained: set[Path], unsettled: set[date]
) -> tuple[int, list[str]]:
    """The number of rows that were compared with the platforms, and all that is wrong in the end. ``explained``: what
    kills have left; ``unsettled``: see ``rebuild_problems``."""
    try:
        compared, problems = mart_problems(warehouse, world, window)
        for found in (
            consistency_problems(warehouse),
            raw_problems(warehouse),
            current_problems(warehouse, window),
            lake_problems(warehouse),
            unfinished_problems(lake, explained),
            rebuild_problems(warehouse, lake, unsettled),
        ):
            problems += _first(list(found))
        return compared, problems
    except WarehouseError as error:
        return 0, [f"the warehouse can't be read: {error}"]


def _first(problems: list[str]) -> list[str]:
    more = len(problems) - _SHOWN
    return problems if more <= 0 else [*problems[:_SHOWN], f"... and {more} more like these"]
