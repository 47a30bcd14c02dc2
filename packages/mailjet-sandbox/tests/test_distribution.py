"""The distribution stands alone: it declares what it imports, and imports nothing else."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import mailjet_sandbox

PROJECT = Path(__file__).parents[1]
SOURCE = Path(mailjet_sandbox.__file__).parent


def imported() -> set[str]:
    """The top-level packages that the source imports, without those of Python itself."""
    names: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(str(node.module).partition(".")[0])
    return names - sys.stdlib_module_names - {mailjet_sandbox.__name__}


def test_it_declares_what_it_imports_and_nothing_else() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[^\w-]", requirement)[0] for requirement in project["dependencies"]}
    owners = metadata.packages_distributions()
    assert {owner.lower() for name in imported() for owner in owners[name]} == declared


def test_the_readme_names_every_option() -> None:
    from mailjet_sandbox.command import sandbox  # noqa: PLC0415

    table = (PROJECT / "README.md").read_text()
    options = {option for parameter in sandbox.params for option in parameter.opts if option.startswith("--")}
    assert {option for option in options if f"`{option}" not in table} == {"--version"}
