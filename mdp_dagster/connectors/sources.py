"""The sources: what each folder in `connectors/` declares about its outside system.

There is no other list of the sources' prefixes, secrets or account ids. Redaction, the clients file, the demo, the
bench and the tests read the declarations.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic_settings import BaseSettings

from mdp_dagster.clients.account_id_pattern import AccountIdPattern
from mdp_dagster.connectors.base import DataSourceConnector, DayReport
from mdp_dagster.connectors.shop_documents import ShopAccess
from mdp_dagster.settings import secret_fields

_CONNECTORS = "mdp_dagster.connectors"
_MODULES = ("settings", "reports", "connector", "source")
_EXAMPLE = "mdp_dagster/connectors/meta_ads"


class SourceError(Exception):
    """A source's folder lacks something. Names the folder and the remedy."""


def _no_connector() -> DataSourceConnector:
    raise SourceError("a source without reports by day has no connector → use the access to its shops")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One outside system: all facts about it that other code needs.

    Args:
        name: The folder's name. Tables, columns and the clients file use it.
        label: The system's name in messages.
        settings: The class of its settings. Its prefix is the prefix of the system's environment variables.
        account_id: The form of its account ids.
        reports: Its reports by day. A shop has none.
        new_connector: Returns a connector with the settings of the environment. Imports the connector when called.
            Every source with reports by day has one.
        shop: The access to its shops, if the source is a shop system.
        secret_names: Regular expressions for the names that secrets have in the system's requests and messages.
        token_shapes: Regular expressions for the texts that are secrets because of their form.
        other_variables: Environment variables without the prefix that also direct requests to the system.
    """

    name: str
    label: str
    settings: type[BaseSettings]
    account_id: AccountIdPattern
    reports: tuple[DayReport, ...] = ()
    new_connector: Callable[[], DataSourceConnector] = _no_connector
    shop: ShopAccess | None = None
    secret_names: tuple[str, ...] = ()
    token_shapes: tuple[str, ...] = ()
    other_variables: tuple[str, ...] = ()

    @property
    def environment_prefix(self) -> str:
        """The prefix of its environment variables."""
        return self.settings.model_config.get("env_prefix", "")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The environment variables that hold its secrets."""
        return tuple(self.environment_prefix + name.upper() for name in secret_fields(self.settings))

    @property
    def history_months(self) -> int:
        """The months of daily data that all of its reports by day have; 0 without such reports."""
        return min((report.history_months for report in self.reports), default=0)

    def report(self, name: str) -> DayReport:
        """The report of that name.

        Raises:
            KeyError: Lists the reports of the source.
        """
        for report in self.reports:
            if report.name == name:
                return report
        raise KeyError(f"{self.name} has no report {name!r}; it has {', '.join(r.name for r in self.reports)}")

    def owns_variable(self, name: str) -> bool:
        """True for an environment variable that belongs to this source."""
        return name.startswith(self.environment_prefix) or name in self.other_variables


def sources(*names: str) -> tuple[Source, ...]:
    """The sources of these names, in this order.

    Raises:
        SourceError: A name has no folder, or a folder lacks a declaration.
    """
    known = {source.name: source for source in all_sources()}
    for name in names:
        if name not in known:
            remedy = f"correct the name, or make the folder: make new-source NAME={name}"
            raise SourceError(f"there is no folder mdp_dagster/connectors/{name} → {remedy}")
    return tuple(known[name] for name in names)


@lru_cache(maxsize=8)
def all_sources(package: str = _CONNECTORS) -> tuple[Source, ...]:
    """The source of each folder, sorted by name. Imports no vendor SDK.

    Raises:
        SourceError: A folder lacks a declaration.
    """
    folders = importlib.import_module(package).__path__
    found = [_declared(package, module.name) for module in pkgutil.iter_modules(folders) if module.ispkg]
    for source in found:
        clashes = [other.name for other in found if other.environment_prefix.startswith(source.environment_prefix)]
        if clashes != [source.name]:
            raise SourceError(
                f"the sources {' and '.join(sorted(clashes))} share the prefix {source.environment_prefix} → give each "
                "settings class a prefix of its own"
            )
    return tuple(sorted(found, key=lambda source: source.name))


def without_source_variables(environment: dict[str, str]) -> dict[str, str]:
    """Returns the environment without the variables of any source, so that a process can't reach a real account."""
    owners = all_sources()
    return {name: value for name, value in environment.items() if not any(s.owns_variable(name) for s in owners)}


def _declared(package: str, name: str) -> Source:
    """The declaration in a folder's source.py."""
    module = importlib.import_module(f"{package}.{name}")
    folder = Path(str(module.__file__)).parent
    shown = os.path.join(*package.split("."), name)
    for part in _MODULES:
        if not (folder / f"{part}.py").is_file():
            raise SourceError(f"{shown} has no {part}.py → add it, as in {_EXAMPLE}/{part}.py")
    try:
        source = importlib.import_module(f"{package}.{name}.source").SOURCE
    except (ImportError, AttributeError, TypeError) as error:  # TypeError: Source(...) lacks a required argument
        raise SourceError(f"{shown}/source.py declares no source: {error} → complete it, as in {_EXAMPLE}") from error
    if not isinstance(source, Source) or source.name != name:
        raise SourceError(f"{shown}/source.py: SOURCE must be a Source with the name {name!r} → correct it")
    if not source.environment_prefix:
        remedy = f"use settings_config({name.upper() + '_'!r})"
        raise SourceError(f"{shown}/settings.py: the settings have no prefix → {remedy}")
    if bool(source.reports) != (source.new_connector is not _no_connector):
        raise SourceError(
            f"{shown}/source.py: reports and new_connector belong together → declare both, or neither for a shop"
        )
    strangers = [report.name for report in source.reports if report.source != name]
    if strangers or not (source.reports or source.shop):
        raise SourceError(f"{shown}/reports.py: each report must have source={name!r} → declare or correct the reports")
    return source
