"""Imports: people in a file become identify calls of a source."""
