"""MDP's log on the terminal, so that a command that waits for a lock shows which process holds it."""

from __future__ import annotations

import logging
import sys


def log_to_stderr() -> None:
    """Send MDP's log to standard error, for commands that don't start a Dagster run."""
    log = logging.getLogger("mdp_dagster")
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("  %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
