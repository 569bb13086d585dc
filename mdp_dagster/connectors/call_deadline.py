"""A time limit for a call into a library that has only limits for each single wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from mdp_dagster.connectors.errors import DeadlineError

Result = TypeVar("Result")


def within_deadline(call: Callable[[], Result], seconds: float, subject: str, remedy: str) -> Result:
    """Returns the result of a call, or raises its exception.

    The call has a thread of its own. After the deadline, nobody waits for it; it does not keep the process alive.

    Args:
        call: The call.
        seconds: The time limit.
        subject: The beginning of the message at the deadline.
        remedy: What to do about it.

    Raises:
        DeadlineError: The call did not end in time.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True, name="call-with-deadline").start()
    try:
        return outcome.result(seconds)
    except FutureTimeoutError:
        if outcome.done():  # at the last moment, or with a timeout of its own
            return outcome.result()
    raise DeadlineError(f"{subject} did not arrive within {seconds:g} s", remedy)
