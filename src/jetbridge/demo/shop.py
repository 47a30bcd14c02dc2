"""The shop's side: Segment's own Python library, pointed at Jetbridge."""

import logging
import os

from jetbridge.demo.story import Call
from jetbridge.demo.trouble import DemoStopped

try:
    from segment.analytics import Client  # type: ignore[import-untyped]
except ImportError:
    Client = None


def require_library() -> None:
    """Raises DemoStopped if Segment's library is not installed."""
    if Client is None:
        raise DemoStopped("The demo plays through Segment's library: run `pip install 'jetbridge[demo]'`.")


class Shop:
    """Sends calls as any program does that uses the library: queued, in batches, from a thread of its own."""

    def __init__(self, write_key: str, url: str) -> None:
        if Client is None:
            raise DemoStopped(
                "The demo plays through Segment's library: run `pip install 'jetbridge[demo]'`."
            )
        _prepare()
        self._troubles: list[str] = []
        self._client = Client(write_key, host=url, max_retries=3, on_error=self._on_error)

    def play(self, call: Call) -> None:
        getattr(self._client, call.method)(**call.arguments)

    def flush(self) -> None:
        """Return when Jetbridge has acknowledged everything. Raises DemoStopped if it did not."""
        self._client.flush()
        if self._troubles:
            raise DemoStopped(f"Segment's library could not send: {self._troubles[0]}")

    def _on_error(self, error: Exception, _calls: object) -> None:
        self._troubles.append(str(error))


def _prepare() -> None:
    """Jetbridge is on this machine, whatever proxy the environment names; and the page belongs to the page."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1")))
    logging.getLogger("segment").addHandler(logging.NullHandler())
