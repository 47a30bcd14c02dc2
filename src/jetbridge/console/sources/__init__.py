"""Sources: what brings messages in."""
