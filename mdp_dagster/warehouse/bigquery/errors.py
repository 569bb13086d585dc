"""What BigQuery says when it refuses, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core.exceptions import BadRequest, Forbidden, GoogleAPIError, NotFound, RetryError
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import RequestException

from mdp_dagster.google_cloud.errors import error_text
from mdp_dagster.warehouse.base import WarehouseError

_QUOTA = ("quotaexceeded", "ratelimitexceeded", "quota exceeded", "exceeded rate limits", "exceeded quota")
_RIGHTS = (
    "give the service account roles/bigquery.jobUser on the project and roles/bigquery.dataEditor on the dataset "
    "(roles/bigquery.user on the project, to create datasets): docs/deployment.md"
)


@contextmanager
def translated_errors(place: str) -> Iterator[None]:
    """Raises ``WarehouseError`` for everything that Google's client raises. Not chained: its exception holds the
    request."""
    try:
        yield
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        raise WarehouseError(f"{place}: {message_of(error)} → {_remedy(error)}") from None


def message_of(error: Exception) -> str:
    """Without the address and the statement, which the client puts around it."""
    if isinstance(error, RetryError) and isinstance(error.cause, Exception):
        return f"{error.message}: {message_of(error.cause)}"
    said = getattr(error, "errors", None)
    if said and isinstance(said[0], dict) and said[0].get("message"):
        return str(said[0]["message"])
    return error_text(error).split("\n")[0]


def _remedy(error: Exception) -> str:
    text = f"{error} {getattr(error, 'errors', '')}"
    if isinstance(error, GoogleAuthError):
        return (
            "give application default credentials: GOOGLE_APPLICATION_CREDENTIALS, workload identity, or "
            "`gcloud auth application-default login`"
        )
    if any(sign in text.lower() for sign in _QUOTA):
        return "wait, or ask Google for more quota; then run again: what was committed isn't pulled twice"
    if "bytesBilledLimitExceeded" in text or "bytes billed" in text:
        return "a shorter window, or a higher MDP_BIGQUERY_MAX_BYTES_PER_QUERY"
    if isinstance(error, Forbidden):
        return _RIGHTS
    if isinstance(error, NotFound):
        return "check GOOGLE_CLOUD_PROJECT, BIGQUERY_LOCATION and that the lake's bucket is in that location"
    if isinstance(error, BadRequest):
        return "see the message"
    return "check the network and Google's status page, then run again: what was committed isn't pulled twice"
