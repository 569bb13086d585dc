"""One run of the main job in this process: ``python -m mdp_dagster.cli.job_run``, which demo and backfill start.

``dagster job execute`` would do, but for two things: it can't select assets, and it doesn't say in which code
location the job is, without which the UI can't execute the run again. For that, this leans on ``RemoteJobOrigin``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._utils.interrupts import capture_interrupts

from mdp_dagster.defs.ads.jobs import JOB_NAME
from mdp_dagster.settings import PROJECT_ROOT

_LOCATION = "mdp"  # as workspace.yaml names it
_MODULE = "mdp_dagster.definitions"


@dataclass(frozen=True)
class Order:
    """What is to be run, and under which id. ``select``: Dagster's asset selection; ``*`` is the whole job."""

    run_id: str
    tags: dict[str, str]
    select: str = "*"

    def dump(self) -> str:
        return json.dumps(asdict(self))


class SelectionError(Exception):
    """An asset selection that can't be run. Says why."""


def main(arguments: list[str]) -> int:
    order = Order(**json.loads(arguments[0]))
    with capture_interrupts(), dg.DagsterInstance.get() as instance:
        try:
            return 0 if _execute(instance, order) else 1
        except SelectionError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1


def _execute(instance: dg.DagsterInstance, order: Order) -> bool:
    repository = ReconstructableRepository.for_module(_MODULE, "defs", str(PROJECT_ROOT))
    definition, job = repository.get_definition(), repository.get_reconstructable_job(JOB_NAME)
    job_definition = job.get_definition()
    location = RegisteredCodeLocationOrigin(_LOCATION)
    run = instance.create_run_for_job(
        job_definition,
        run_id=order.run_id,
        tags=order.tags,
        asset_selection=selected_assets(order.select, definition.asset_graph, job_definition),
        remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, definition.name), JOB_NAME),
        job_code_origin=job.get_python_origin(),
    )
    return execute_run(job, run, instance).success


def selected_assets(select: str, graph: dg.AssetGraph, job: dg.JobDefinition) -> frozenset[dg.AssetKey] | None:
    """The assets of the job that are selected; None for all of them. Raises ``SelectionError``."""
    if select == "*":
        return None
    try:
        keys = dg.AssetSelection.from_coercible(select.split(",")).resolve(graph)  # as `dagster asset materialize`
    except Exception as error:  # Dagster's own, several kinds
        raise SelectionError(
            f"--select {select!r}: {error} → a selection as Dagster writes it, e.g. kind:dbt"
        ) from error
    selected = frozenset(keys & set(job.asset_layer.executable_asset_keys))
    if not selected:
        raise SelectionError(f"--select {select!r} selects no table of the job {JOB_NAME} → see the assets in the UI")
    return selected


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
