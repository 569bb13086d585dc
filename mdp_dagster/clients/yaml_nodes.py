"""Reads YAML into nodes with lines, and into plain values, in one pass and within limits.

The parser is libyaml's, which is ten times faster than the one in Python. Scalars stay text: YAML would read some
account ids as octal numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

MOST_LEVELS = 50
MOST_VALUES_FROM_ALIASES = 50_000
"""An alias repeats all values of its anchor. A few aliases of aliases can mean billions of values."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlLimitError(Exception):
    """The text is valid YAML, but too large or too deep. ``line`` is where."""

    def __init__(self, problem: str, remedy: str, line: int) -> None:
        self.problem = problem
        self.remedy = remedy
        self.line = line
        super().__init__(problem)


@dataclass(frozen=True)
class Document:
    """The root node and its plain value; both None for an empty text."""

    node: yaml.Node | None
    value: Any


@dataclass
class _Open:
    """A list or mapping that has not ended. ``size`` is the number of values in it, with those of aliases."""

    node: yaml.Node
    value: Any
    anchor: str | None
    size: int = 1
    key: tuple[yaml.Node, str] | None = None


class _Builder:
    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[yaml.Node, Any, int]] = {}
        self._from_aliases = 0
        self.document = Document(None, None)

    def add(self, event: Any) -> None:
        """Takes the next event of the parser."""
        start: Any = event.start_mark
        end: Any = event.end_mark
        line = start.line + 1
        if isinstance(event, yaml.ScalarEvent):
            scalar = yaml.ScalarNode("", event.value, start, end)
            self._finish(scalar, event.value, event.anchor, 1)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event, line)
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            if len(self._open) >= MOST_LEVELS:
                raise YamlLimitError("nested too deeply", "check indentation and quotes", line)
            is_list = isinstance(event, yaml.SequenceStartEvent)
            kind: Any = yaml.SequenceNode if is_list else yaml.MappingNode
            node = kind("", [], start, end)
            self._open.append(_Open(node, [] if is_list else {}, event.anchor))
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            done = self._open.pop()
            self._finish(done.node, done.value, done.anchor, done.size)
        elif isinstance(event, yaml.DocumentStartEvent) and self.document.node is not None:
            raise YamlLimitError("there is a second document", "remove the line `---`", line)

    def _alias(self, event: Any, line: int) -> None:
        if event.anchor not in self._anchors:
            raise YamlLimitError(f"there is no complete anchor &{event.anchor}", "correct the alias", line)
        node, value, size = self._anchors[event.anchor]
        self._from_aliases += size
        if self._from_aliases > MOST_VALUES_FROM_ALIASES:
            problem = f"the aliases expand to more than {MOST_VALUES_FROM_ALIASES} values"
            raise YamlLimitError(problem, f"write the values out instead of *{event.anchor}", line)
        self._finish(node, value, None, size)

    def _finish(self, node: yaml.Node, value: Any, anchor: str | None, size: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, value, size)
        if not self._open:
            self.document = Document(node, value)
            return
        parent = self._open[-1]
        parent.size += size
        if isinstance(parent.value, list):
            parent.node.value.append(node)
            parent.value.append(value)
        elif parent.key is None:
            if not isinstance(value, str):
                line = node.start_mark.line + 1
                raise YamlLimitError("a key is a list or a mapping", "write a text before the colon", line)
            parent.key = (node, value)
        else:
            (key_node, key), parent.key = parent.key, None
            parent.node.value.append((key_node, node))
            parent.value[key] = value


def read_yaml(text: str) -> Document:
    """Returns the only document of the text.

    Raises:
        YamlLimitError: The text is too large or too deep, or is more than one document.
        yaml.YAMLError: The text is not valid YAML.
    """
    builder = _Builder()
    for event in yaml.parse(text, Loader=_Loader):
        builder.add(event)
    return builder.document
