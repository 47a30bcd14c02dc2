"""HTTP within bounds: calls to others, by one client with a guard over the addresses that people type; bodies of requests."""
