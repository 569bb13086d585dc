"""The declaration of Meta Ads."""

from __future__ import annotations

from mdp_dagster.clients.account_id_pattern import AccountIdPattern
from mdp_dagster.connectors.base import DataSourceConnector
from mdp_dagster.connectors.meta_ads.reports import REPORTS
from mdp_dagster.connectors.meta_ads.settings import MetaAdsSettings
from mdp_dagster.connectors.sources import Source


def _new_connector() -> DataSourceConnector:
    from mdp_dagster.connectors.meta_ads.connector import MetaAdsConnector

    return MetaAdsConnector()


SOURCE = Source(
    name="meta_ads",
    label="Meta Ads",
    settings=MetaAdsSettings,
    account_id=AccountIdPattern(r"[0-9]+", form="digits", example="act_1234567890", prefix="act_", separators="- "),
    reports=REPORTS,
    new_connector=_new_connector,
    secret_names=("appsecret_proof", "app_secret", "fb_exchange_token"),
    token_shapes=(r"\bEAA[A-Za-z0-9]{16,}",),  # access token
)
