"""dbt in this process, once per run. It costs a third of a second process.

dagster-dbt starts dbt as a process, twice, and with changed ``--vars`` that dbt parses the project again. Here dbt gets
the parsed manifest, and dagster-dbt's converter turns dbt's events into Dagster's. This uses names that are not public:
``Manifest.from_msgpack``, ``DbtCoreCliEventMessage``, and those in ``dbt_connections.py``, ``dbt_messages.py``,
``bigquery_conflicts.py`` and ``bigquery_requests.py``. A test compares the result with that of the stock command
(``MDP_DBT_EXECUTION=cli``).

dbt keeps its state in globals, so a process runs one dbt command at a time.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from google.protobuf.json_format import MessageToDict

from mdp_dagster.transform.bigquery_conflicts import find_jobs_of_lost_answers
from mdp_dagster.transform.bigquery_requests import limit_dbts_requests
from mdp_dagster.transform.dbt_connections import close_connections
from mdp_dagster.transform.dbt_messages import drop_debug_messages
from mdp_dagster.transform.project import DbtError, ParsedProject, common_flags, window_variables
from mdp_dagster.warehouse.base import Statement, in_window
from mdp_dagster.window import DateWindow

_one_at_a_time = threading.Lock()
_RESULTS = {"LogModelResult", "LogTestResult"}


@dataclass(frozen=True)
class DbtBuild:
    """A build of models and their tests.

    Args:
        context: The Dagster run that selects the models; None for all models and tests.
        project: The parsed project.
        translator: The translator of the run's domain.
    """

    context: dg.AssetExecutionContext | None
    project: ParsedProject
    translator: DagsterDbtTranslator

    @property
    def variables(self) -> dict[str, str]:
        """Dbt's variables."""
        return {}


@dataclass(frozen=True)
class WindowBuild(DbtBuild):
    """A build of models by day and their tests over one window.

    Args:
        context: As for any build.
        project: As for any build.
        translator: As for any build.
        window: The days that each model replaces.
        recent: The daily run's days. Tests that only warn read them too.
    """

    window: DateWindow
    recent: DateWindow

    @property
    def variables(self) -> dict[str, str]:
        """Dbt's variables."""
        recent = {"recent_start": self.recent.start.isoformat(), "recent_end": self.recent.end.isoformat()}
        return {**window_variables(self.window), **recent}


@dataclass(frozen=True)
class BuildResult:
    """The result of a build.

    Args:
        events: Dagster's events.
        errors: dbt's error text; empty on success.
        failing_tests: The SQL of the tests that found rows, by unique id. Also that of passed tests with
            ``shows_accepted_rows`` in their ``meta``: they find rows that do not count.
        responses: The engine's answer for each model and test, by unique id. On BigQuery: ``job_id``,
            ``bytes_processed``, ``bytes_billed``, ``slot_ms``, ``rows_affected``.
    """

    events: list[Any]
    errors: str
    failing_tests: dict[str, str]
    responses: dict[str, dict[str, Any]]


def run_build(build: DbtBuild) -> BuildResult:
    """Runs ``dbt build`` of the run's selection.

    Raises:
        DbtError: dbt could not start.
    """
    assert build.context is not None
    log = build.context.log
    raw_events: list[dict[str, Any]] = []

    def listen(message: Any) -> None:
        name = message.info.name
        if name in _RESULTS:
            log.info(message.info.msg)
        elif message.info.level == "error":
            log.error(message.info.msg)
        if name in _RESULTS or message.info.level == "error":
            raw_events.append(MessageToDict(message, preserving_proto_field_name=True))

    command = ["build", "--exclude-resource-type", "unit_test", *_selection(build)]
    result = _invoke(build.project, command, build.variables, [listen])
    return BuildResult(
        events=list(_dagster_events(raw_events, build)),
        errors="" if result.success else _errors(raw_events),
        failing_tests=dict(_failing_tests(result)),
        responses={each.node.unique_id: each.adapter_response for each in _results(result) if each.adapter_response},
    )


def statements(build: WindowBuild, first: Sequence[str] = ()) -> dict[str, Statement]:
    """Returns the statements of a build, by unique id, without running them.

    A model has a second statement, ``<unique id> (replaced)``: it reads all columns of the days to replace.

    Args:
        build: The build.
        first: Models to build first, in addition to the selection.

    Raises:
        DbtError: dbt could not start.
    """
    selections = [_selection(build), *([["--select", *first]] if first else [])]
    found: dict[str, Statement] = {}
    for selection in selections:
        result = _invoke(build.project, ["compile", "--no-populate-cache", *selection], build.variables, [])
        for each in _results(result):
            if each.node.resource_type in ("model", "test"):
                found.update(_statements_of(each.node, build))
    return found


