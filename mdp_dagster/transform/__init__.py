"""Running dbt: the parsed project, one build over one window, and builds as of a past instant."""
