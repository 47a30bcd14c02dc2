"""Figures of the source alone: modules, the longest import chain, private functions that are called once."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Where packages lie, each with the name that they are imported by.
SOURCES = (ROOT / "src", *sorted(ROOT.glob("packages/*/src")))


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    tree: ast.Module


def modules() -> list[Module]:
    """All of the product but migrations."""
    return [
        Module(_name(path, source), path, ast.parse(path.read_text()))
        for source in SOURCES
        for path in sorted(source.rglob("*.py"))
        if "migrations" not in path.parts
    ]


def _name(path: Path, source: Path) -> str:
    return ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")


def longest_chain(all_modules: list[Module]) -> list[str]:
    """The longest path of imports at module level, TYPE_CHECKING left out; the first imports the second, and so on."""
    known = {module.name for module in all_modules}
    imports = {module.name: set(_imports(module, known)) - {module.name} for module in all_modules}
    chains: dict[str, list[str]] = {}

    def chain(name: str) -> list[str]:
        if name not in chains:
            chains[name] = [name]  # whoever comes back here is in a cycle, and goes no further
            chains[name] = [name, *max(map(chain, sorted(imports[name])), key=len, default=[])]
        return chains[name]

    return max(map(chain, sorted(imports)), key=len)


def _imports(module: Module, known: set[str]) -> Iterator[str]:
    for node in _at_module_level(module.tree.body):
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [
                full if (full := f"{node.module}.{name}") in known else str(node.module) for name in names
            ]
        yield from (name for name in names if name in known)


def _at_module_level(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.Try) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test)
        ):
            yield from _at_module_level([*node.body, *node.orelse])


def called_once(all_modules: list[Module]) -> tuple[int, int]:
    """How many functions are private (one leading underscore) and mentioned once in their module, and how many there are in all."""
    once = total = 0
    for module in all_modules:
        functions = [
            node.name
            for node in ast.walk(module.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        uses = Counter[str]()
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Name):
                uses[node.id] += 1
            elif isinstance(node, ast.Attribute):
                uses[node.attr] += 1
        total += len(functions)
        once += sum(
            name.startswith("_") and not name.startswith("__") and uses[name] == 1 for name in functions
        )
    return once, total


def long_template_lines(limit: int = 120) -> int:
    return sum(
        len(line) > limit
        for source in SOURCES
        for path in source.rglob("templates/**/*")
        if path.is_file()
        for line in path.read_text().splitlines()
    )
