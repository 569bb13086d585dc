"""The number of examples in fuzz tests: few and always the same in a test run, or as many as requested.

For a long search with new examples: ``MDP_FUZZ_EXAMPLES=20000 .venv/bin/pytest --timeout 0 -k fuzz tests``.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_ASKED_FOR = int(os.environ.get("MDP_FUZZ_EXAMPLES") or 0)


def fuzzed(examples: int) -> settings:
    """Settings for a number of examples of a property. ``MDP_FUZZ_EXAMPLES`` replaces the number."""
    return settings(
        max_examples=_ASKED_FOR or examples,
        derandomize=not _ASKED_FOR,  # a test run never fails by chance
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),  # the server's answers are slow, not the examples
    )
