"""The clock of the tests: it is noon (UTC) of one fixed day when they start, also in Python processes that they start.

So every day the tests see the same data, the same weekday and the same month.

    TEST_DATE=2028-02-29 make test    on another day
    TEST_DATE=now make test           with the machine's own clock, which Google's real services need

Programs other than Python have the machine's clock: TLS, gRPC's core, PostgreSQL, file systems, and the emulators.
"""

from __future__ import annotations

import os
import time
from datetime import date, datetime, timezone
from datetime import time as time_of_day
from pathlib import Path

from time_machine import escape_hatch

from tests.support.python_startup import sitecustomize
from tests.support.python_startup.sitecustomize import SHIFT_VARIABLE

_DAY_VARIABLE = "TEST_DATE"
_FIXED_DAY = "2026-11-20"
_STARTUP = Path(__file__).with_name("python_startup")


def _noon() -> datetime:
    """Noon of the tests' day. Sets the clock, of this process and of those that it starts."""
    chosen = os.environ.get(_DAY_VARIABLE) or _FIXED_DAY
    day = datetime.now(timezone.utc).date() if chosen == "now" else date.fromisoformat(chosen)
    noon = datetime.combine(day, time_of_day(12), timezone.utc)
    # A worker of pytest-xdist has inherited all of it.
    if chosen != "now" and SHIFT_VARIABLE not in os.environ:
        os.environ[SHIFT_VARIABLE] = str(noon.timestamp() - time.time())
        os.environ["PYTHONPATH"] = python_path(os.environ.get("PYTHONPATH", ""))
        sitecustomize.shift_clock(float(os.environ[SHIFT_VARIABLE]))
    return noon


def machine_noon() -> datetime:
    """Noon (UTC) of the machine's day, for tests with programs that are not Python and depend on the day."""
    day = datetime.fromtimestamp(escape_hatch.time.time(), timezone.utc).date()
    return datetime.combine(day, time_of_day(12), timezone.utc)


def machine_environment() -> dict[str, str]:
    """This process's environment for a Python process with the machine's clock."""
    return {name: value for name, value in os.environ.items() if name != SHIFT_VARIABLE}


def python_path(*folders: Path | str) -> str:
    """A value for PYTHONPATH that has these folders and sets the process's clock."""
    return os.pathsep.join(str(folder) for folder in (_STARTUP, *folders) if str(folder))


NOW = _noon()
"""The current time of the sandbox."""

TODAY = NOW.date()