def _statements_of(node: Any, build: WindowBuild) -> Iterator[tuple[str, Statement]]:
    known = {**build.project.manifest["nodes"], **build.project.manifest["sources"]}
    parents = [known[unique_id] for unique_id in node.depends_on.nodes]
    yield node.unique_id, Statement(node.compiled_code, [(parent["schema"], parent["name"]) for parent in parents])
    if node.resource_type == "model":
        replaced = f"select * from {node.schema}.{node.name} where {in_window(build.window)}"
        yield f"{node.unique_id} (replaced)", Statement(replaced, [(node.schema, node.name)])


def _selection(build: DbtBuild) -> list[str]:
    """Returns dbt's arguments for the run's selection."""
    given = get_updated_cli_invocation_params_for_context(build.context, build.project.manifest, build.translator)
    indirect = ["--indirect-selection", given.indirect_selection] if given.indirect_selection else []
    return [*indirect, *given.selection_args]


def run_models(project: ParsedProject, models: Sequence[str], variables: Mapping[str, Any]) -> None:
    """Runs ``dbt run`` of some models, without events for Dagster.

    Raises:
        DbtError: A model failed.
    """
    messages: list[str] = []

    def listen(message: Any) -> None:
        if message.info.level == "error":
            messages.append(message.info.msg)

    if not _invoke(project, ["run", "--select", *models], variables, [listen]).success:
        raise DbtError("\n".join(messages))


def _invoke(
    project: ParsedProject,
    command: Sequence[str],
    variables: Mapping[str, Any],
    callbacks: list[Callable[[Any], None]],
) -> Any:
    from dbt.cli.main import dbtRunner

    if project.manifest["metadata"]["adapter_type"] == "bigquery":
        find_jobs_of_lost_answers()
        limit_dbts_requests()
    drop_debug_messages()
    with _one_at_a_time, tempfile.TemporaryDirectory(prefix="mdp-dbt-") as target:
        # what dbt writes for later is deleted with its folder, and what it would print goes to the callbacks
        unwritten = ["--no-write-json", "--log-level-file", "none", "--log-level", "none"]
        flags = [*common_flags(Path(target)), *unwritten, "--vars", json.dumps(dict(variables))]
        callback_errors: list[Exception] = []
        listeners = [_keeping_errors(callback, callback_errors) for callback in callbacks]
        try:
            result = dbtRunner(manifest=_manifest(project), callbacks=listeners).invoke(
                ["--quiet", command[0], *flags, *command[1:]]
            )
        finally:
            close_connections()
    if result.exception is not None:
        raise DbtError(f"dbt could not {command[0]}: {result.exception}") from result.exception
    if callback_errors:
        raise DbtError(f"dbt's messages could not be passed on: {callback_errors[0]}") from callback_errors[0]
    return result


def _keeping_errors(callback: Callable[[Any], None], callback_errors: list[Exception]) -> Callable[[Any], None]:
    """Returns a callback that keeps its errors for later.

    dbt calls back from its threads. An error there, such as a full disk, ends the thread without a message. dbt would
    then wait forever for the thread's model, and hold the warehouse's lock.
    """

    def listen(message: Any) -> None:
        try:
            callback(message)
        except Exception as error:
            callback_errors.append(error)

    return listen


def _failing_tests(result: Any) -> Iterator[tuple[str, str]]:
    for node_result in _results(result):
        node = node_result.node
        if node.resource_type == "test" and (
            node_result.status in ("fail", "warn")
            or (node_result.status == "pass" and node.config.meta.get("shows_accepted_rows"))
        ):
            yield node.unique_id, node.compiled_code


def _results(result: Any) -> Sequence[Any]:
    """Returns dbt's result for each node; an empty sequence if dbt failed earlier."""
    return getattr(result.result, "results", ())


@lru_cache(maxsize=2)
def _manifest(project: ParsedProject) -> Any:
    """Returns the parsed project in dbt's own form."""
    from dbt.contracts.graph.manifest import Manifest

    return Manifest.from_msgpack(project.partial_parse_path.read_bytes())


def _dagster_events(raw_events: list[dict[str, Any]], build: DbtBuild) -> Iterator[Any]:
    for raw in raw_events:
        message = DbtCoreCliEventMessage(raw_event=raw, event_history_metadata={})
        if message.is_result_event:
            yield from message.to_default_asset_events(build.project.manifest, build.translator, build.context)


def _errors(raw_events: list[dict[str, Any]]) -> str:
    messages = [raw["info"]["msg"].strip() for raw in raw_events if raw["info"]["level"] == "error"]
    return "\n".join(dict.fromkeys(messages)) or "dbt gave no reason"
