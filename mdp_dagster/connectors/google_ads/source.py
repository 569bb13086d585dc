"""The declaration of Google Ads."""

from __future__ import annotations

from mdp_dagster.clients.account_id_pattern import AccountIdPattern
from mdp_dagster.connectors.base import DataSourceConnector
from mdp_dagster.connectors.google_ads.reports import REPORTS
from mdp_dagster.connectors.google_ads.settings import GoogleAdsSettings
from mdp_dagster.connectors.sources import Source


def _new_connector() -> DataSourceConnector:
    from mdp_dagster.connectors.google_ads.connector import GoogleAdsConnector

    return GoogleAdsConnector()


SOURCE = Source(
    name="google_ads",
    label="Google Ads",
    settings=GoogleAdsSettings,
    account_id=AccountIdPattern(r"[0-9]+", form="digits", example="123-456-7890", separators="- "),
    reports=REPORTS,
    new_connector=_new_connector,
    secret_names=("developer[-_]token",),
    token_shapes=(
        r"\bya29\.[A-Za-z0-9._-]+",  # access token
        r"\b1//[A-Za-z0-9_-]{20,}",  # refresh token
    ),
    other_variables=("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",),
)
