"""`jetbridge sandbox` is the command of another distribution, which may be missing."""

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import urllib3

#: As where `pip install mailjet-sandbox` was never run.
WITHOUT = "import sys; sys.modules['mailjet_sandbox'] = None; from jetbridge.cli import main; main()"


def without_the_sandbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_it_says_how_jetbridge_may_call_it(
    start_jetbridge: Any, free_port: Callable[[], int], eventually: Any
) -> None:
    port = free_port()
    process = start_jetbridge("sandbox", "--port", str(port), health=f"http://127.0.0.1:{port}/")
    eventually(lambda: len(process.output().splitlines()) == 2, "the address and the keys are printed")
    allow, address = process.output().splitlines()
    assert allow == "For Jetbridge: JETBRIDGE_ALLOW_PRIVATE_NETWORKS=127.0.0.1 jetbridge serve"
    keys = re.fullmatch(r"Mailjet sandbox at (\S+) with API key (\w+) and secret key (\w+)", address)
    assert keys
    headers = urllib3.make_headers(basic_auth=f"{keys[2]}:{keys[3]}")
    assert urllib3.request("GET", f"{keys[1]}v3/REST/user", headers=headers).status == 200


def test_where_it_is_not_installed_the_error_says_how_to_install_it() -> None:
    done = without_the_sandbox("sandbox", "--port", "8081")
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install mailjet-sandbox" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_it_is_not_installed_the_list_of_commands_still_shows() -> None:
    done = without_the_sandbox("--help")
    assert done.returncode == 0
    assert "Not installed: `pip install" in " ".join(done.stdout.split())
