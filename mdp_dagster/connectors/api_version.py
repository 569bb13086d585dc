"""The version of a vendor's API that a source requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class ApiVersion:
    """A requested version.

    Args:
        name: The vendor's name of the version.
        is_supported: Whether the vendor lists it as supported today.
        supported_until: The first day on which the vendor may have withdrawn it.
    """

    name: str
    is_supported: bool
    supported_until: date
