"""Which destination gets a message, and why not."""
