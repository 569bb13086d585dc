"""Meta Ads. Importing this package doesn't import facebook-business (1 s); the connector does so on its first
request."""

from mdp_dagster.connectors.meta_ads.connector import MetaAdsConnector
from mdp_dagster.connectors.meta_ads.reports import ACCOUNT_DAILY, CAMPAIGN_DAILY, REPORTS

__all__ = ["ACCOUNT_DAILY", "CAMPAIGN_DAILY", "REPORTS", "MetaAdsConnector"]
