"""One run of the main job in this process: ``python -m mdp_dagster.cli.job_run``, which demo and backfill start.

``dagster job execute`` can't select assets, and it does not store the code location of the job. The UI needs the code
location to execute the run again. So this module stores it as a ``RemoteJobOrigin``.
"""

from __future__ import annotations

import gc
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
class RunRequest:
    """The run to start.

    Args:
        run_id: The id of the new run.
        tags: Its tags.
        select: Dagster's asset selection. ``*`` selects the whole job.
        job: The name of the job.
    """

    run_id: str
    tags: dict[str, str]
    select: str = "*"
    job: str = JOB_NAME

    def dump(self) -> str:
        """The request as an argument for ``main``."""
        return json.dumps(asdict(self))


class SelectionError(Exception):
    """The asset selection can't be run. The message names the reason."""


def main(arguments: list[str]) -> int:
    """Run the request in the first argument, and return the exit code."""
    request = RunRequest(**json.loads(arguments[0]))
    with capture_interrupts(), dg.DagsterInstance.get() as instance:
        try:
            return 0 if _execute(instance, request) else 1
        except SelectionError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1


def _execute(instance: dg.DagsterInstance, request: RunRequest) -> bool:
    repository = ReconstructableRepository.for_module(_MODULE, "defs", str(PROJECT_ROOT))
    definition, job = repository.get_definition(), repository.get_reconstructable_job(request.job)
    job_definition = job.get_definition()
    gc.freeze()  # the definitions stay: the collector need not look through them again
    location = RegisteredCodeLocationOrigin(_LOCATION)
    run = instance.create_run_for_job(
        job_definition,
        run_id=request.run_id,
        tags=request.tags,
        asset_selection=selected_assets(request.select, definition.asset_graph, job_definition),
        remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, definition.name), request.job),
        job_code_origin=job.get_python_origin(),
    )
    return execute_run(job, run, instance).success


def selected_assets(select: str, graph: dg.AssetGraph, job: dg.JobDefinition) -> frozenset[dg.AssetKey] | None:
    """The selected assets of the job, or None for all of them.

    Raises:
        SelectionError: the selection is not valid, or it selects no asset of the job.
    """
    if select == "*":
        return None
    try:
        keys = dg.AssetSelection.from_coercible(select.split(",")).resolve(graph)  # like `dagster asset materialize`
    except Exception as error:  # Dagster raises several types
        raise SelectionError(
            f"--select {select!r}: {error} → use Dagster's selection syntax, for example kind:dbt"
        ) from error
    selected = frozenset(keys & set(job.asset_layer.executable_asset_keys))
    if not selected:
        raise SelectionError(
            f"--select {select!r} selects no asset of the job {job.name} → see the assets in the UI; those of the "
            "shops have no days: run the job shop_daily there"
        )
    return selected


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
