"""Starts the runs of an act."""

from __future__ import annotations

from chaos import child_process
from chaos.plan import OVERLAPPING
from chaos.plan_model import Act
from chaos.processes import Running, start_command, start_warm
from chaos.round_state import RoundState
from mdp_dagster.cli.backfill_runs import Backfill
from mdp_dagster.cli.job_run import RunRequest
from mdp_dagster.orchestration.partitions import range_tags
from mdp_dagster.window import DateWindow

_LOCK_SECONDS = "3"


def start(round_state: RoundState, act: Act) -> list[Running]:
    """Start the runs of an act."""
    if act.way != "warm":
        return [command(round_state, act)]
    if act.kind == "overlap":
        return [*(_backfill(round_state, round_state.window(window)) for window in OVERLAPPING), _daily(round_state)]
    special: dict[str, object] = {}
    if act.kind in ("waited", "refused"):
        special["extra"] = {"MDP_LOCK_TIMEOUT_SECONDS": _LOCK_SECONDS}
    if act.kind == "disk" and not round_state.disk.mounted:
        file = round_state.workspace.warehouse_file
        special["file_bytes"] = (file.stat().st_size if file.exists() else 0) + 1024 * (64 + act.left_kib)
    special["report_runs"] = any(fault.recipe.report_runs for fault in act.faults)
    special["commit_pause_seconds"] = act.commit_pause_seconds
    if round_state.clock is not None:
        special["clock"] = round_state.clock + (act.clock.skew_seconds if act.clock else 0)
    return [start_over_window(round_state, round_state.window(act.window), act.kind, **special)]


def command(round_state: RoundState, act: Act) -> Running:
    """Start the act's command, as a user would."""
    window = round_state.window(act.window)
    if act.way == "materialize":
        selection = ("--select", "*", "--partition-range", f"{window.start}...{window.last}")
        words = ("dagster", "asset", "materialize", "-m", "mdp_dagster.definitions", *selection)
        return start_command(round_state.workspace, round_state.name("materialize"), *words)
    days = str(window.start), str(window.last)
    return start_command(round_state.workspace, round_state.name("backfill"), "mdp_dagster", "backfill", *days)


def start_over_window(round_state: RoundState, window: DateWindow, name: str, **special: object) -> Running:
    """Start a run of the main job."""
    order = RunRequest(round_state.new_run_id(), range_tags(window))
    run = start_warm(child_process.materialize, round_state.workspace, round_state.name(name), order.dump(), **special)
    run.run_id = order.run_id
    return run


def _backfill(round_state: RoundState, window: DateWindow) -> Running:
    """Start a run as ``make backfill`` does."""
    order = RunRequest(round_state.new_run_id(), Backfill(window, "*").tags(None))
    run = start_warm(
        child_process.materialize,
        round_state.workspace,
        round_state.name("backfill"),
        order.dump(),
        clock=round_state.clock,
    )
    run.run_id = order.run_id
    return run


def _daily(round_state: RoundState) -> Running:
    run_id = round_state.new_run_id()
    run = start_warm(
        child_process.run_daily, round_state.workspace, round_state.name("daily"), run_id, clock=round_state.clock
    )
    run.run_id = run_id
    return run
