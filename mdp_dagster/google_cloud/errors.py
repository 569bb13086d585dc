"""The error text of Google's services, without the request: an upload's address grants access."""

from __future__ import annotations

import re
from typing import Any

from google.auth.exceptions import GoogleAuthError

_MAX_CHARACTERS = 500


def error_text(error: Exception, response: Any = None) -> str:
    """The service's error message if there is an answer, else the library's message without addresses."""
    if response is not None:
        try:
            message = response.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            message = None
        text = message if isinstance(message, str) else response.text  # the answer to a download is plain text
        return f"{response.status_code} {text.strip()[:_MAX_CHARACTERS]}"
    if isinstance(error, GoogleAuthError):
        error = Exception(error.args[0] if error.args else type(error).__name__)  # args[1] is the whole answer
    return re.sub(r"https?://\S+|\burl: \S+", "…", str(error))[:_MAX_CHARACTERS]
