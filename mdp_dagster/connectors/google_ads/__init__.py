"""Google Ads.

Importing this package does not import google-ads, which takes 1-2 s. The connector does so on its first request.
"""

from mdp_dagster.connectors.google_ads.connector import GoogleAdsConnector
from mdp_dagster.connectors.google_ads.reports import ACCOUNT_DAILY, CAMPAIGN_DAILY, REPORTS

__all__ = ["ACCOUNT_DAILY", "CAMPAIGN_DAILY", "REPORTS", "GoogleAdsConnector"]
