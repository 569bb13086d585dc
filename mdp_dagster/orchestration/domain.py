"""The labels of an asset: its domain, its layer, and the group and the tags that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

OWNERS = ["team:marketing-data"]

RAW = "raw"
STAGING = "staging"
LATE_DATA = "late_data"

_DOMAIN_TAG = "domain"
_LAYER_TAG = "layer"


@dataclass(frozen=True)
class Domain:
    """A business area, for example ads. Jobs select the assets of a domain by its tags, never by their groups."""

    name: str

    def group(self, layer: str) -> str:
        """The group that the UI shows, for example ``ads_staging``."""
        return f"{self.name}_{layer}"

    def tags(self, layer: str) -> dict[str, str]:
        """The tags of an asset in this layer."""
        return {_DOMAIN_TAG: self.name, _LAYER_TAG: layer}

    def assets(self) -> dg.AssetSelection:
        """Selects all assets of the domain, and their checks."""
        return dg.AssetSelection.tag(_DOMAIN_TAG, self.name)

    def layer(self, layer: str) -> dg.AssetSelection:
        """Selects the domain's assets in one layer, and their checks."""
        return self.assets() & dg.AssetSelection.tag(_LAYER_TAG, layer)


# MDP's own tables: every domain writes to them, and none owns them.
ENGINE = Domain("engine")
