"""Mailjet: contacts of a list as a destination, email events as a source.

This folder says what Mailjet brings; the work is done in `destinations.mailjet` and `sources.mailjet`.
"""
