"""The pages in which people set Jetbridge up and see what it does."""
