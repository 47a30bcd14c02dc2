"""Destinations: where messages go."""
