"""dbt in this process, started once per run: a third of what a second process costs.

dagster-dbt starts dbt as a process (twice), and changed ``--vars`` make that dbt parse the project anew. Here dbt gets
the parsed manifest, and its events become Dagster's by dagster-dbt's own converter. That leans on API that isn't
promised: ``Manifest.from_msgpack``, ``DbtCoreCliEventMessage``, ``DuckDBConnectionManager.close_all_connections``. A
test compares it with the stock command, which is one setting away (``MDP_DBT_EXECUTION=cli``).

Not to be run twice at the same time in one process: dbt keeps its state in globals.
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

from mdp_dagster.transform.project import DbtError, ParsedProject, common_flags

_one_at_a_time = threading.Lock()
_SAID = {"LogModelResult", "LogTestResult"}


@dataclass(frozen=True)
class Built:
    """What came of a build: the Dagster events, dbt's error text (empty on success), and the SQL of the tests that
    found rows, by unique id."""

    events: list[Any]
    errors: str
    missed_tests: dict[str, str]


def build(
    context: dg.AssetExecutionContext,
    project: ParsedProject,
    translator: DagsterDbtTranslator,
    variables: Mapping[str, Any],
) -> Built:
    """``dbt build`` of what the run selects. Raises ``DbtError`` when dbt could not begin."""
    selection = get_updated_cli_invocation_params_for_context(context, project.manifest, translator)
    raw_events: list[dict[str, Any]] = []

    def listen(message: Any) -> None:
        name = message.info.name
        if name in _SAID:
            context.log.info(message.info.msg)
        elif message.info.level == "error":
            context.log.error(message.info.msg)
        if name in _SAID or message.info.level == "error":
            raw_events.append(MessageToDict(message, preserving_proto_field_name=True))

    indirect = ["--indirect-selection", selection.indirect_selection] if selection.indirect_selection else []
    command = ["build", "--exclude-resource-type", "unit_test", *indirect, *selection.selection_args]
    result = _invoke(project, command, variables, [listen])
    return Built(
        events=list(_dagster_events(raw_events, project, translator, context)),
        errors="" if result.success else _errors(raw_events),
        missed_tests=dict(_missed_tests(result)),
    )


def make(project: ParsedProject, models: Sequence[str], variables: Mapping[str, Any]) -> None:
    """``dbt run`` of some models, without a word to Dagster. Raises ``DbtError`` if one fails."""
    said: list[str] = []

    def listen(message: Any) -> None:
        if message.info.level == "error":
            said.append(message.info.msg)

    if not _invoke(project, ["run", "--select", *models], variables, [listen]).success:
        raise DbtError("\n".join(said))


def _invoke(
    project: ParsedProject,
    command: Sequence[str],
    variables: Mapping[str, Any],
    callbacks: list[Callable[[Any], None]],
) -> Any:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    with _one_at_a_time, tempfile.TemporaryDirectory(prefix="mdp-dbt-") as target:
        flags = [*common_flags(Path(target)), "--no-write-json", "--vars", json.dumps(dict(variables))]
        try:
            result = dbtRunner(manifest=_manifest(project), callbacks=callbacks).invoke(
                ["--quiet", command[0], *flags, *command[1:]]
            )
        finally:
            # or this process keeps the database open, and no other can write
            DuckDBConnectionManager.close_all_connections()
    if result.exception is not None:
        raise DbtError(f"dbt could not {command[0]}: {result.exception}") from result.exception
    return result


def _missed_tests(result: Any) -> Iterator[tuple[str, str]]:
    for node_result in getattr(result.result, "results", ()):
        if node_result.node.resource_type == "test" and node_result.status in ("fail", "warn"):
            yield node_result.node.unique_id, node_result.node.compiled_code


@lru_cache(maxsize=2)
def _manifest(project: ParsedProject) -> Any:
    """dbt's own form of the parsed project."""
    from dbt.contracts.graph.manifest import Manifest

    return Manifest.from_msgpack(project.partial_parse_path.read_bytes())


def _dagster_events(
    raw_events: list[dict[str, Any]],
    project: ParsedProject,
    translator: DagsterDbtTranslator,
    context: dg.AssetExecutionContext,
) -> Iterator[Any]:
    for raw in raw_events:
        message = DbtCoreCliEventMessage(raw_event=raw, event_history_metadata={})
        if message.is_result_event:
            yield from message.to_default_asset_events(project.manifest, translator, context)


def _errors(raw_events: list[dict[str, Any]]) -> str:
    said = [raw["info"]["msg"].strip() for raw in raw_events if raw["info"]["level"] == "error"]
    return "\n".join(dict.fromkeys(said)) or "dbt gave no reason"
