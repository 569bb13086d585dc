"""Dagster code that has no domain."""
