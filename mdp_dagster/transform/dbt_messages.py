"""dbt's messages for debugging, which take a tenth of a build's time, and which nothing here reads.

dbt writes the text of every message, and looks for secrets in it, before it compares the level with that of its logs.
"""

from __future__ import annotations

from typing import Any


def drop_debug_messages() -> None:
    """Drops the messages at the levels ``debug`` and ``test`` from now on, in this process."""
    from dbt_common.events.base_types import EventLevel
    from dbt_common.events.event_manager import EventManager
    from dbt_common.events.event_manager_client import ctx_set_event_manager, get_event_manager

    class WithoutDebugMessages(EventManager):
        def fire_event(self, e: Any, level: EventLevel | None = None, *others: Any, **named: Any) -> None:
            if (level or e.level_tag()) not in (EventLevel.DEBUG, EventLevel.TEST):
                super().fire_event(e, level, *others, **named)

    if type(get_event_manager()) is EventManager:
        ctx_set_event_manager(WithoutDebugMessages())
