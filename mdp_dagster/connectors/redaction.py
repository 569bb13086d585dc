"""Removes secrets from text before it becomes an exception or a log line.

The patterns here are those of OAuth and of key files. The vendors' own ones are in the declarations of the sources.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, quote_plus

from mdp_dagster.connectors.sources import all_sources

MASK = "***"
# A shorter "secret" is only found by its name or its form: replacing it everywhere would garble every message.
_SHORTEST_SECRET = 4

_NAMES = ("access_token", "client_secret", "refresh_token", "id_token", "assertion", "private_key")
_VALUE = r"(?:[\"']?\s*(?:=|:|%3[Dd])\s*[\"']?|[\"']\s*,\s*[\"']))([^\s&\"',;)}\]]+)"
_SHAPES = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",  # JWT
)
_BEARER = re.compile(r"(?i)\b((?:Bearer|OAuth)\s+)[A-Za-z0-9._~+/=|-]{8,}")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with a mask in place of each secret.

    Secrets are the given ones, also in the form that they have in a URL, and every text that has the name or the form
    of a secret of any source.
    """
    for secret in sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len, reverse=True):
        for form in {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}:
            text = text.replace(form, MASK)
    text = _shaped().sub(MASK, text)
    text = _BEARER.sub(rf"\g<1>{MASK}", text)
    return _named().sub(rf"\g<1>{MASK}", text)


@lru_cache(maxsize=1)
def _named() -> re.Pattern[str]:
    names = [*_NAMES, *(name for source in all_sources() for name in source.secret_names)]
    return re.compile(rf"(?i)((?:{'|'.join(names)}){_VALUE}")


@lru_cache(maxsize=1)
def _shaped() -> re.Pattern[str]:
    shapes = [*_SHAPES, *(shape for source in all_sources() for shape in source.token_shapes)]
    return re.compile("|".join(shapes), re.DOTALL)


class RedactingFilter(logging.Filter):
    """Redacts the records of the logger that it is added to."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replaces secrets in the record's message. Never drops a record."""
        record.msg = redact(record.getMessage())
        record.args = None
        return True


def redact_logger(name: str) -> None:
    """Redacts the records that a library logs. At DEBUG, urllib3 logs each request's address with its token."""
    logger = logging.getLogger(name)
    if not any(isinstance(f, RedactingFilter) for f in logger.filters):
        logger.addFilter(RedactingFilter())
