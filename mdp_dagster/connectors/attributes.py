"""The attributes of the entities in a report's rows, for example the status of campaigns."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Attributes = Mapping[str, Mapping[str, str | None]]
"""The ``attribute_columns`` of entities: their values by column, by the entity's id."""

NO_ATTRIBUTES: Mapping[str, Attributes] = MappingProxyType({})
"""No attribute of any account."""
