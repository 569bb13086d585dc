"""The retries of a connector: a limited number, with exponential backoff and jitter, or with a quota's own delay."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, stop_after_attempt

from mdp_dagster.connectors.errors import ConnectorError, DeadlineError, QuotaError, TransientError

logger = logging.getLogger(__name__)

T = TypeVar("T")

_TRIES_OF_SLOW_ANSWERS = 2  # each try lasts as long as the time limit of a request


@dataclass(frozen=True)
class RetryPolicy:
    """Up to ``attempts`` tries.

    The policy waits for a quota with a delay of at most ``longest_quota_wait_seconds``. With a longer delay, the caller
    gets the ``QuotaError`` and can come back later.
    """

    attempts: int = 5
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 30.0
    longest_quota_wait_seconds: float = 60.0

    def run(
        self,
        call: Callable[[], T],
        retry_on: type[TransientError] = TransientError,
        never_after: tuple[type[TransientError], ...] = (),
    ) -> T:
        """The result of ``call``, with retries after a ``retry_on`` or a short quota. Raises the last error.

        ``call`` must begin from the start each time, so that nothing of an earlier try is in its result. There is no
        retry after the errors in ``never_after``.
        """
        retrying = Retrying(
            retry=lambda state: self._worth_another_try(state, retry_on, never_after),
            stop=stop_after_attempt(self.attempts),
            wait=self._wait,
            before_sleep=_log_wait,
            reraise=True,
        )
        return retrying(call)

    def sleeps_through(self, seconds: float) -> bool:
        """True for a delay that is short enough to wait for."""
        return seconds <= self.longest_quota_wait_seconds

    def _worth_another_try(
        self, state: RetryCallState, retry_on: type[TransientError], never_after: tuple[type[TransientError], ...]
    ) -> bool:
        error = _error_of(state)
        if isinstance(error, QuotaError):
            return retry_on is TransientError and self.sleeps_through(error.retry_after_seconds)
        if isinstance(error, DeadlineError) and state.attempt_number >= _TRIES_OF_SLOW_ANSWERS:
            return False
        return isinstance(error, retry_on) and not isinstance(error, never_after)

    def _wait(self, state: RetryCallState) -> float:
        error = _error_of(state)
        # Accounts that were refused at the same time come back at different times.
        jitter = random.uniform(0, self.first_wait_seconds)
        if isinstance(error, QuotaError):
            return error.retry_after_seconds + jitter
        backoff: float = self.first_wait_seconds * 2 ** (state.attempt_number - 1)
        return min(backoff + jitter, self.longest_wait_seconds)


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _log_wait(state: RetryCallState) -> None:
    error = _error_of(state)
    words = error.message if isinstance(error, ConnectorError) else error
    logger.info("try %d failed, the next in %.1f s: %s", state.attempt_number, state.upcoming_sleep, words)
