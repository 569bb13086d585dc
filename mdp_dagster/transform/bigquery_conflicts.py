"""Recovery of a statement that BigQuery accepted, although its response was lost: dbt-bigquery reports a failure.

Google's client sends such a request again with the same job id, and BigQuery answers that the job exists. dbt made the
id for this statement only, so it is the right job, and MDP waits for it. This uses a private name of dbt-bigquery. The
stock command (``MDP_DBT_EXECUTION=cli``) does without it and fails the model.
"""

from __future__ import annotations

from functools import wraps
from typing import Any


def find_jobs_of_lost_answers() -> None:
    """Switches the recovery on for this process. Needs dbt-bigquery."""
    from dbt.adapters.bigquery.connections import BigQueryConnectionManager
    from google.api_core.exceptions import Conflict

    send = BigQueryConnectionManager._query_and_results
    if hasattr(send, "__wrapped__"):
        return

    @wraps(send)
    def sent(manager: Any, connection: Any, sql: str, job_params: Any, job_id: str, limit: int | None = None) -> Any:
        try:
            return send(manager, connection, sql, job_params, job_id, limit)
        except Conflict:
            job = connection.handle.get_job(job_id)
            return job, job.result(max_results=limit, retry=manager._retry.create_retry())

    BigQueryConnectionManager._query_and_results = sent
