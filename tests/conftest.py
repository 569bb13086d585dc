"""What concerns all tests."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

import tests.support.clock  # noqa: F401  # sets the clock, before anything looks at it
from tests.support.emulators.fixtures import google_cloud  # noqa: F401

# A shell that starts something in the background has it ignore SIGINT (`nohup make test &`), and so would all that the
# tests start; Dagster's code server treats SIGTERM as it treats SIGINT, and would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Hypothesis fails an example that takes 0.2 s, as any of them may on a busy machine.
settings.register_profile("mdp", deadline=None)
settings.load_profile("mdp")

# They take from half a minute to two, mostly waiting: begun first, they don't keep one worker at the end.
LONG = (
    "test_history",
    "test_daemon",
    "test_chaos",
    "test_compose_on_postgres",
    "test_dbt_bigquery",
    "test_processes",
    "test_late_data_property",
    "test_backfill",
    "test_as_of",
    "test_properties",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-snapshots", action="store_true", help="write the snapshots again (tests/support/snapshot.py)"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))
