"""Meta Ads.

Importing this package does not import facebook-business, which takes 1 s. The connector does so on its first request.
"""

from mdp_dagster.connectors.meta_ads.connector import MetaAdsConnector
from mdp_dagster.connectors.meta_ads.reports import ACCOUNT_DAILY, CAMPAIGN_DAILY, REPORTS

__all__ = ["ACCOUNT_DAILY", "CAMPAIGN_DAILY", "REPORTS", "MetaAdsConnector"]
