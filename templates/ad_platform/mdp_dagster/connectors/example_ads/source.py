"""The declaration of Example Ads."""

from __future__ import annotations

from mdp_dagster.clients.account_id_pattern import AccountIdPattern
from mdp_dagster.connectors.base import DataSourceConnector
from mdp_dagster.connectors.example_ads.reports import REPORTS
from mdp_dagster.connectors.example_ads.settings import ExampleAdsSettings
from mdp_dagster.connectors.sources import Source


def _new_connector() -> DataSourceConnector:
    from mdp_dagster.connectors.example_ads.connector import ExampleAdsConnector

    return ExampleAdsConnector()


SOURCE = Source(
    name="example_ads",
    label="Example Ads",
    settings=ExampleAdsSettings,
    account_id=AccountIdPattern(r"[0-9]+", form="digits", example="1234567890"),
    reports=REPORTS,
    new_connector=_new_connector,
    # Names and forms of the vendor's secrets, if they are not those of OAuth (connectors/redaction.py).
    secret_names=(),
    token_shapes=(),
)
