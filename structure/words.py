"""Uses of the words that the project retired: the lists stand in `tests/retired_words`."""

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterator

from structure.source import ROOT, SOURCES, Module

LISTS = ROOT / "tests" / "retired_words"
NAMES = EVERYWHERE, IN_FOLDERS = "everywhere.txt", "in_folders.txt"
IDENTIFIERS_ONLY = "identifiers:"
#: Python's own names, such as FileNotFoundError, a method of its files and an argument of its datetimes.
PYTHON = {*dir(builtins), "tell", "fold"}


def gone() -> list[str]:
    """The lines of both lists whose words are not to come back."""
    return [line for name in NAMES for line in _lines(name, 0)]


def _lines(name: str, part: int) -> list[str]:
    text = (LISTS / name).read_text().split("---\n")[part]
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def uses(modules: list[Module]) -> Counter[str]:
    """By line of the lists, how often the word stands in an identifier, in the name of a file or in a template."""
    everywhere = [*_lines(EVERYWHERE, 0), *_lines(EVERYWHERE, 1)]
    in_folders = [line.split(": ") for line in (*_lines(IN_FOLDERS, 0), *_lines(IN_FOLDERS, 1))]
    counted = Counter[str]()
    for module in modules:
        text = " ".join(_spaced(name) for name in _identifiers(module) if name not in PYTHON)
        text = text.replace("not found", "")  # HTTP's own term
        for word in everywhere:
            counted[word] += _count(word.removeprefix(IDENTIFIERS_ONLY), text)
        for folder, word in in_folders:
            if folder in module.name.split("."):
                counted[f"{folder}: {word}"] += _count(word, text)
    templates = " ".join(
        path.read_text().lower() for source in SOURCES for path in source.rglob("templates/**/*.*")
    )
    for word in everywhere:
        if not word.startswith(IDENTIFIERS_ONLY):
            counted[word] += _count(word, templates)
    return +counted


def _count(word: str, text: str) -> int:
    return len(re.findall(rf"\b{word.replace('_', '[ _-]')}\b", text))


def _spaced(identifier: str) -> str:
    """`_readContactList` and `CONTACT_LIST` as `read contact list` and `contact list`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", identifier).lower()


def _identifiers(module: Module) -> Iterator[str]:
    yield module.name.rpartition(".")[2]
    for node in ast.walk(module.tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.keyword(arg=str(name)) | ast.alias(asname=str(name)):
                yield name
