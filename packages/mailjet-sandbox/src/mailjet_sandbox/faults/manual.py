"""What each kind of fault takes, in words: for error messages, and for the documentation, which a test compares with it."""

from inspect import getdoc

from msgspec import NODEFAULT, inspect

from mailjet_sandbox.faults.kinds import KINDS, SHARED, Fault


def fields_in_words(kind: type[Fault]) -> str:
    """List a kind's fields, for an error."""
    return "; ".join(
        f"{field.name} ({accepted(field.type)}{', required' if field.required else ''})"
        for field in _fields(kind)
    )


def manual() -> str:
    """Write the documentation's tables, in Markdown."""
    lines = ["| field | takes | default | meaning |", "|---|---|---|---|"]
    for group in SHARED:
        lines += [_field_row(field) for field in _own_fields(group)]
    lines += ["", "| kind | what happens | its own fields |", "|---|---|---|"]
    for name, kind in KINDS.items():
        own = "<br>".join(_field_entry(field) for field in _own_fields(kind))
        lines.append(f"| `{name}` | {' '.join((getdoc(kind) or '').split())} | {own} |")
    return "\n".join(lines) + "\n"


def _field_row(field: inspect.Field) -> str:
    default = "none" if field.default is None else f"`{field.default}`"
    return f"| `{field.name}` | {accepted(field.type)} | {default} | {_description(field)} |"


def _field_entry(field: inspect.Field) -> str:
    need = "required" if field.default is NODEFAULT else _default(field.default)
    return f"`{field.name}` ({accepted(field.type)}; {need}): {_description(field)}"


def _default(value: object) -> str:
    if value is None or value == "":
        return "none by default"
    return f"{str(value).lower() if isinstance(value, bool) else value} by default"


def _own_fields(kind: type[Fault]) -> list[inspect.Field]:
    inherited = {name for base in kind.__bases__ for name in getattr(base, "__struct_fields__", ())}
    return [field for field in _fields(kind) if field.name not in inherited]


def _fields(kind: type[Fault]) -> tuple[inspect.Field, ...]:
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    return described.fields


def _description(field: inspect.Field) -> str:
    extra = field.type.extra_json_schema if isinstance(field.type, inspect.Metadata) else None
    return str((extra or {}).get("description", ""))


def accepted(described: inspect.Type) -> str:
    """Say in words what a field takes."""
    match described:
        case inspect.Metadata(type=inner):
            return accepted(inner)
        case inspect.UnionType(types=types):
            return " or ".join(accepted(one) for one in types if not isinstance(one, inspect.NoneType))
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.IntType(ge=low, le=high):
            return f"a whole number{_bounds(low, high)}"
        case inspect.FloatType(ge=low, le=high):
            return f"a number{_bounds(low, high)}"
    return "true or false" if isinstance(described, inspect.BoolType) else "a text"


def _bounds(low: float | None, high: float | None) -> str:
    return f" from {low:g} up" if high is None else f" from {low:g} to {high:g}"
