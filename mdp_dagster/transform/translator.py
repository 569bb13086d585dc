"""How dbt's models and sources appear in Dagster: an asset's key is its table's name, its group is its layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject

OWNERS = ["team:marketing-data"]


class MdpDbtTranslator(DagsterDbtTranslator):
    """Keys, groups, owners and kinds for everything that dbt knows."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        props = self.get_resource_props(manifest, unique_id)
        is_source = props["resource_type"] == "source"
        layer = "raw" if is_source else props["fqn"][1]  # the first folder below models/
        return spec.replace_attributes(
            key=dg.AssetKey(props["name"]),
            group_name=layer,
            owners=OWNERS,
            kinds={"dbt", "sql", manifest["metadata"]["adapter_type"]},
        )
