"""Taking secrets out of text before it becomes an exception or a log line."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
# Shorter "secrets" are left to the patterns: replacing them everywhere would garble every message.
_SHORTEST_SECRET = 4

_NAMED = re.compile(
    r"(?i)((?:access_token|appsecret_proof|client_secret|app_secret|refresh_token|fb_exchange_token|id_token"
    r"|developer[-_]token|assertion|private_key)"
    r"(?:[\"']?\s*(?:=|:|%3[Dd])\s*[\"']?|[\"']\s*,\s*[\"']))([^\s&\"',;)}\]]+)"
)
_SHAPED = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\bEAA[A-Za-z0-9]{16,}"  # Meta access token
    r"|\bya29\.[A-Za-z0-9._-]+"  # Google access token
    r"|\b1//[A-Za-z0-9_-]{20,}"  # Google refresh token
    r"|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",  # JWT
    re.DOTALL,
)
_BEARER = re.compile(r"(?i)\b((?:Bearer|OAuth)\s+)[A-Za-z0-9._~+/=|-]{8,}")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the given secrets (also as they stand in a URL) and without anything shaped like
    one."""
    for secret in sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len, reverse=True):
        for form in {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}:
            text = text.replace(form, MASK)
    text = _SHAPED.sub(MASK, text)
    text = _BEARER.sub(rf"\g<1>{MASK}", text)
    return _NAMED.sub(rf"\g<1>{MASK}", text)


class RedactingFilter(logging.Filter):
    """Redacts the records of the logger that it is added to."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = None
        return True


def redact_logger(name: str) -> None:
    """Redact what a library logs itself. urllib3 writes each request's address, token included, at DEBUG."""
    logger = logging.getLogger(name)
    if not any(isinstance(f, RedactingFilter) for f in logger.filters):
        logger.addFilter(RedactingFilter())
