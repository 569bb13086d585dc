"""What can go wrong at a platform, by what to do about it."""

from __future__ import annotations

_LONGEST_PAUSE_SECONDS = 86_400.0  # no platform's limit lasts longer; a delay beyond it is a mistake of theirs


class ConnectorError(Exception):
    """A platform refused or failed. ``str()`` gives the platform's own words, then the remedy."""

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message.strip()
        self.remedy = remedy.strip()
        super().__init__(f"{self.message} → {self.remedy}" if self.remedy else self.message)


class TransientError(ConnectorError):
    """Worth another try now: a broken stream, HTTP 5xx, throttling without a delay. Bounded tries inside the
    connector; one that escapes has used them all up and counts against its account."""


class QuotaError(ConnectorError):
    """Worth another try later: the platform named a delay that is too long to sleep through. Never more than a
    day."""

    def __init__(self, message: str, retry_after_seconds: float, remedy: str = "") -> None:
        self.retry_after_seconds = min(retry_after_seconds, _LONGEST_PAUSE_SECONDS)
        super().__init__(message, remedy or f"the platform asks for a pause of {self.retry_after_seconds:.0f} s")


class AccountError(ConnectorError):
    """Concerns one account (disabled, revoked, not found); the others go on."""


class PlatformError(ConnectorError):
    """Concerns every account (bad credentials, bad developer token, sunset API version)."""


class HistoryError(ConnectorError):
    """The window begins before the platform's history of daily data does. The message names the first day
    that can be asked for."""
