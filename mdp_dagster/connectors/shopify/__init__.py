"""Shopify, through its Admin GraphQL API and bulk operations."""
