"""Mailjet: contacts of a list as a destination, email events as a source."""
