"""Sensors: what Dagster does by itself when something happened."""
