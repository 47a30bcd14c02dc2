"""Rows 4 and 5: durable requests over real HTTP, beside servers that keep nothing. Needs wrk."""

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import fixtures
from benchmarks.figures import Series, interleaved, line, ratios, title
from benchmarks.options import Options
from benchmarks.place import Place, place
from jetbridge.demo.processes import port

CONNECTIONS = 64


def run(options: Options) -> None:
    if shutil.which("wrk") is None:
        title("4. and 5. The endpoints: not measured")
        line("wrk is missing", "apt-get install wrk")
        return
    seconds = 2 if options.quick else 4
    with place("web") as here, _bare("starlette") as starlette, _bare("asgi") as asgi:
        _singles(here, starlette, asgi, seconds, options)
        _batches(here, seconds, options)


def _singles(here: Place, starlette: str, asgi: str, seconds: int, options: Options) -> None:
    title(f"4. Durable single calls: {CONNECTIONS} connections, {seconds} s each")
    body = json.dumps(fixtures.call(1) | {"writeKey": here.write_key}).encode()
    script = _script(here, "single", body)
    waits: list[_Wrk] = []

    def jetbridge() -> float:
        waits.append(_wrk(f"{here.jetbridge}/v1/identify", script, seconds))
        return waits[-1].per_second

    series = interleaved(
        {
            "jetbridge": jetbridge,
            "bare Starlette": lambda: _wrk(f"{starlette}/v1/identify", script, seconds).per_second,
            "bare ASGI": lambda: _wrk(f"{asgi}/v1/identify", script, seconds).per_second,
        },
        options.rounds // 2,
    )
    for name, each in series.items():
        line(name, each, "8,000/s" if name == "jetbridge" else "")
    for name, values, target in (
        ("p50", [each.p50 for each in waits], ""),
        ("p99", [each.p99 for each in waits], "< 50 ms"),
    ):
        line(f"  jetbridge: {name}", Series(tuple(values), form="{:.1f}", unit=" ms"), target)
    for name in ("bare Starlette", "bare ASGI"):
        line(f"  jetbridge: share of {name}", ratios(series["jetbridge"], series[name]))


def _batches(here: Place, seconds: int, options: Options) -> None:
    title(f"5. Durable calls in batches of 100: 16 connections, {seconds} s each")
    (body,) = fixtures.batch_bodies(range(100), write_key=here.write_key)
    script = _script(here, "batch", body)
    samples = [
        100 * _wrk(f"{here.jetbridge}/v1/batch", script, seconds, connections=16).per_second
        for _ in range(options.rounds)
    ]
    line("jetbridge, calls", Series(tuple(samples)), "80,000/s")


def _script(here: Place, name: str, body: bytes) -> Path:
    """wrk takes its body from a Lua script, the script the body from a file."""
    (here.processes.home / f"{name}.json").write_bytes(body)
    script = here.processes.home / f"{name}.lua"
    script.write_text(
        f'wrk.method = "POST"\nwrk.body = io.open("{here.processes.home / name}.json", "rb"):read("*a")\n'
    )
    return script


class _Wrk(NamedTuple):
    """What wrk measured; percentiles in ms."""

    per_second: float
    p50: float
    p99: float


def _wrk(url: str, script: Path, seconds: int, connections: int = CONNECTIONS) -> _Wrk:
    """Fails if any answer was not 2xx, or a connection broke."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"{url} did not answer every request:\n{said}")
    (per_second,) = re.findall(r"Requests/sec:\s+([\d.]+)", said)
    return _Wrk(float(per_second), _percentile(said, 50), _percentile(said, 99))


def _percentile(said: str, share: int) -> float:
    ((value, unit),) = re.findall(rf"^\s+{share}%\s+([\d.]+)(us|ms|s)$", said, re.MULTILINE)
    return float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


@contextmanager
def _bare(kind: str) -> Iterator[str]:
    number = port(0)
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare", kind, str(number)])
    url = f"http://127.0.0.1:{number}"
    try:
        _wait(url)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{url}/healthz").close()
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
