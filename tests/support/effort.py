"""How long is searched: a little and always the same in the test run, as much as is asked for otherwise.

For a long search with other examples each time: ``MDP_FUZZ_EXAMPLES=20000 .venv/bin/pytest --timeout 0 -k fuzz tests``.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_ASKED_FOR = int(os.environ.get("MDP_FUZZ_EXAMPLES") or 0)


def fuzzed(examples: int) -> settings:
    """So many examples of a property; of a long search, as many as ``MDP_FUZZ_EXAMPLES`` says."""
    return settings(
        max_examples=_ASKED_FOR or examples,
        derandomize=not _ASKED_FOR,  # a test run never fails by chance
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),  # what is slow here is a server that answers
    )
