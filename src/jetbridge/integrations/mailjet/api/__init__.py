"""Mailjet's API in Mailjet's words: client, errors, property types, event shapes. Knows no Django."""
