"""``python -m mailjet_sandbox``: the command `mailjet-sandbox`."""

from mailjet_sandbox.command import sandbox

sandbox(prog_name="python -m mailjet_sandbox")
