"""A place seen from outside: what it has delivered, what it called, what its processes weigh."""

import json
import os
import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from benchmarks.place import Place


def megabytes(pid: int, file: str = "status", field: str = "VmRSS") -> str:
    """A figure of /proc; Linux only."""
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except OSError as error:
        return f"not known ({error.strerror})"
    (kilobytes,) = re.findall(rf"^{field}:\s+(\d+)", text, re.MULTILINE)
    return f"{int(kilobytes) / 1024:,.0f} MB"


def processor_seconds(pid: int) -> float:
    """What a process has used of the processor, whatever else the machine does; Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(here: Place) -> dict[str, int]:
    """Process ids by name, as `serve` says them in its log."""
    said = (here.processes.home / "serve.log").read_text()
    return {name: int(pid) for name, pid in re.findall(r"^(\w+) runs as process (\d+)", said, re.MULTILINE)}


def delivered(here: Place, destination: int | None = None) -> int:
    """Messages that arrived, at one destination or at all."""
    which = "" if destination is None else f'destination="{destination}".*'
    return _total(here, rf'jetbridge_destination_outcomes_total\{{.*{which}outcome="delivered".*\}}')


def pending(here: Place, kind: str) -> int:
    """Messages that destinations of a kind have before them or in flight."""
    return _total(here, rf'jetbridge_destination_pending\{{.*kind="{kind}".*\}}')


def email_events(here: Place, kind: str) -> int:
    """Records of sources of email events: `email_event` as Mailjet sent them, `message` the track calls made of them."""
    return _total(here, rf'jetbridge_source_records_total\{{kind="{kind}",name="Mailjet events.*\}}')


def _total(here: Place, metric: str) -> int:
    """From /metrics: starting `jetbridge status` again and again would keep one core busy."""
    token = here.processes.env["JETBRIDGE_METRICS_TOKEN"]
    request = urllib.request.Request(
        f"{here.jetbridge}/metrics", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request) as answer:
        page = answer.read().decode()
    return int(sum(map(float, re.findall(rf"^{metric} (.+)$", page, re.MULTILINE))))


def wait_until(claim: Callable[[], bool]) -> None:
    while not claim():
        time.sleep(0.1)


def calls_of(here: Place) -> dict[str, int]:
    with urllib.request.urlopen(f"{here.mailjet}/sandbox/calls") as answer:
        calls: dict[str, int] = json.load(answer)["calls"]
    return calls


def forget_calls(here: Place) -> None:
    urllib.request.urlopen(f"{here.mailjet}/sandbox/reset", data=b"{}").close()
