"""Segment itself as a destination: batches to its Tracking API."""
