"""Destinations, one folder each. `registry.py` names them; nothing else does."""
