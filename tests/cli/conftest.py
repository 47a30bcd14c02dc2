"""A Mailjet in a box for the commands, and the commands in a process of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)


Jetbridge = Callable[..., Result]


@pytest.fixture
def jetbridge(home: Path) -> Jetbridge:
    """`jetbridge("status", "--json", stdin="...", env={...})`: run a command to its end."""

    def run(*arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "jetbridge", *arguments],
            check=False,
            capture_output=True,
            text=True,
            input=stdin,
            env=os.environ | {"COLUMNS": "200"} | (env or {}),
            timeout=60,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def mailjet(sandbox: str) -> str:
    """The address of a Mailjet in a box with the key pair `public`, `private`."""
    return sandbox
