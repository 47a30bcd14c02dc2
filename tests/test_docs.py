"""What can be set, run or chosen is documented, and nothing else is."""

import re
from pathlib import Path

import click
import pytest

from jetbridge import cli, config
from jetbridge.destinations.registry import DEFINITIONS
from jetbridge.mailjet.errors import NEXT, RULES, UNREADABLE, Rule
from jetbridge.routing.operators import OPERATORS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def rows(page: str) -> dict[str, str]:
    """First column of every table of a page -> the rest of the row; without code marks."""
    lines = re.findall(r"^\| `([^`]+)` \|(.*)\|$", (DOCS / page).read_text(), re.MULTILINE)
    return {name: rest.replace("`", "") for name, rest in lines}


def test_every_variable_is_documented_and_every_documented_variable_exists() -> None:
    assert list(rows("configuration.md")) == [f"JETBRIDGE_{row.name}" for row in config.VARIABLES]


@pytest.mark.parametrize("row", [row for row in config.VARIABLES if row.default], ids=lambda row: row.name)
def test_a_documented_default_is_the_default(row: config.Variable) -> None:
    assert rows("configuration.md")[f"JETBRIDGE_{row.name}"].split("|")[0].strip() == row.default


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    headings = re.findall(r"^## `jetbridge ([\w-]+)`$", (DOCS / "commands.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(cli.COMMANDS)


@pytest.mark.parametrize(
    "name",
    [
        "setup",
        "status",
        "settings",
        "preview",
        "outcomes",
        "retry",
        "replay",
        "check",
        "plan",
        "verify",
        "send",
    ],
)
def test_every_option_of_our_commands_is_documented(name: str) -> None:
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert command is not None
    text = (DOCS / "commands.md").read_text()
    section = text.split(f"## `jetbridge {name}`")[1].split("\n## ")[0]
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    assert {option for option in options if option not in section} == set()


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_every_destination_has_a_page_that_names_its_fields(kind: str) -> None:
    page = (DOCS / "destinations" / f"{kind}.md").read_text()
    fields = DEFINITIONS[kind].fields
    assert {field.name for field in fields if f"`{field.name}`" not in page} == set()
    assert {field.label for field in fields if field.label not in page} == set()


def test_the_registry_holds_every_destination_that_has_a_folder() -> None:
    folder = ROOT / "src" / "jetbridge" / "destinations"
    kinds = {path.parent.name for path in folder.glob("*/definition.py")}
    assert set(DEFINITIONS) == kinds


def test_every_room_is_on_the_architecture_page() -> None:
    rooms = {path.parent.name for path in (ROOT / "src" / "jetbridge").glob("*/__init__.py")}
    listed = {name.rstrip("/") for name in rows("architecture.md")}
    assert listed == rooms


def error_row(rule: Rule) -> str:
    first, total = rule.statuses.start, len(rule.statuses)
    status = {1: str(first), 100: f"{first // 100}xx"}.get(total, "other")
    return f"| {status} | {rule.case} | `{rule.code}` | {NEXT[rule.error]} | {rule.sentence} |"


def test_the_table_of_mailjets_answers_is_the_one_that_is_used() -> None:
    lines = (DOCS / "mailjet-errors.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("| ")][1:]
    assert table == [error_row(rule) for rule in (*RULES, UNREADABLE)]


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda page: page.name
)
def test_every_link_to_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


def test_every_operator_of_filters_is_documented_and_every_documented_one_exists() -> None:
    assert list(rows("destinations/filters.md")) == list(OPERATORS)
