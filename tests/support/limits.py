"""The one limit in seconds of the tests. It only catches a hang, so it is long: a busy machine may need minutes."""

from __future__ import annotations

HANG_SECONDS = 900.0
"""How long a test waits for another thread, process or server. pytest's own limit (pyproject.toml) is longer."""
