"""The time limit of requests for the clients that dbt-bigquery makes.

This uses names of dbt-bigquery that are not public. The stock command (``MDP_DBT_EXECUTION=cli``) does without it: its
requests have only the limits of dbt's profile and of Google's client.
"""

from __future__ import annotations

from functools import wraps
from typing import Any


def limit_dbts_requests() -> None:
    """Limits the requests of every client that dbt makes in this process from now on. Needs dbt-bigquery."""
    from dbt.adapters.bigquery import clients, connections, retry

    from mdp_dagster.google_cloud.limited_requests import limit_requests

    make = clients.create_bigquery_client
    if hasattr(make, "__wrapped__"):
        return

    @wraps(make)
    def make_limited(credentials: Any) -> Any:
        client = make(credentials)
        limit_requests(client)
        return client

    for module in (clients, connections, retry):  # each has its own reference
        module.create_bigquery_client = make_limited
