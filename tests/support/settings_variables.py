"""Every variable that settings are read from, and what reads it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from pydantic_settings import BaseSettings

from mdp_dagster.settings import (
    GoogleAdsSettings,
    GoogleCloudSettings,
    MetaAdsSettings,
    Settings,
    load_google_ads_settings,
    load_google_cloud_settings,
    load_meta_ads_settings,
    load_settings,
)

Load = Callable[[], BaseSettings]

KINDS: dict[str, tuple[type[BaseSettings], Load]] = {
    "MDP_": (Settings, load_settings),
    "GOOGLE_ADS_": (GoogleAdsSettings, load_google_ads_settings),
    "META_": (MetaAdsSettings, load_meta_ads_settings),
}
"""By the prefix of their variables. Google Cloud's have none: their names are Google's."""

_FIELDS: dict[str, tuple[Load, str]] = {
    **{prefix + name.upper(): (load, name) for prefix, (kind, load) in KINDS.items() for name in kind.model_fields},
    **{str(of.alias): (load_google_cloud_settings, name) for name, of in GoogleCloudSettings.model_fields.items()},
}
LOADERS: dict[str, Load] = {variable: load for variable, (load, _) in _FIELDS.items()}
FIELDS: dict[str, str] = {variable: field for variable, (_, field) in _FIELDS.items()}


def forget_settings(patch: pytest.MonkeyPatch) -> None:
    """Of the environment that the tests were started in."""
    for name in list(os.environ):
        if name.upper().startswith(("MDP_", "META_", "GOOGLE_")) or name in LOADERS:
            patch.delenv(name)
