"""Login, passwords, and the link that creates the first owner."""
