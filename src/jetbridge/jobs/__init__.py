"""Background jobs: what takes too long for a page, requested by a person and done by the worker."""
