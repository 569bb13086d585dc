"""A command that waits for another process says for which: a lock can be held for half an hour."""

from __future__ import annotations

import logging
import sys


def say_what_is_waited_for() -> None:
    """MDP's log on standard error, for commands that aren't Dagster's runs."""
    log = logging.getLogger("mdp_dagster")
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("  %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
