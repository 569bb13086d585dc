"""Settings and options for all tests."""

from __future__ import annotations

import gc
import re
import signal
from pathlib import Path

import pytest
from hypothesis import settings

import tests.support.clock  # noqa: F401  # sets the clock, before anything reads it
from tests.support.emulators.fixtures import google_cloud  # noqa: F401
from tests.support.postgres import postgres_server  # noqa: F401
from tests.support.quick_events import keep_connections, store_together
from tests.support.slices import in_slices
from tests.support.slow_mark import SlowMark

# A process in the background of a shell ignores SIGINT (`nohup make test &`), and so do the processes that the tests
# start; Dagster's code server treats SIGTERM as it treats SIGINT, and would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Hypothesis fails an example that takes 0.2 s, as any of them may on a busy machine.
settings.register_profile("mdp", deadline=None)
settings.load_profile("mdp")

TESTS = Path(__file__).parent

# Tests that start a process, dbt or an emulator: by folder or file, by fixture, and by the name of a parameter. Other
# slow tests have the marker themselves.
SLOW_PATHS = (
    "bigquery/",
    "chaos/",
    "cli/test_demo_and_dev.py",
    "cli/test_event_storage.py",
    "cli/test_processes.py",
    "dbt/",
    "deploy/test_compose_on_postgres.py",
    "end_to_end/",
    "ingest/test_locks_between_processes.py",
    "lake/test_folder.py",
    "lake/test_lease_processes.py",
    "operational/",
    "sandbox/test_running.py",
    "support/emulators/",
    "test_new_source.py",
    "warehouse/test_duckdb.py",
)
SLOW_FIXTURES = {"google_cloud", "postgres_server"}
SLOW_PARAMETERS = {"bigquery", "bucket"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-snapshots", action="store_true", help="write the snapshots again (tests/support/snapshot.py)"
    )


def pytest_configure(config: pytest.Config) -> None:
    keep_connections()
    store_together()
    config.pluginmanager.register(SlowMark())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_slow(item):
            item.add_marker(pytest.mark.slow)
    items[:] = in_slices(items)


def pytest_collection_finish() -> None:
    from tests.support.quick_dbt import keep_compiled_templates, write_only_messages_that_are_read

    keep_compiled_templates()
    write_only_messages_that_are_read()
    gc.collect()
    gc.freeze()  # no test needs to look for garbage among all tests and modules


def pytest_unconfigure() -> None:
    gc.unfreeze()  # otherwise DuckDB reports its own objects as leaks at the end


def is_slow(item: pytest.Item) -> bool:
    """Whether the test is marked as slow, or starts a process, dbt or an emulator."""
    if item.get_closest_marker("slow"):
        return True
    path = item.path.relative_to(TESTS).as_posix()
    parameters = set(re.split(r"[\[\]-]", item.name)[1:])
    fixtures = set(getattr(item, "fixturenames", ()))
    return path.startswith(SLOW_PATHS) or bool(fixtures & SLOW_FIXTURES or parameters & SLOW_PARAMETERS)
