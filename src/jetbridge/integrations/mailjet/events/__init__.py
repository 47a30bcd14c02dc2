"""Mailjet's email events as Segment track calls, under the source of the Mailjet account."""
