"""No module gives one name two meanings: of two constants the later one would win without a word, as linters see no fault in that."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from structure.source import ROOT

FOLDERS = ("src", "packages/mailjet-sandbox/src", "tests", "benchmarks", "screenshots", "structure")


def module_level_names(source: str) -> Iterator[str]:
    """Every name that a module assigns at its level, as often as it does. Overloads of a function are one."""
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                if not any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list):
                    yield name
            case ast.Assign(targets=targets):
                for target in targets:
                    yield from (
                        part.id
                        for part in ast.walk(target)
                        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
                    )
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                yield name


def twice(source: str) -> set[str]:
    return {name for name, count in Counter(module_level_names(source)).items() if count > 1} - {"_"}


def test_two_meanings_are_seen() -> None:
    assert twice("A = 1\nB: int\nB: int = 2\nA, C = 3, 4\ndef C(): ...") == {"A", "C"}
    assert twice("from typing import overload\n@overload\ndef f(x: int): ...\ndef f(x): ...") == set()


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_module_assigns_each_of_its_names_once(folder: str) -> None:
    modules = sorted(Path(ROOT, folder).rglob("*.py"))
    assert modules
    assert {str(path): names for path in modules if (names := twice(path.read_text()))} == {}
