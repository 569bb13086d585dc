"""The sandbox's sources: one for each folder of `sandbox/`.

A folder with a `platform.py` is an ad platform, which serves the accounts and campaigns of the sandbox's world. Another
source, such as a shop, has a `source.py` and data of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from sandbox.faults import FaultKind, Faults
    from sandbox.model import Account
    from sandbox.requestlog import RequestLog
    from sandbox.world import World


@dataclass(frozen=True)
class Profile:
    """The range of a campaign's daily impressions and rates, by its kind."""

    impressions: tuple[float, float]
    click_rate: tuple[float, float]
    conversion_rate: tuple[float, float]


@dataclass(frozen=True)
class ServerContext:
    """All that a platform's server is made from.

    Args:
        world: The numbers to serve.
        faults: The active faults.
        requests: The log for every request.
        state_dir: The folder for keys and certificates, which outlive the server.
        url: The address of the sandbox's HTTP server, which serves the platform's routes.
        options: The options for this platform, from ``Sandbox(options=...)``.
    """

    world: World
    faults: Faults
    requests: RequestLog
    state_dir: Path
    url: str
    options: Mapping[str, Any] = field(default_factory=dict)


class PlatformServer(ABC):
    """A platform's server. Everything on HTTP is a route; another protocol starts and stops a server of its own."""

    @property
    @abstractmethod
    def address(self) -> str:
        """The address, for people."""

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The environment variables that direct a connector to this server."""

    @abstractmethod
    def routes(self) -> list[BaseRoute]:
        """Its routes on the sandbox's HTTP server. The sandbox puts a route for all paths last."""

    def start(self) -> None:  # noqa: B027  # a server that only has routes needs neither of these two
        """Starts to serve."""

    def stop(self) -> None:  # noqa: B027
        """Stops, and wakes the requests that wait."""

    def forget_edits(self) -> None:  # noqa: B027  # only a source with data of its own has edits
        """Undoes everything that was changed by hand in the source's own data."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One source of the sandbox.

    Args:
        name: The folder's name, which is also the source's name.
        label: The source's name for people.
        faults: The kinds of faults that its server can play.
        new_server: Makes its server.
        normal_id: Turns a written account id into the one that the API takes.
    """

    name: str
    label: str
    faults: Mapping[str, FaultKind]
    new_server: Callable[[ServerContext], PlatformServer]
    normal_id: Callable[[str], str] = str


@dataclass(frozen=True, kw_only=True)
class Platform(Source):
    """One ad platform of the sandbox.

    Args:
        name: The folder's name, which is also the source's name.
        label: The platform's name for people.
        accounts: Its ad accounts.
        profiles: The behaviour of campaigns, by their kind.
        settling_days: An account's conversions follow their clicks within one of these numbers of days.
        dating: The day on which conversions count: that of the click, that of the conversion, or both, as two measures.
        dating_since: The first day for which the platform documents this.
        shown_by_age: The shares of a day's conversions that are shown at the ages 0, 1, … of the day of the conversion.
        first_campaign_id: The campaigns' ids begin here.
        first_numbered_account: The ids of the accounts that only measurements use begin here.
        numbered_kinds: The campaign kinds of those accounts.
        faults: The kinds of faults that its server can play.
        new_server: Makes its server.
        normal_id: Turns a written account id into the one that the API takes.
        whole_conversions: True if the platform counts whole conversions, and gives none of them a value.
        link_clicks: How many of a row's clicks are link clicks.
    """

    accounts: tuple[Account, ...]
    profiles: Mapping[str, Profile]
    settling_days: tuple[int, ...]
    first_campaign_id: int
    first_numbered_account: int
    numbered_kinds: tuple[str, ...]
    dating: Literal["click", "conversion", "both"] = "click"
    dating_since: date = date.min
    shown_by_age: tuple[float, ...] = (1.0,)
    whole_conversions: bool = False
    link_clicks: Callable[[int], int] = int

    def share_shown(self, age: int) -> float:
        """The share of a day's conversions that is shown at an age of the day of the conversion."""
        return self.shown_by_age[min(age, len(self.shown_by_age) - 1)]

    def numbered_account(self, number: int) -> str:
        """The id of an account that only measurements use."""
        return str(self.first_numbered_account + number)


@lru_cache(maxsize=1)
def sources() -> dict[str, Source]:
    """The sources by name, sorted."""
    package = importlib.import_module("sandbox")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg)
    return {name: _declared(name) for name in names}


@lru_cache(maxsize=1)
def platforms() -> dict[str, Platform]:
    """The ad platforms by name, sorted."""
    return {name: source for name, source in sources().items() if isinstance(source, Platform)}


def _declared(name: str) -> Source:
    for module, constant in (("platform", "PLATFORM"), ("source", "SOURCE")):
        if importlib.util.find_spec(f"sandbox.{name}.{module}") is not None:
            source: Source = getattr(importlib.import_module(f"sandbox.{name}.{module}"), constant)
            return source
    raise RuntimeError(f"sandbox/{name} has no platform.py → add it, as in sandbox/meta_ads/platform.py")
