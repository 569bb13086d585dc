"""Speeds up the dbt builds of one test process, which take half the time of a run in a test.

dbt compiles the same templates for each build, and writes the text of messages that nobody reads.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import dbt.context.base
from dbt_common.behavior_flags import BehaviorFlagRendered
from dbt_common.clients.jinja import MacroFuzzEnvironment
from dbt_common.events.base_types import BaseEvent, DebugLevel


def keep_compiled_templates() -> None:
    """Changes the class for this process. The code of a template depends only on its text and its extensions."""
    compile_ = MacroFuzzEnvironment.compile
    kept: dict[tuple[Any, ...], Any] = {}

    def compile_once(self: Any, source: Any, *arguments: Any, **named: Any) -> Any:
        if arguments or named or not isinstance(source, str):
            return compile_(self, source, *arguments, **named)
        key = type(self), *sorted(self.extensions), source
        if key not in kept:
            kept[key] = compile_(self, source)
        return kept[key]

    MacroFuzzEnvironment.compile = compile_once


def write_only_messages_that_are_read() -> None:
    """Changes the classes for this process: a message for debugging is made when something reads it."""

    class Unread:
        """The part of a message that is made on the first access."""

        def __get__(self, message: Any, owner: Any = None) -> Any:
            BaseEvent.__init__(message, **vars(message)["_given"])
            return vars(message)["pb_msg"]

    def keep_what_is_given(self: Any, *arguments: Any, **named: Any) -> None:
        vars(self)["_given"] = named

    DebugLevel.__init__ = keep_what_is_given
    DebugLevel.pb_msg = Unread()
    # the Python modules for templates, which no template changes
    dbt.context.base.get_context_modules = lru_cache(dbt.context.base.get_context_modules)
    # the place in dbt's code that declares a setting, which is read from all of its source files
    BehaviorFlagRendered._default_source = staticmethod(lambda: "")
