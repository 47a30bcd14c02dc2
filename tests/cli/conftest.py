"""The commands, run to their end, and a Mailjet in a box for them."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from jetbridge import cli
from jetbridge.cli import running


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
def jetbridge(home: Path, monkeypatch: pytest.MonkeyPatch) -> Jetbridge:
    """`jetbridge("status", "--json", stdin="...", env={...})`: run a command to its end, here, where all is loaded.

    JETBRIDGE_* variables are of no effect: the configuration is loaded, too.
    """

    def run(*arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> Result:
        given, out, err = (io.TextIOWrapper(io.BytesIO(each), "utf-8") for each in (stdin.encode(), b"", b""))
        with monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            # What a command sets for itself ends with it.
            ours = {name: os.environ.get(name, "") for name in running.environment(settings.CONFIG)}
            for name, value in (ours | {"COLUMNS": "200"} | (env or {})).items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", given)
            with pytest.raises(SystemExit) as ended:
                cli.run(arguments)
        return Result(int(ended.value.code or 0), _written(out), _written(err))

    return run


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def own_process(home: Path) -> Jetbridge:
    """The same in a process of its own, as people run it."""

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
