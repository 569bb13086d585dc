"""Running dbt from Dagster: the parsed project, one build over one window, and how models appear as assets."""
