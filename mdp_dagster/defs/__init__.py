"""Dagster code of one domain each: assets, checks, jobs, schedules and sensors."""
