"""The state of a late-data sensor between ticks, and its text form in the sensor's cursor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from mdp_dagster.orchestration.late_data import backoff
from mdp_dagster.orchestration.late_data.backoff import PastRequest
from mdp_dagster.window import DateWindow


@dataclass(frozen=True)
class Memory:
    """The state of a sensor between ticks.

    Args:
        event_id: The event that was handled last.
        waiting: The days of that event that wait for a run to end, by account.
        past: The past requests of each account.
    """

    event_id: int = 0
    waiting: Mapping[str, tuple[DateWindow, ...]] = field(default_factory=dict)
    past: Mapping[str, list[PastRequest]] = field(default_factory=dict)

    def dump(self) -> str:
        """Returns the memory as text for the sensor's cursor."""
        return json.dumps(
            {
                "event": self.event_id,
                "waiting": {
                    account: backoff.dump_windows(windows) for account, windows in sorted(self.waiting.items())
                },
                "asked": backoff.dump(self.past),
            }
        )

    @classmethod
    def load(cls, text: str | None) -> Memory:
        """Reads a cursor. Any other text gives an empty memory; at worst, days are requested once more.

        Cursors of earlier versions list the waiting days without their accounts. Then the event is handled again; the
        past requests show which of its days were already requested.
        """
        try:
            data = json.loads(text or "{}")
            event, waiting = int(data.get("event", 0)), data.get("waiting", {})
            past = backoff.load(data.get("asked", {}))
            if isinstance(waiting, list):
                return cls(0 if waiting else event, {}, past)
            return cls(event, {account: backoff.load_windows(days) for account, days in waiting.items()}, past)
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return cls()
