"""Every command in a process of its own, which loads nothing but what the command asks for."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jetbridge.cli import commands

if TYPE_CHECKING:
    from conftest import Jetbridge

#: Elsewhere these are started as people start them, and run on.
SERVICES = {"serve", "web", "worker", "sandbox", "demo"}
KEYS = ("--mailjet-url", "http://127.0.0.1:1", "--api-key", "k", "--secret-key", "s")
#: Command -> arguments with which it ends in a home where nothing is set up, and its exit status.
WITH = {
    "setup": ((*KEYS, "--list", "Customers", "--create-list"), 1),
    "doctor": ((), 0),
    "status": ((), 0),
    "send": (("-", "--write-key", "k", "--url", "http://127.0.0.1:1"), 1),
    "sources": (("list",), 0),
    "destinations": (("list",), 0),
    "contacts": (("diff",), 1),
    "messages": (("list", "--outcome", "failed"), 0),
    "audiences": (("list",), 1),
    "traits": (("list",), 1),
    "people": (("delete", "ada", "--lift"), 1),
    "users": (("reset-password", "ada@example.com"), 1),
    "workspaces": (("list",), 0),
    "warehouse": (("tables",), 1),
    "admin": (("--help",), 0),
    "completion": (("bash",), 0),
}
#: More commands, each with imports of its own.
MORE = [
    ("destinations", "preview", "1", "m-1"),
    ("destinations", "resume", "--all"),
    ("destinations", "retry", "--all"),
    ("destinations", "replay", "--list"),
    ("sources", "blocks", "1"),
    ("sources", "add", "Website"),
    ("sources", "rotate-key", "1", "--yes"),
    ("sources", "delete", "1", "--yes"),
    ("contacts", "verify"),
    ("contacts", "show", "ada@example.com"),
    ("messages", "rejected"),
    ("messages", "trace", "ada@example.com"),
    ("people", "show", "ada@example.com"),
    ("people", "export", "ada@example.com"),
    ("users", "add", "ada@example.com"),
]
DONE = {"resume", "retry", "replay", "rejected"}


@pytest.mark.parametrize("arguments", MORE, ids=" ".join)
def test_commands_of_nouns_start_and_end_as_they_should(
    own_process: "Jetbridge", arguments: tuple[str, ...]
) -> None:
    result = own_process(*arguments)
    assert "Traceback" not in result.err
    assert result.status == (0 if arguments[1] in DONE else 1), result


@pytest.mark.parametrize("command", sorted(commands().keys() - SERVICES))
def test_it_starts_and_ends_as_it_should(own_process: "Jetbridge", command: str) -> None:
    arguments, status = WITH[command]
    result = own_process(command, *arguments)
    assert "Traceback" not in result.err
    assert result.status == status, result


#: Of what begins no installation, one of each kind; `setup` does, and `send` needs none.
EXISTING = [
    (command, *arguments)
    for command, (arguments, _) in WITH.items()
    if command not in {"setup", "send", "admin", "completion"}
]
EXISTING += [
    *MORE,
    ("destinations", "add", "webhook", "--source", "all"),
    ("admin", "reset-positions", "--to", "latest", "--yes"),
    ("admin", "recover-log", "--yes"),
    ("admin", "backup", "backup.tar.gz"),
]


@pytest.mark.parametrize("command", EXISTING, ids=" ".join)
def test_a_home_where_nothing_is_stays_so(
    own_process: "Jetbridge", tmp_path: Path, command: tuple[str, ...]
) -> None:
    home = tmp_path / "wrong"
    result = own_process(*command, env={"JETBRIDGE_HOME": str(home)})
    assert (result.status, result.out) == (1, "")
    assert result.err == (
        f"Error: There is no Jetbridge in {home}: it has no state.db. Set JETBRIDGE_HOME to the folder of yours, or begin "
        "a new one with `jetbridge serve` or `jetbridge setup`.\n"
    )
    assert not home.exists()
