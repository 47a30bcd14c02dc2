"""Where the Jetbridge of this home is reached and what it may call, for the commands beside it.

`serve` and `web` write it into their locks. So a command speaks of the port that `serve --port` chose, and of the public
URL that was set for the service only, and `destinations test` calls the private address that the service delivers to.
"""

import os
from contextlib import suppress

from jetbridge import config
from jetbridge.control import home_lock

#: They say themselves where they listen.
SERVERS = ("serve", "web", "worker", "sandbox", "demo")
#: Which addresses and folders a process uses besides the public ones. A command's own environment comes first.
REACH = ("JETBRIDGE_ALLOW_PRIVATE_NETWORKS", "JETBRIDGE_WAREHOUSE_NETWORKS", "JETBRIDGE_WAREHOUSE_DIRS")


def environment(settings: config.Config) -> dict[str, str]:
    """What the commands beside a server follow."""
    reach = {name: os.environ[name].replace("\n", " ") for name in REACH if os.environ.get(name)}
    return {
        **reach,
        "JETBRIDGE_HOST": settings.host,
        "JETBRIDGE_PORT": str(settings.port),
        "JETBRIDGE_PUBLIC_URL": settings.public_url,
    }


def follow(command: str | None) -> None:
    """Let a command use the address of a running server, and what that may call. A public URL and networks of its own
    environment stay.
    """
    if command in SERVERS:
        return
    for name in ("web", "serve"):
        with suppress(OSError):
            holder = home_lock.holder(config.home_path(), name)
            if holder and holder.environment:
                own = {name: os.environ.get(name) for name in ("JETBRIDGE_PUBLIC_URL", *REACH)}
                os.environ |= holder.environment
                os.environ |= {name: value for name, value in own.items() if value}
                return
