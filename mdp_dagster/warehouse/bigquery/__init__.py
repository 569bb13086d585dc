"""BigQuery, the warehouse in production. Free load jobs append the rows from the lake's own files."""
