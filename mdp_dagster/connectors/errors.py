"""The errors of a source, by their consequence: try again, try later, one account, or every account."""

from __future__ import annotations

_LONGEST_PAUSE_SECONDS = 86_400.0  # no limit lasts longer: a longer delay is a mistake of the platform


class ConnectorError(Exception):
    """The source refused a request or failed. ``str()`` gives the source's own words, then the remedy."""

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message.strip()
        self.remedy = remedy.strip()
        super().__init__(f"{self.message} → {self.remedy}" if self.remedy else self.message)


class TransientError(ConnectorError):
    """Another try may succeed now: a broken stream, HTTP 5xx, throttling without a delay.

    The connector retries a limited number of times. After that, the error counts against its account.
    """


class DeadlineError(TransientError):
    """The whole answer did not arrive within the time limit of a request. The connector repeats the request once."""


class QuotaError(ConnectorError):
    """Another try may succeed later: the source named a delay that is too long to wait for. At most a day."""

    def __init__(self, message: str, retry_after_seconds: float, remedy: str = "") -> None:
        self.retry_after_seconds = min(retry_after_seconds, _LONGEST_PAUSE_SECONDS)
        super().__init__(message, remedy or f"the platform requests a pause of {self.retry_after_seconds:.0f} s")


class AccountError(ConnectorError):
    """Concerns one account (disabled, revoked, not found). The other accounts continue."""


class PlatformError(ConnectorError):
    """Concerns every account (bad credentials, bad developer token, sunset API version)."""


class HistoryError(ConnectorError):
    """The window begins before the start of the source's history. The message names the first available day."""
