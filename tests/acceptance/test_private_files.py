"""What Jetbridge writes is for the owner of its process alone, in a home that everybody may enter."""

import json
import os
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from ..processes import free_port  # noqa: TID252 - tests are no package


@pytest.fixture
def usual_umask() -> Any:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_no_file_of_a_home_that_others_may_enter_can_be_read_by_them(
    tmp_path: Path, usual_umask: None, start_jetbridge: Any, eventually: Any
) -> None:
    home = tmp_path / "open home"
    home.mkdir(mode=0o755)
    url = f"http://127.0.0.1:{free_port()}"
    env = {"JETBRIDGE_HOME": str(home), "JETBRIDGE_PORT": url.rpartition(":")[2], "JETBRIDGE_PUBLIC_URL": url}
    setup = "--mailjet-url http://127.0.0.1:1 --api-key k --secret-key s --list Customers"
    run("setup", *setup.split(), env=env)  # fails, for nobody is there, and has made the databases
    start_jetbridge("serve", env=env, health=f"{url}/healthz")
    body = json.dumps({"writeKey": "nobody's", "type": "identify", "userId": "ada"}).encode()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{url}/v1/identify", body, timeout=20)
    eventually((home / "worker.lock").exists, "the worker runs")
    written = {
        "state.db",
        "state.db-wal",
        "state.db-shm",
        "eventlog.db",
        "eventlog.db-wal",
        "serve.lock",
        "secret.key",
    }
    eventually(lambda: written <= {path.name for path in home.iterdir()}, "all files are there")
    assert run("admin", "backup", str(home / "backup.tar.gz"), env=env) == 0
    assert {path.name for path in home.rglob("*") if stat.S_IMODE(path.stat().st_mode) & 0o077} == set()
    assert stat.S_IMODE(home.stat().st_mode) == 0o755


def run(*arguments: str, env: dict[str, str]) -> int:
    command = [sys.executable, "-m", "jetbridge", *arguments]
    return subprocess.run(command, env=os.environ | env, check=False, timeout=120).returncode
