"""The HTTP doors. Every door only appends to the event log."""
