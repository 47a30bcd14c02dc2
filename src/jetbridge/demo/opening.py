"""Opens the shop: the sandbox, `jetbridge setup`, a warehouse, an audience, then `jetbridge serve`, as a person would."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from jetbridge.demo.processes import Processes, port
from jetbridge.demo.services import Sandbox, SegmentCalls

LIST = "Customers"
STEPS = 5


@dataclass(frozen=True)
class Opened:
    """What runs, and where."""

    sandbox: Sandbox
    segment: SegmentCalls
    jetbridge_url: str
    write_key: str = field(repr=False)
    mailjet: int
    list_id: int
    metrics_token: str = field(repr=False)


def open_shop(processes: Processes, step: Callable[[str], None]) -> Opened:
    """`step` is told of each of STEPS. Blocks for seconds. Raises DemoStopped."""
    api_key, secret_key, segment_write_key, metrics_token = (secrets.token_hex(16) for _ in range(4))
    wanted = (8081, 8080) if processes.is_first else (0, 0)
    sandbox_url, jetbridge_url = (f"http://127.0.0.1:{port(number)}" for number in wanted)
    # Keys by the environment: arguments can be read by everybody on the machine.
    processes.env |= {
        "JETBRIDGE_PUBLIC_URL": jetbridge_url,
        "JETBRIDGE_PORT": jetbridge_url.rpartition(":")[2],
        "JETBRIDGE_METRICS_TOKEN": metrics_token,
        "MAILJET_SANDBOX_API_KEY": api_key,
        "MAILJET_SANDBOX_SECRET_KEY": secret_key,
        "MAILJET_SANDBOX_SEGMENT_WRITE_KEY": segment_write_key,
        "JETBRIDGE_SETUP_API_KEY": api_key,
        "JETBRIDGE_SETUP_SECRET_KEY": secret_key,
        "JETBRIDGE_SETUP_SEGMENT_WRITE_KEY": segment_write_key,
    }
    step(f"The Mailjet sandbox starts at {sandbox_url}")
    sandbox_port = sandbox_url.rpartition(":")[2]
    processes.start("sandbox", "--port", sandbox_port, answers_at=f"{sandbox_url}/sandbox/calls")
    step("jetbridge setup joins Segment and Mailjet")
    joined = processes.run(
        "setup",
        "--mailjet-url",
        sandbox_url,
        "--list",
        LIST,
        "--create-list",
        "--segment-url",
        sandbox_url,
        "--json",
    )
    step("A warehouse is added: a DuckDB file")
    processes.run("destinations", "add", "warehouse", "--source", "all", "--json")
    step("An audience is added: who has ordered within 30 days")
    ordered = {"event": "Order Completed", "within": "30d"}
    mailjet = next(row["id"] for row in joined["destinations"] if row["kind"] == "mailjet")
    compute(processes, "audiences", "Recent buyers", ordered, destination=mailjet)
    step(f"jetbridge serve starts at {jetbridge_url}")
    processes.start("serve", answers_at=f"{jetbridge_url}/readyz")
    return Opened(
        Sandbox(sandbox_url, api_key, secret_key),
        SegmentCalls(sandbox_url),
        jetbridge_url,
        joined["write_key"],
        mailjet,
        joined["list_id"],
        metrics_token,
    )


def compute(
    processes: Processes,
    what: Literal["audiences", "traits"],
    name: str,
    definition: dict[str, Any],
    *,
    destination: int,
) -> None:
    """Add an audience or a computed trait, and send it to a destination. Raises DemoStopped."""
    file = processes.home / f"{what}.json"
    file.write_text(json.dumps(definition))
    processes.run(what, "add", name, "--definition", str(file), "--destination", str(destination), "--json")
