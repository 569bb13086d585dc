"""Starting the runs of an act: in this many processes, in this way, with these surroundings."""

from __future__ import annotations

from chaos import child_process
from chaos.plan import OVERLAPPING
from chaos.plan_model import Act
from chaos.processes import Running, start_command, start_warm
from chaos.round_state import Scene
from mdp_dagster.cli.backfill_runs import Backfill
from mdp_dagster.cli.job_run import RunRequest
from mdp_dagster.orchestration.partitions import range_tags
from mdp_dagster.window import DateWindow

_LOCK_SECONDS = "3"


def start(scene: Scene, act: Act) -> list[Running]:
    if act.way != "warm":
        return [command(scene, act)]
    if act.kind == "overlap":
        return [*(_backfill(scene, scene.window(window)) for window in OVERLAPPING), _daily(scene)]
    special: dict[str, object] = {}
    if act.kind in ("waited", "refused"):
        special["extra"] = {"MDP_LOCK_TIMEOUT_SECONDS": _LOCK_SECONDS}
    if act.kind == "disk" and not scene.disk.mounted:
        file = scene.place.warehouse_file
        special["file_bytes"] = (file.stat().st_size if file.exists() else 0) + 1024 * (64 + act.left_kib)
    special["report_runs"] = any(fault.recipe.report_runs for fault in act.faults)
    if scene.clock is not None:
        special["clock"] = scene.clock + (act.clock.skew_seconds if act.clock else 0)
    return [run_window(scene, scene.window(act.window), act.kind, **special)]


def command(scene: Scene, act: Act) -> Running:
    """As people type it."""
    window = scene.window(act.window)
    if act.way == "materialize":
        selection = ("--select", "*", "--partition-range", f"{window.start}...{window.last}")
        words = ("dagster", "asset", "materialize", "-m", "mdp_dagster.definitions", *selection)
        return start_command(scene.place, scene.name("materialize"), *words)
    days = str(window.start), str(window.last)
    return start_command(scene.place, scene.name("backfill"), "mdp_dagster", "backfill", *days)


def run_window(scene: Scene, window: DateWindow, name: str, **special: object) -> Running:
    """A run of the main job."""
    order = RunRequest(scene.new_run_id(), range_tags(window))
    run = start_warm(child_process.materialize, scene.place, scene.name(name), order.dump(), **special)
    run.run_id = order.run_id
    return run


def _backfill(scene: Scene, window: DateWindow) -> Running:
    """As ``make backfill`` starts it."""
    order = RunRequest(scene.new_run_id(), Backfill(window, "*").tags(None))
    run = start_warm(child_process.materialize, scene.place, scene.name("backfill"), order.dump(), clock=scene.clock)
    run.run_id = order.run_id
    return run


def _daily(scene: Scene) -> Running:
    run_id = scene.new_run_id()
    run = start_warm(child_process.run_daily, scene.place, scene.name("daily"), run_id, clock=scene.clock)
    run.run_id = run_id
    return run
