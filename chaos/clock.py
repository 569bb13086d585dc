"""The clock of one MDP process: starts at a given time, and can jump while the process runs."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from multiprocessing.connection import Connection


def set_clock(timestamp: float, jumps: Connection) -> None:
    """Set this process's time of day. It jumps by each number of seconds from the pipe, and confirms each jump.

    The monotonic clock does not change, as on a machine with a corrected clock.
    """
    import time_machine
    from google.auth import _helpers
    from grpc import _channel
    from time_machine import escape_hatch

    def deadline(timeout: float | None) -> float | None:
        return None if timeout is None else escape_hatch.time.time() + timeout

    # gRPC's core is below Python and uses the machine's clock, so a deadline must be a time of that clock.
    _channel._deadline = deadline
    right_time = datetime.now(timezone.utc)
    clock = time_machine.travel(timestamp, tick=True).start()
    # Google refuses a token if the clock is hours off, and there would be no extract to check. So tokens are requested
    # with the time that this process had before. In the tests, that is not the machine's time either.
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
    """The instant of a local time in a zone."""
    from zoneinfo import ZoneInfo

    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc)
