"""The clock of one process of MDP: set to an instant, and set again while it runs."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from multiprocessing.connection import Connection


def set_clock(timestamp: float, jumps: Connection) -> None:
    """This process's time of day is ``timestamp`` from now on, and jumps by the seconds that arrive on the pipe,
    which is answered when it has.

    The monotonic clock goes on as it was, as on a machine whose clock is set.
    """
    import time_machine
    from google.auth import _helpers
    from grpc import _channel
    from time_machine import escape_hatch

    def deadline(timeout: float | None) -> float | None:
        return None if timeout is None else escape_hatch.time.time() + timeout

    # gRPC's core is below Python and has the machine's clock, so a deadline must be a time of that clock.
    _channel._deadline = deadline
    right_time = datetime.now(timezone.utc)
    clock = time_machine.travel(timestamp, tick=True).start()
    # A machine with a clock that is hours wrong does not get a token from Google, so there would not be a pull to
    # look at. So tokens have the time that this process had before. In the tests, that is not the machine's either.
    ahead = right_time - escape_hatch.datetime.datetime.now(timezone.utc)
    _helpers.utcnow = lambda: (escape_hatch.datetime.datetime.now(timezone.utc) + ahead).replace(tzinfo=None)

    def listen() -> None:
        while True:
            try:
                clock.shift(float(jumps.recv()))
                jumps.send("set")
            except (EOFError, OSError):
                return

    threading.Thread(target=listen, daemon=True).start()


def in_zone(text: str, zone: str) -> datetime:
    """A local time of a zone, as an instant."""
    from zoneinfo import ZoneInfo

    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc)
