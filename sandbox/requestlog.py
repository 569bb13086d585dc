"""The requests to the sandbox: counts by platform, method and account, and the last requests."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import Any

_KEEP = 2000


class RequestLog:
    """A log that tests read. It never holds tokens. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, str | None]] = Counter()
        self._last: deque[dict[str, Any]] = deque(maxlen=_KEEP)

    def add(self, platform: str, method: str, account_id: str | None = None, **details: Any) -> None:
        """Counts a request."""
        with self._lock:
            self._counts[platform, method, account_id] += 1
            self._last.append({"platform": platform, "method": method, "account_id": account_id, **details})

    def count(self, platform: str | None = None, method: str | None = None, account_id: str | None = None) -> int:
        """How many requests match; what isn't given matches anything."""
        wanted = (platform, method, account_id)
        with self._lock:
            return sum(
                number
                for key, number in self._counts.items()
                if all(want in (None, have) for want, have in zip(wanted, key, strict=True))
            )

    def requests(self) -> list[dict[str, Any]]:
        """The last requests, oldest first."""
        with self._lock:
            return list(self._last)

    def counts(self) -> list[dict[str, Any]]:
        """Returns how many requests there were, by platform, method and account."""
        with self._lock:
            return [
                {"platform": platform, "method": method, "account_id": account_id, "count": number}
                for (platform, method, account_id), number in sorted(self._counts.items(), key=str)
            ]

    def clear(self) -> None:
        """Forgets all requests."""
        with self._lock:
            self._counts.clear()
            self._last.clear()
