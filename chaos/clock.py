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

    # gRPC's core, below Python, still lives by the machine's clock, and is told deadlines as times of day. And a
    # machine that is hours off gets no token from Google at all, and no pull to look at: tokens are asked for by the
    # right time.
    _channel._deadline = deadline
    _helpers.utcnow = lambda: escape_hatch.datetime.datetime.now(timezone.utc).replace(tzinfo=None)
    clock = time_machine.travel(timestamp, tick=True).start()

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
