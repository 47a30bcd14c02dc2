"""Destination filters say in FQL what they said in rows of conditions, and drop the same messages.

The former language is written down here as it was: `is` compared numbers and true and false with what a value read as, `matches`
were Python's fnmatch patterns, a path knew no backslash but the one before a dot. Filters that could not be read stay as they
are: their destination is paused for them.
"""

import re
from math import inf

import msgspec
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

FIELDS = {
    "type",
    "event",
    "userId",
    "anonymousId",
    "name",
    "category",
    "groupId",
    "previousId",
    "messageId",
    "channel",
    "traits",
    "properties",
    "context",
    "integrations",
}


class Condition(msgspec.Struct, forbid_unknown_fields=True):
    field: str
    operator: str
    value: str = ""


class Filter(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    conditions: list[Condition]
    match: str = "all"
    enabled: bool = True


def write_fql(apps: StateApps, _: BaseDatabaseSchemaEditor) -> None:
    for row in apps.get_model("control", "Destination").objects.iterator():
        text = row.settings.get("filters")
        if isinstance(text, str) and text.strip() and (written := converted(text)):
            row.settings["filters"] = written
            row.save(update_fields=["settings"])


def converted(text: str) -> str | None:
    """The filters of before as those of now; None if they could not be read."""
    try:
        filters = [
            {"name": row.name, "if": expression(row), "action": {"type": "DROP"}, "enabled": row.enabled}
            for row in msgspec.json.decode(text, type=list[Filter])
        ]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return msgspec.json.format(msgspec.json.encode(filters), indent=2).decode()


def expression(row: Filter) -> str:
    if not 1 <= len(row.conditions) <= 20 or row.match not in {"all", "any"}:
        raise ValueError
    parts = [condition(field_path(each.field), each.operator, each.value) for each in row.conditions]
    word = " or " if row.match == "any" else " and "
    return word.join(f"({part})" if " or " in part and len(parts) > 1 else part for part in parts)


def condition(path: str, operator: str, value: str) -> str:  # noqa: C901, PLR0911 - one per operator
    if len(value) > 1_000 or (not value and operator in NEED_A_VALUE):
        raise ValueError
    match operator:
        case "is":
            return any_of([f"{path} = {each}" for each in readings(value)])
        case "contains":
            members = any_of([f"{each} in {path}" for each in readings(value)])
            members = f"({members})" if " or " in members else members
            return f'contains({path}, {quoted(value)}) or (typeof({path}) = "list" and {members})'
        case "is not" | "does not contain":
            positive = "is" if operator == "is not" else "contains"
            return f"!({condition(path, positive, value)})"
        case "starts with":
            return f"match({path}, {quoted(escaped(value) + '*')})"
        case "ends with":
            return f"match({path}, {quoted('*' + escaped(value))})"
        case "matches":
            pattern = glob(value)
            return "false" if pattern is None else f"match({path}, {quoted(pattern)})"
        case "is greater than":
            return compared(path, ">", number(value))
        case "is less than":
            return compared(path, "<", number(value))
        case "is true" | "is false":
            return f"{path} = {operator.removeprefix('is ')}"
        case "exists":
            return f"{path} != null"
        case "does not exist":
            return f"{path} = null"
    raise ValueError


NEED_A_VALUE = {"contains", "does not contain", "starts with", "ends with", "matches"}


def field_path(field: str) -> str:
    parts = [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", field)]
    if parts[0] not in FIELDS or "" in parts:
        raise ValueError
    return ".".join(re.sub(r"[^A-Za-z0-9_-]", lambda found: "\\" + found.group(), part) for part in parts)


def readings(value: str) -> list[str]:
    """A value, and the number or the truth value that it reads as, in FQL."""
    found = [quoted(value)]
    if value in {"true", "false"}:
        found.append(value)
    read = number(value)
    if read is not None and str(read) not in {"nan", "inf", "-inf"}:
        found.append(repr(read))
    return found


def compared(path: str, sign: str, limit: float | None) -> str:
    if limit is None:
        raise ValueError
    if str(limit) == "nan" or limit == (inf if sign == ">" else -inf):
        return "false"
    if abs(limit) == inf:
        return f'typeof({path}) = "number"'
    return f"{path} {sign} {limit!r}"


def number(text: str) -> float | None:
    kinds: tuple[type[float], ...] = (int, float)
    for kind in kinds:
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def any_of(parts: list[str]) -> str:
    return " or ".join(parts)


def quoted(text: str) -> str:
    return '"' + re.sub(r"""\\(?=[\\'"]|\Z)""", r"\\\\", text).replace('"', '\\"') + '"'


def escaped(text: str) -> str:
    """A pattern that is this text."""
    return re.sub(r"[*?\[\\]", lambda found: "\\" + found.group(), text)


def glob(pattern: str) -> str | None:
    """What Python's fnmatch matched, as a glob of FQL; None if it matched nothing."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        end = class_end(pattern, at) if char == "[" else -1
        if end >= 0:
            members = class_members(pattern[at:end])
            if members is None:
                return None
            parts.append(members)
            at = end + 1
        else:
            parts.append(char if char in "*?" else escaped(char))
    return "".join(parts)


def class_end(pattern: str, at: int) -> int:
    """Where brackets end; -1 if they do not, and the first one is a character like any other."""
    at += pattern.startswith("!", at)
    at += pattern.startswith("]", at)
    return pattern.find("]", at)


def class_members(stuff: str) -> str | None:
    """What stands in brackets; None if no character is among it. Odd cases are as odd as fnmatch has them."""
    chunks: list[str] = []
    at, dash = 0, stuff.find("-", 2 if stuff.startswith("!") else 1)
    while dash >= 0:
        chunks.append(stuff[at:dash])
        at = dash + 1
        dash = stuff.find("-", dash + 3)
    if stuff[at:] or not chunks:
        chunks.append(stuff[at:])
    else:
        chunks[-1] += "-"
    for i in range(len(chunks) - 1, 0, -1):
        if chunks[i - 1][-1] > chunks[i][0]:  # a range of nothing
            chunks[i - 1 : i + 1] = [chunks[i - 1][:-1] + chunks[i][1:]]
    negated = chunks[0].startswith("!")
    parts = ["".join(member(char) for char in chunk) for chunk in (chunks[0][negated:], *chunks[1:])]
    members = "\\-" + "-".join(parts[1:]) if len(parts) > 1 and not parts[0] else "-".join(parts)
    if members:
        return f"[{'^' if negated else ''}{members}]"
    return "?" if negated else None


def member(char: str) -> str:
    return "\\" + char if char in "-]\\^" else char


class Migration(migrations.Migration):
    dependencies = [("control", "0007_sessions")]

    operations = [migrations.RunPython(write_fql, migrations.RunPython.noop)]
