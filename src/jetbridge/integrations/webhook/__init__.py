"""Webhook: sends messages to any URL, alone or in batches, signed."""
