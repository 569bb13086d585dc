"""Example Ads. Importing this package imports no library for requests; the connector does so on its first request."""

from mdp_dagster.connectors.example_ads.connector import ExampleAdsConnector
from mdp_dagster.connectors.example_ads.reports import ACCOUNT_DAILY, CAMPAIGN_DAILY, REPORTS

__all__ = ["ACCOUNT_DAILY", "CAMPAIGN_DAILY", "REPORTS", "ExampleAdsConnector"]
