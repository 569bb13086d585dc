"""What dbt leaves open in this process after a command, whichever the engine."""

import sys


def let_go() -> None:
    """dbt-duckdb keeps the database open, and no other process could write. The others close what they opened."""
    duckdb = sys.modules.get("dbt.adapters.duckdb.connections")
    if duckdb is not None:
        duckdb.DuckDBConnectionManager.close_all_connections()
