"""Prints the figures. `--chain`, `--words` and `--files` name what is counted; `--quick` starts no process (two minutes less)."""

import sys

from structure import source, way, words


def main() -> None:
    modules = source.modules()
    chain = source.longest_chain(modules)
    once, total = source.called_once(modules)
    row("modules", f"{len(modules):,}", "")
    row("longest import chain", len(chain), "14")
    row("private functions called once", f"{once / total:.1%} ({once:,} of {total:,})", "8 %")
    row("template lines over 120 characters", source.long_template_lines(), "0")
    row("uses of retired words", f"{sum(words.uses(modules).values()):,}", "0")
    if "--chain" in sys.argv:
        print(*chain, sep="\n  ")
    if "--words" in sys.argv:
        for word, count in words.uses(modules).most_common():
            row(f"  {word}", count, "0")
    for message, passed in way.passed().items() if "--quick" not in sys.argv else ():
        row(f"files that {message} passes", len(passed.files), "30" if "identify" in message else "")
        row(f"functions that {message} passes", len(passed.functions), "")
        for file in sorted(passed.files) if "--files" in sys.argv else ():
            print("    ", file.partition("/src/")[2])


def row(name: str, value: object, goal: str) -> None:
    print(f"{name:<44}{value!s:>24}   {goal and f'to reach: {goal}'}")


if __name__ == "__main__":
    main()
