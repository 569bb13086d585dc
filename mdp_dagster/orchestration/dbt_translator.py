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
        """The asset of a model or a source, with its domain and layer."""
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

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetCheckSpec | None:
        """The check of a dbt test, with a description."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None:
            return None
        test = self.get_resource_props(manifest, unique_id)
        return spec._replace(description=test["description"].strip() or _kind_description(manifest, test))


def _kind_description(manifest: Mapping[str, Any], test: Mapping[str, Any]) -> str:
    """Returns the description of the test's kind (dbt/tests/generic/_generic__tests.yml)."""
    kind = test["test_metadata"]["name"] if test.get("test_metadata") else ""
    macro = manifest["macros"].get(f"macro.{test['package_name']}.test_{kind}", {})
    return str(macro.get("description", "")).strip()
