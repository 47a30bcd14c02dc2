"""Real processes for the rows that need them: the sandbox and Jetbridge, set up, on free ports."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jetbridge.demo.processes import Processes, port


@dataclass(frozen=True)
class Place:
    processes: Processes
    jetbridge: str
    mailjet: str
    told: dict[str, Any]

    @property
    def write_key(self) -> str:
        key: str = self.told["write_key"]
        return key


#: API key and secret key of the sandbox.
KEYS = ("bench", "bench")


@contextmanager
def place(
    command: str, public_url: str = "", prepare: Callable[[Processes], object] = lambda _: None
) -> Iterator[Place]:
    """`command` is `serve`, or `web` for the endpoints alone. `public_url`: where Mailjet sends events, if not straight here.

    `prepare` is called when all is set up and the command has not started yet.
    """
    with Processes() as processes:
        own, sandbox = port(0), port(0)
        mailjet, jetbridge = f"http://127.0.0.1:{sandbox}", f"http://127.0.0.1:{own}"
        processes.env |= {
            "JETBRIDGE_PORT": str(own),
            "JETBRIDGE_PUBLIC_URL": public_url or jetbridge,
            "JETBRIDGE_METRICS_TOKEN": secrets.token_hex(16),
        }
        keys = ("--api-key", KEYS[0], "--secret-key", KEYS[1])
        processes.start("sandbox", "--port", str(sandbox), *keys, ready_at=f"{mailjet}/sandbox/calls")
        told = processes.run(
            "setup", "--mailjet-url", mailjet, *keys, "--list", "Customers", "--create-list", "--json"
        )
        prepare(processes)
        processes.start(command, ready_at=f"{jetbridge}/healthz")
        yield Place(processes, jetbridge, mailjet, told)
