"""The order of the tests: the long ones begin first, on all workers."""

from __future__ import annotations

import os

import pytest

# Each of these modules takes half a minute or more, much of it waiting. In this order: the workers get them in turn.
LONG = (
    *("test_history", "test_daemon", "test_chaos"),
    *("test_compose_on_postgres", "test_dbt_bigquery", "test_runs"),
    *("test_late_data_property", "test_backfill", "test_processes"),
    *("test_as_of", "test_late_data", "test_dbt_build"),
    *("test_new_source", "test_dbt_ways", "test_properties"),
    *("test_demo_and_dev", "test_account_facts", "test_long_windows"),
    *("test_bench", "test_shop_truth", "test_night"),
)


def in_slices(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests so that each worker's slice begins with its share of the long modules.

    pytest-xdist (``--dist worksteal``) gives each worker an equal slice of the list. A worker without work then takes
    tests from the end of another slice. The tests of one long module stay together: they share costly fixtures.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    by_worker: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for number, module in enumerate(LONG):
        by_worker[number % workers] += [item for item in items if item.path.stem == module]
    others = [item for item in items if item.path.stem not in LONG]
    ordered: list[pytest.Item] = []
    for number, long in enumerate(by_worker):
        size = (len(items) - len(ordered)) // (workers - number)
        wanted = max(0, size - len(long))
        ordered += [*long, *others[:wanted]]
        del others[:wanted]
    return [*ordered, *others]
