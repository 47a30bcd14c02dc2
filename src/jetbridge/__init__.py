"""Jetbridge: Segment and Mailjet, joined in both directions, on your own machine."""

__version__ = "0.1.0"
