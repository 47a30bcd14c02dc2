"""``python -m jetbridge.sandbox``: the sandbox without the rest of the command line."""

from jetbridge.sandbox.command import sandbox

sandbox(prog_name="python -m jetbridge.sandbox")
