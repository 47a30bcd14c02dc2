"""How fast Jetbridge is, beside a floor measured in the same run. `make bench`; read docs/performance.md."""
