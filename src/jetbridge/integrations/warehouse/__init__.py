"""A data warehouse as a destination: Segment's tables in DuckDB, PostgreSQL, files or another warehouse."""
