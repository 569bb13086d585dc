"""How dbt's models appear in Dagster: the asset key is the table's name, the labels are those of a domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject

from mdp_dagster.orchestration.domain import OWNERS, RAW, Domain


class DomainDbtTranslator(DagsterDbtTranslator):
    """Gives the models of one domain their keys, labels, owners and kinds."""

    def __init__(self, domain: Domain) -> None:
        super().__init__()
        self._domain = domain

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        props = self.get_resource_props(manifest, unique_id)
        is_source = props["resource_type"] == "source"
        layer = RAW if is_source else props["fqn"][1]  # the first folder below models/
        return spec.replace_attributes(
            key=dg.AssetKey(props["name"]),
            group_name=self._domain.group(layer),
            tags=self._domain.tags(layer),
            owners=OWNERS,
            kinds={"dbt", "sql", manifest["metadata"]["adapter_type"]},
        )
