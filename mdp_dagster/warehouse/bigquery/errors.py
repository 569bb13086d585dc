"""BigQuery's errors, with a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core.exceptions import BadRequest, Forbidden, GoogleAPIError, NotFound, RetryError
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import RequestException

from mdp_dagster.google_cloud.errors import error_text
from mdp_dagster.warehouse.base import WarehouseError

_QUOTA = ("quotaexceeded", "ratelimitexceeded", "quota exceeded", "exceeded rate limits", "exceeded quota")
_MISSING_PERMISSION = (
    "give the service account roles/bigquery.jobUser on the project and roles/bigquery.dataEditor on the dataset "
    "(roles/bigquery.user on the project, to create datasets): docs/deployment.md"
)


@contextmanager
def translated_errors(warehouse: str) -> Iterator[None]:
    """Raise ``WarehouseError`` in place of every error of Google's client.

    The errors are not chained, because Google's exceptions contain the request.
    """
    try:
        yield
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        raise WarehouseError(f"{warehouse}: {error_message(error)} → {_remedy(error)}") from None


def error_message(error: Exception) -> str:
    """The error's message, without the address and the statement that the client adds."""
    if isinstance(error, RetryError) and isinstance(error.cause, Exception):
        return f"{error.message}: {error_message(error.cause)}"
    details = getattr(error, "errors", None)
    if details and isinstance(details[0], dict) and details[0].get("message"):
        return str(details[0]["message"])
    return error_text(error).split("\n")[0]


def _remedy(error: Exception) -> str:
    text = f"{error} {getattr(error, 'errors', '')}"
    if isinstance(error, GoogleAuthError):
        return (
            "set up application default credentials: GOOGLE_APPLICATION_CREDENTIALS, workload identity, or "
            "`gcloud auth application-default login`"
        )
    if any(sign in text.lower() for sign in _QUOTA):
        return "wait, or ask Google for more quota; then run again: committed days are not extracted twice"
    if "bytesBilledLimitExceeded" in text or "bytes billed" in text:
        return "use a shorter window, or raise MDP_BIGQUERY_MAX_BYTES_PER_QUERY"
    if isinstance(error, Forbidden):
        return _MISSING_PERMISSION
    if isinstance(error, NotFound):
        return "check GOOGLE_CLOUD_PROJECT, BIGQUERY_LOCATION and that the lake's bucket is in that location"
    if isinstance(error, BadRequest):
        return "see the message"
    return "check the network and Google's status page, then run again: committed days are not extracted twice"
