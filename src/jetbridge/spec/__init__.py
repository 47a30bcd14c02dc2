"""The Segment spec as types and pure functions. Knows no database, no HTTP and no Django."""
