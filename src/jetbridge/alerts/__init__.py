"""Alerts: what the pages would show is sent by mail and webhook: pauses, failures, silence."""
