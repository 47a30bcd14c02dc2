"""The tree of commands: each has `--json` and examples that can be typed; mistypes get suggestions; shells complete names."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from tests.command_tree import leaves

if TYPE_CHECKING:
    from conftest import Jetbridge

LEAVES = leaves()
#: Files that examples name.
FILES = (
    *("people.csv", "call.json", "definition.json", "secret", "write-key"),
    *("jetbridge-2026-11-29.tar.gz", "var/backups/jetbridge-2026-11-29.tar.gz"),
)


def examples(command: click.Command) -> list[str]:
    lines = (command.epilog or "").splitlines()
    assert lines[:2] == ["\b", "Examples:"], command.name
    return [line.strip() for line in lines[2:]]


def arguments(example: str, typed: str) -> list[str]:
    """What the shell would give to the command: after pipes, variables and substitutions, before redirections."""
    part = re.split(r" \| |\$\(", example)[-1]
    words = shlex.split(re.split(r" [<>] |\)\"|  #", part)[0])
    while "=" in words[0]:
        words = words[1:]
    count = len(typed.split())
    assert words[:count] == typed.split(), example
    return words[count:]


@pytest.mark.parametrize("typed", LEAVES)
def test_every_command_has_json_and_examples_that_can_be_typed(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = LEAVES[typed]
    assert "--json" in {option for parameter in command.params for option in parameter.opts}
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    for variable in ("JETBRIDGE_HOST", "JETBRIDGE_PORT"):  # --host and --port set them
        monkeypatch.setenv(variable, "")
    assert examples(command)
    for example in examples(command):
        given = [word.replace("/var/", f"{tmp_path}/var/") for word in arguments(example, typed)]
        with command.make_context(typed, given):
            pass


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (("stauts",), "'status'"),
        (("destination", "list"), "'destinations'"),
        (("destinations", "retyr"), "'retry'"),
        (("contacts", "dif"), "'diff'"),
        (("messages", "list", "--outcom", "failed"), "--outcome"),
        (("admin", "bakup"), "'backup'"),
    ],
)
def test_a_mistyped_word_gets_a_suggestion(
    jetbridge: "Jetbridge", words: tuple[str, ...], suggestion: str
) -> None:
    result = jetbridge(*words)
    assert (result.status, result.out) == (2, "")
    assert "Did you mean" in result.err
    assert suggestion in result.err


def test_exit_statuses_tell_failures_from_wrong_usage(jetbridge: "Jetbridge") -> None:
    assert jetbridge("workspaces", "list").status == 0
    assert jetbridge("contacts", "verify").status == 1  # no account is set up
    assert jetbridge("messages", "list", "--limit", "many").status == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(jetbridge: "Jetbridge", shell: str) -> None:
    script = jetbridge("completion", shell).out
    assert f"_JETBRIDGE_COMPLETE={shell}_complete" in script
    assert jetbridge("completion", shell, "--json").json == {
        "shell": shell,
        "script": script.removesuffix("\n"),
    }
    assert jetbridge("completion", "tcsh").status == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("jetbridge con", ["contacts"]),
        ("jetbridge contacts ", ["diff", "verify", "show"]),
        ("jetbridge messages list --out", ["--outcome"]),
        ("jetbridge messages list --outcome f", ["filtered", "failed"]),
    ],
)
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_commands_options_and_values(
    jetbridge: "Jetbridge", line: str, expected: list[str]
) -> None:
    words = [*line.split(" ")]
    script = (
        f"{jetbridge('completion', 'bash').out}\n"
        f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _jetbridge_completion jetbridge\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    folder = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        timeout=60,
    )
    assert done.stdout.split() == expected


def test_a_server_prints_its_messages_as_json_lines(own_process: "Jetbridge", home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = own_process("serve", "--json", "--port", port)
    assert result.status == 1
    first = json.loads(result.out.splitlines()[0])
    assert first["message"].startswith(f"Jetbridge at http://127.0.0.1:{port}, home {home}.")
    assert all("message" in json.loads(line) for line in result.out.splitlines())
