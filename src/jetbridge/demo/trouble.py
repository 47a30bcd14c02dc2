"""What stops the demo."""

from jetbridge.errors import JetbridgeError


class DemoStopped(JetbridgeError):
    """The demo cannot go on; the sentence says what went wrong."""
