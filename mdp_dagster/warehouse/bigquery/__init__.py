"""BigQuery: the warehouse in production. Rows come by load jobs, which cost nothing, from the lake's own files."""
