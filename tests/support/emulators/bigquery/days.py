"""Statements that differ only in days and instants, such as those of two builds, are translated once."""

from __future__ import annotations

import re
from datetime import date, timedelta

_INSTANT = re.compile(r"(?<![\w.-])\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?(?![\w.-])")
_FIRST = date(1701, 1, 1)
_TIME = " 10:11:12.131415"


class Days:
    """The days and instants in a statement, each with another one in its place.

    Args:
        sql: The statement.
    """

    def __init__(self, sql: str) -> None:
        self._places: dict[str, str] = {}
        self.template = _INSTANT.sub(lambda found: self._place(found.group()), sql)
        self._found = {place: instant for instant, place in self._places.items()}
        self.can_be_put_back = not any(place in sql for place in self._found)

    def _place(self, instant: str) -> str:
        """A day or instant of the same form, which no statement has."""
        if instant not in self._places:
            day = str(_FIRST + timedelta(days=len(self._places)))
            self._places[instant] = f"{day}{instant[10:11]}{_TIME[1 : len(instant) - 10]}" if instant[10:] else day
        return self._places[instant]

    def are_in(self, translation: str) -> bool:
        """Whether a translation of the template has all of them, as they are."""
        return {found.group() for found in _INSTANT.finditer(translation)} >= set(self._found)

    def put_back(self, translation: str) -> str:
        """The translation of the statement, from that of the template."""
        return _INSTANT.sub(lambda found: self._found.get(found.group(), found.group()), translation)
