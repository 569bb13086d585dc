"""Corrections to bqemulator 1.4.0 that MDP and dbt need. They change private parts, so the version is pinned."""

from __future__ import annotations

from functools import partial
from typing import Any

import bqemulator.sql.rewriter.create_table_schema_ctas as contracts
import uvicorn
from bqemulator import server
from bqemulator.api.routes import jobs, upload
from bqemulator.jobs import ddl_result
from bqemulator.sql import translator
from bqemulator.storage.engine import DuckDBEngine
from bqemulator.versioning.snapshots import SnapshotManager
from sqlglot import exp

from tests.support.emulators.bigquery import numeric


def mend() -> None:
    DuckDBEngine._load_spatial = lambda engine: None  # it would be downloaded, and MDP has no geography
    SnapshotManager.capture = lambda *_, **__: None  # a copy of the whole table after each write, for time travel
    server.build_grpc_server = lambda context: (_NoGrpc(), 0)  # the storage API, which no client here uses
    upload._PERMITTED_MEDIA_CONTENT_TYPES += ("*/*",)  # the type that google-cloud-bigquery gives a file
    server.uvicorn.Config = partial(uvicorn.Config, timeout_keep_alive=600)  # an idle connection stays usable
    jobs._has_not_null_constraint = ddl_result._has_not_null_constraint = _is_required
    _take_selects_in_parentheses()
    _keep_safe_functions()
    numeric.mend()


class _NoGrpc:
    async def start(self) -> None: ...

    async def stop(self, grace: float) -> None: ...


def _is_required(column: exp.ColumnDef) -> bool:
    """Whether a column is required. Compiled sqlglot only accepts constraints here, and options are not constraints."""
    constraints = column.args.get("constraints") or ()
    return any(isinstance(constraint.args.get("kind"), exp.NotNullColumnConstraint) for constraint in constraints)


def _take_selects_in_parentheses() -> None:
    """Support ``create table t (a int64) as (select …)``, as dbt writes a model with a contract."""
    first_select = contracts._first_select

    def of_unwrapped(node: Any) -> Any:
        return first_select(node.unnest() if isinstance(node, exp.Subquery) else node)

    contracts._first_select = of_unwrapped


def _keep_safe_functions() -> None:
    """Translates SAFE.function as the last step. It becomes TRY, which any later step would lose without an error."""
    safe_functions, last_step = translator.rewrite_safe_helpers, translator.rewrite_partition_pseudo_columns
    translator.rewrite_safe_helpers = lambda sql: sql
    translator.rewrite_partition_pseudo_columns = lambda sql: safe_functions(last_step(sql))
