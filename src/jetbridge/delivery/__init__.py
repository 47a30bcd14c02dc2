"""Delivery: reading the log for one destination, retries, pauses, and the account of every message."""
