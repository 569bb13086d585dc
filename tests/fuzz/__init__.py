"""Whatever comes from outside ends in a result or in an error that says where it went wrong and what to do.

By default a few examples of each property, always the same ones. For a long search with other examples each time:
``MDP_FUZZ_EXAMPLES=20000 .venv/bin/pytest --timeout 0 tests/fuzz``.
"""
