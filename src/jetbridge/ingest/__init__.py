"""The HTTP endpoints. Every endpoint only appends to the event log."""
