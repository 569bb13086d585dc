"""The ads domain: Google Ads and Meta Ads."""
