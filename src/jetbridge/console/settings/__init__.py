"""Settings of a workspace and of the person who uses it."""
