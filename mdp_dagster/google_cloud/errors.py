"""What Google's services said of a request that failed, without the request: it may hold the right to an upload."""

from __future__ import annotations

import re
from typing import Any

from google.auth.exceptions import GoogleAuthError

_MOST = 500


def words_of(error: Exception, response: Any = None) -> str:
    """The service's own words, if there is an answer; else the library's, without addresses."""
    if response is not None:
        try:
            said = response.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            said = response.text  # downloads are answered in plain text
        return f"{response.status_code} {said.strip()[:_MOST]}"
    if isinstance(error, GoogleAuthError):
        error = Exception(error.args[0] if error.args else type(error).__name__)  # what follows is the whole answer
    return re.sub(r"https?://\S+|\burl: \S+", "…", str(error))[:_MOST]
