"""What can be set, run or chosen is documented, and nothing else is."""

import re
from pathlib import Path

import click
import pytest
from tests.command_tree import nodes

from jetbridge import config
from jetbridge.cli.engage.commands import audiences, traits
from jetbridge.integrations import reasons, registry
from jetbridge.integrations.mailjet.api.errors import INVALID_RESPONSE, NEXT, RULES, Rule

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


COMMANDS_PAGE = (DOCS / "commands.md").read_text()
#: Computed traits have the commands of audiences, and are documented there.
NODES = {typed: command for typed, command in nodes() if not typed.startswith("jetbridge traits ")}


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    headings = re.findall(r"^##+ `(jetbridge [\w -]+)`$", COMMANDS_PAGE, re.MULTILINE)
    assert sorted(headings) == sorted(NODES)


@pytest.mark.parametrize(
    "typed", [typed for typed, command in NODES.items() if not isinstance(command, click.Group)]
)
def test_every_option_of_a_command_is_documented(typed: str) -> None:
    if typed == "jetbridge sandbox":
        pytest.skip("the page of mailjet-sandbox has its options")
    section = re.split(rf"^##+ `{typed}`$", COMMANDS_PAGE, flags=re.MULTILINE)[1]
    # The line of `enable` is that of `disable`, too.
    section = COMMANDS_PAGE if typed == "jetbridge destinations disable" else re.split(r"\n##+ ", section)[0]
    # What all commands of a noun have stands before the first of them.
    noun = " ".join(typed.split()[:2])
    section += COMMANDS_PAGE.split(f"## `{noun}`")[1].split("\n### ")[0]
    options = {
        option for parameter in NODES[typed].params for option in parameter.opts if option.startswith("--")
    }
    assert {option for option in options if option not in section} == set()


def test_computed_traits_have_the_commands_of_audiences() -> None:
    assert traits.commands.keys() == audiences.commands.keys()
    for verb, command in traits.commands.items():
        assert f"jetbridge traits {verb}" in (command.epilog or "")
        assert [row.opts for row in command.params] == [row.opts for row in audiences.commands[verb].params]


@pytest.mark.parametrize("kind", registry.destinations())
def test_every_destination_has_a_page_that_names_its_fields(kind: str) -> None:
    page = (DOCS / "destinations" / f"{kind}.md").read_text()
    settings = registry.destination(kind).settings
    assert {setting.name for setting in settings if f"`{setting.name}`" not in page} == set()
    assert {setting.label for setting in settings if setting.label not in page} == set()


def test_the_registry_holds_every_integration_that_has_a_folder() -> None:
    folder = ROOT / "src" / "jetbridge" / "integrations"
    packages = {f"jetbridge.integrations.{path.parent.name}" for path in folder.glob("*/definition.py")}
    assert set(registry.INTEGRATIONS) == packages


@pytest.mark.parametrize("kind", registry.destinations())
def test_every_pause_is_documented(kind: str) -> None:
    page = (DOCS / "operating.md").read_text() + (DOCS / "destinations" / f"{kind}.md").read_text()
    codes = [*reasons.PAUSE_REASONS, *(reason.code for reason in registry.destination(kind).pause_reasons)]
    assert [code for code in codes if f"`{code}`" not in page] == []


def test_every_room_is_on_the_architecture_page() -> None:
    rooms = {path.parent.name for path in (ROOT / "src" / "jetbridge").glob("*/__init__.py")}
    listed = {name.rstrip("/") for name in rows("architecture.md")}
    assert listed == rooms


def error_row(rule: Rule) -> str:
    first, total = rule.statuses.start, len(rule.statuses)
    status = {1: str(first), 100: f"{first // 100}xx"}.get(total, "other")
    return f"| {status} | {rule.case} | `{rule.code}` | {NEXT[rule.error]} | {rule.message} |"


def test_the_table_of_mailjets_answers_is_the_one_that_is_used() -> None:
    lines = (DOCS / "mailjet-errors.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("| ")][1:]
    assert table == [error_row(rule) for rule in (*RULES, INVALID_RESPONSE)]


def anchors(page: Path) -> set[str]:
    """Of each heading, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page",
    [
        ROOT / "README.md",
        *sorted(DOCS.rglob("*.md")),
        *sorted(ROOT.glob("packages/*/*.md")),
        *sorted(ROOT.glob("packages/*/docs/*.md")),
    ],
    ids=lambda page: page.name,
)
def test_every_link_to_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", page.read_text())
    own = [(page.parent / path if path else page, anchor) for path, anchor in links if "://" not in path]
    assert [path for path, _ in own if not path.exists()] == []
    assert [(path.name, anchor) for path, anchor in own if anchor and anchor not in anchors(path)] == []


#: Words that the project gave up for the field's own; `tests/retired_words` has those of code.
RETIRED = re.compile(
    r"\b(told|tells?|telling|mend(s|ed|ing)?|fold(s|ed|ing)?|doors?|tally|exhibits?|wish(es|ed)?"
    r"|(un)?settle[sd]?|lanes?|held|set aside|stands? in)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))],
    ids=lambda page: page.name,
)
def test_prose_uses_no_retired_word(page: Path) -> None:
    """Names in code marks, code blocks and addresses of links may still have one."""
    prose = re.sub(
        r"^```.*?^```$|^    .*?$|`[^`]*`|\]\([^)]*\)", "", page.read_text(), flags=re.MULTILINE | re.DOTALL
    )
    assert [found.group() for found in RETIRED.finditer(prose)] == []
