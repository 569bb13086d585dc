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
from collections.abc import Iterator, Mapping
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


def build(
    context: dg.AssetExecutionContext,
    project: ParsedProject,
    translator: DagsterDbtTranslator,
    variables: Mapping[str, Any],
) -> tuple[list[Any], str]:
    """``dbt build`` of what the run selects. Gives the Dagster events, and dbt's error text (empty on success).

    Raises ``DbtError`` when dbt could not begin.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

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

    with _one_at_a_time, tempfile.TemporaryDirectory(prefix="mdp-dbt-") as target:
        try:
            result = dbtRunner(manifest=_manifest(project), callbacks=[listen]).invoke(
                [
                    "--quiet",
                    "build",
                    *common_flags(Path(target)),
                    "--exclude-resource-type",
                    "unit_test",
                    "--no-write-json",
                    "--vars",
                    json.dumps(dict(variables)),
                    *_indirect(selection.indirect_selection),
                    *selection.selection_args,
                ]
            )
        finally:
            # or this process keeps the database open, and no other can write
            DuckDBConnectionManager.close_all_connections()
    if result.exception is not None:
        raise DbtError(f"dbt could not build: {result.exception}") from result.exception
    events = list(_dagster_events(raw_events, project, translator, context))
    return events, "" if result.success else _errors(raw_events)


@lru_cache(maxsize=2)
def _manifest(project: ParsedProject) -> Any:
    """dbt's own form of the parsed project."""
    from dbt.contracts.graph.manifest import Manifest

    return Manifest.from_msgpack(project.partial_parse_path.read_bytes())


def _indirect(mode: str | None) -> list[str]:
    return ["--indirect-selection", mode] if mode else []


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
