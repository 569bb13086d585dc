"""Every variable that settings are read from, and what reads it."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import pytest
from pydantic_settings import BaseSettings

from mdp_dagster.connectors.sources import all_sources
from mdp_dagster.google_cloud.settings import GoogleCloudSettings, load_google_cloud_settings
from mdp_dagster.settings import Settings, load_settings, read_settings

Load = Callable[[], BaseSettings]

KINDS: dict[str, tuple[type[BaseSettings], Load]] = {
    "MDP_": (Settings, load_settings),
    **{s.environment_prefix: (s.settings, partial(read_settings, s.settings)) for s in all_sources()},
}
"""By the prefix of their variables. Google Cloud's have none: their names are Google's."""

_FIELDS: dict[str, tuple[Load, str]] = {
    **{prefix + name.upper(): (load, name) for prefix, (kind, load) in KINDS.items() for name in kind.model_fields},
    **{str(of.alias): (load_google_cloud_settings, name) for name, of in GoogleCloudSettings.model_fields.items()},
}
LOADERS: dict[str, Load] = {variable: load for variable, (load, _) in _FIELDS.items()}
FIELDS: dict[str, str] = {variable: field for variable, (_, field) in _FIELDS.items()}
SECRETS: list[str] = [variable for source in all_sources() for variable in source.secrets]


def forget_accounts(patch: pytest.MonkeyPatch) -> None:
    """Removes MDP's settings and every source's from the environment; Google Cloud's stay."""
    for name in [name for name in os.environ if name.startswith(tuple(KINDS))]:
        patch.delenv(name)


def forget_settings(patch: pytest.MonkeyPatch) -> None:
    """Removes the settings of the environment that the tests were started in."""
    for name in list(os.environ):
        if name.upper().startswith((*KINDS, "GOOGLE_")) or name in LOADERS:
            patch.delenv(name)
