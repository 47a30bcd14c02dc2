"""Where the Jetbridge of this home is reached, for the commands beside it.

`serve` and `web` write it into their locks. So a command speaks of the port that `serve --port` chose, and of the public
URL that was set for the service only.
"""

import os
from contextlib import suppress

from jetbridge import config
from jetbridge.control import home_lock

#: They say themselves where they listen.
SERVERS = ("serve", "web", "worker", "sandbox", "demo")


def environment(settings: config.Config) -> dict[str, str]:
    """What a server tells the commands beside it."""
    return {
        "JETBRIDGE_HOST": settings.host,
        "JETBRIDGE_PORT": str(settings.port),
        "JETBRIDGE_PUBLIC_URL": settings.public_url,
    }


def follow(command: str | None) -> None:
    """Let a command listen where a running server does. A public URL of its own environment stays."""
    if command in SERVERS:
        return
    for name in ("web", "serve"):
        with suppress(OSError):
            holder = home_lock.holder(config.home_path(), name)
            if holder and holder.environment:
                public_url = os.environ.get("JETBRIDGE_PUBLIC_URL")
                os.environ |= holder.environment
                if public_url:
                    os.environ["JETBRIDGE_PUBLIC_URL"] = public_url
                return
