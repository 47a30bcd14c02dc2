"""Delivery: reading the log for one destination, retries, holds, and the account of every message."""
