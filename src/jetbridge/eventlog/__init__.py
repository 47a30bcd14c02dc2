"""The event log: the durable, ordered record of every accepted message. Knows no Django."""
