"""A time limit for each request of Google Cloud's clients, from the first byte to the last one of its answer.

The clients' own timeouts limit only the wait between two bytes. A job is polled with many requests, and has a limit of
its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from google.auth.transport.requests import AuthorizedSession, Request
from requests import PreparedRequest, Response, Session
from requests.exceptions import ReadTimeout

from mdp_dagster.deadlines.http_deadline import Deadline, limit_session

REQUEST_SECONDS = 600.0
"""The limit of a request. The largest ones transfer 100 MB."""
_TOKEN_REQUEST_SECONDS = 120.0
_TOKEN_REQUEST_ATTEMPTS = 3  # as in Google's own session
_REFRESH_SECONDS = 300

_shorter = threading.local()


def limit_requests(client: Any, seconds: float = REQUEST_SECONDS) -> None:
    """Makes a new client send its requests, and those for its access token, with a time limit.

    With mutual TLS (``GOOGLE_API_USE_CLIENT_CERTIFICATE``), a request that is too long fails when its answer has ended.

    Args:
        client: A client of BigQuery or Cloud Storage that has not sent a request.
        seconds: The limit of a request.
    """
    tokens = _LimitedSession(_TOKEN_REQUEST_SECONDS)
    limit_session(tokens, attempts=_TOKEN_REQUEST_ATTEMPTS)
    session = _LimitedAuthorizedSession(
        seconds, client._credentials, refresh_timeout=_REFRESH_SECONDS, auth_request=Request(tokens)
    )
    limit_session(session)
    session.configure_mtls_channel(client._client_cert_source)
    client._http_internal = session  # the clients' own property makes it in the same way


@contextmanager
def requests_within(seconds: float) -> Iterator[None]:
    """Limits each request of this thread in the block to fewer seconds than its session does."""
    before = getattr(_shorter, "seconds", None)
    _shorter.seconds = seconds
    try:
        yield
    finally:
        _shorter.seconds = before


class _LimitedSession(Session):
    def __init__(self, seconds: float, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._seconds = seconds

    def send(self, request: PreparedRequest, **named: Any) -> Response:
        shorter = getattr(_shorter, "seconds", None)
        deadline = Deadline(self._seconds if shorter is None else min(self._seconds, shorter))
        deadline.__enter__()
        try:
            response = super().send(request, **named)
            if named.get("stream") and response.ok:
                return _limited_body(response, deadline)
            response.content  # noqa: B018 (reads the body)
        except Exception:
            _finish(deadline)
            raise
        except BaseException:
            deadline.__exit__(None, None, None)
            raise
        _finish(deadline)
        return response


class _LimitedAuthorizedSession(_LimitedSession, AuthorizedSession):  # type: ignore[misc]
    """Google's session with limits."""


def _limited_body(response: Response, deadline: Deadline) -> Response:
    """Returns the response. Its body, which the caller reads later, has what is left of the time."""
    deadline.leave_thread()
    parts, close = response.iter_content, response.close

    def limited_parts(*arguments: Any, **named: Any) -> Iterator[Any]:
        try:
            yield from parts(*arguments, **named)
        except Exception:
            _finish(deadline)
            raise
        _finish(deadline)

    def limited_close() -> None:
        deadline.__exit__(None, None, None)
        close()

    response.iter_content = limited_parts  # type: ignore[method-assign]
    response.close = limited_close  # type: ignore[method-assign]
    return response


def _finish(deadline: Deadline) -> None:
    """Ends a deadline.

    Raises:
        ReadTimeout: It had passed. Google's libraries treat this like a timeout of their own.
    """
    deadline.__exit__(None, None, None)
    if deadline.expired:
        raise ReadTimeout(f"the whole answer did not arrive within {deadline.seconds:g} s") from None
