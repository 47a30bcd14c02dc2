"""Sources that bring messages from other services, one folder each."""
