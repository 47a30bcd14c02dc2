"""What Jetbridge is connected with, one folder each. `registry.py` names them; nothing else does."""
