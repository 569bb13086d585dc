"""Closing the connections that dbt leaves open in this process after a command."""

import sys


def close_connections() -> None:
    """Closes DuckDB's connections, so that other processes can write. Other adapters close their own."""
    duckdb = sys.modules.get("dbt.adapters.duckdb.connections")
    if duckdb is not None:
        duckdb.DuckDBConnectionManager.close_all_connections()
