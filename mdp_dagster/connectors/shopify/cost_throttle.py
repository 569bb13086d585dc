"""Waits before a query until the shop's cost points suffice. Every answer of Shopify reports their state.

The points are a bucket that refills at a steady rate. https://shopify.dev/docs/api/usage/limits
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger(__name__)

_FIRST_GUESS = 10.0  # the points of a small query, before its first answer
_LONGEST_WAIT_SECONDS = 60.0  # then the query is sent anyway, and Shopify decides


class CostThrottle:
    """The cost points of one app in one shop."""

    def __init__(self) -> None:
        self._available: float | None = None
        self._restore_rate = 0.0
        self._known_at = 0.0
        self._costs: dict[str, float] = {}

    def wait(self, query: str) -> None:
        """Sleeps until the points suffice for the query, as far as the last answers show."""
        seconds = self.seconds_until(self._costs.get(query, _FIRST_GUESS))
        if seconds > 0:
            logger.info("waiting %.1f s for Shopify's cost points", seconds)
            time.sleep(min(seconds, _LONGEST_WAIT_SECONDS))

    def seconds_until(self, points: float) -> float:
        """Returns the seconds until the bucket has this many points; 0 if it has, or if nothing is known."""
        if self._available is None or self._restore_rate <= 0:
            return 0.0
        available = self._available + (time.monotonic() - self._known_at) * self._restore_rate
        return max(0.0, (points - available) / self._restore_rate)

    def learn(self, query: str, extensions: Any) -> float:
        """Notes the state after an answer.

        Args:
            query: The query that was answered or refused.
            extensions: The answer's ``extensions``.

        Returns:
            The seconds until the same query can be sent again.
        """
        cost = extensions.get("cost") if isinstance(extensions, Mapping) else None
        state = cost.get("throttleStatus") if isinstance(cost, Mapping) else None
        if not isinstance(cost, Mapping) or not isinstance(state, Mapping):
            return 0.0
        available, rate, requested = (
            _number(value)
            for value in (state.get("currentlyAvailable"), state.get("restoreRate"), cost.get("requestedQueryCost"))
        )
        if available is not None and rate is not None:
            self._available, self._restore_rate, self._known_at = available, rate, time.monotonic()
        if requested is not None:
            self._costs[query] = requested
        return self.seconds_until(self._costs.get(query, _FIRST_GUESS))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and value >= 0 else None
