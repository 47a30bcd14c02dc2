"""What the arguments of commands name: a destination, a workspace, sources; and who acts."""

from collections.abc import Sequence
from typing import TypeVar

from django.db.models import QuerySet

from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination, Source, SourceKind, Workspace
from jetbridge.engage.models import Computation
from jetbridge.errors import ConfigurationError

_Row = TypeVar("_Row", Destination, Source)

#: Stands for every source that the workspace has now and that people connect.
ALL = "all"


def destination(name: str, of: Workspace | None = None) -> Destination:
    """The one with this id, else with this name; of one workspace, or of all. Raises ConfigurationError."""
    rows = Destination.objects.select_related("workspace").prefetch_related("sources")
    rows = rows.filter(workspace=of) if of else rows
    if row := _by_id_or_name(rows, name, "destination"):
        return row
    raise ConfigurationError(
        f"There is no destination {name[:60]}: `jetbridge destinations list` lists them."
    )


def source(name: str) -> Source:
    """The one with this id, else with this name. Raises ConfigurationError."""
    rows = Source.objects.select_related("workspace")
    if row := _by_id_or_name(rows, name, "source"):
        return row
    available = ", ".join(f"{row.name} (id {row.id})" for row in rows.order_by("id")[:20]) or "none"
    raise ConfigurationError(f"There is no source {name[:60]}; there are {available}.")


def _by_id_or_name(rows: QuerySet[_Row], name: str, noun: str) -> _Row | None:
    """None if there is none. Raises ConfigurationError where several have the name."""
    rows = rows.order_by("id")
    matches = list(rows.filter(id=name)) if name.isascii() and name.isdecimal() and len(name) < 19 else []
    matches = matches or list(rows.filter(name=name))
    if len(matches) > 1:
        ids = ", ".join(f"{row.id} ({row.workspace})" for row in matches)
        raise ConfigurationError(f"Several {noun}s are named {name[:60]}. Give an id: {ids}.")
    return matches[0] if matches else None


def computation(
    computation_class: str, noun: str, command: str, name: str, workspace_name: str | None
) -> Computation:
    """The audience or computed trait with this id, else with this key, else with this name. Raises ConfigurationError."""
    rows = Computation.objects.filter(computation_class=computation_class, deleted_at=None).order_by("id")
    if workspace_name is not None:
        rows = rows.filter(space__workspace=workspace(workspace_name))
    rows = rows.select_related("space__workspace")
    fields = (
        ("id", "key", "name") if name.isascii() and name.isdecimal() and len(name) < 19 else ("key", "name")
    )
    matches = next((same for field in fields if (same := list(rows.filter(**{field: name})))), [])
    if len(matches) > 1:
        ids = ", ".join(f"{row.id} ({row.space.workspace})" for row in matches)
        raise ConfigurationError(f"Several {noun}s are named {name[:60]}. Give an id: {ids}.")
    if not matches:
        raise ConfigurationError(f"There is no {noun} {name[:60]}: `jetbridge {command} list` lists them.")
    return matches[0]


def workspace(name: str | None) -> Workspace:
    """The one with this name, else the only one. Raises ConfigurationError."""
    rows = list(Workspace.objects.filter(**({"name": name} if name else {})).order_by("id"))
    if not rows:
        raise ConfigurationError(
            f"There is no workspace {name[:60]}."
            if name
            else "There is no workspace yet: make one in the console, or with `jetbridge setup`."
        )
    if len(rows) > 1:
        names = ", ".join(map(str, rows[:20]))
        raise ConfigurationError(f"There are several workspaces: {names}. Say which with --workspace.")
    return rows[0]


def sources(of: Workspace, names: Sequence[str]) -> list[int]:
    """Ids of the sources with these names or ids; `all` are all that there are. Raises ConfigurationError."""
    rows: list[Source] = list(of.sources.exclude(kind=SourceKind.ENGAGE).order_by("name"))
    if ALL in names:
        return [row.id for row in rows]
    ids = []
    for name in names:
        named = [row for row in rows if name in {row.name, str(row.id)}]
        if not named:
            there = ", ".join(row.name for row in rows) or "it has none"
            raise ConfigurationError(
                f"There is no source {name[:60]} in {of}; there are {there}. Or say {ALL}."
                if rows
                else f"There is no source {name[:60]} in {of}: {there}."
            )
        ids.append(named[0].id)
    return ids


def actor(of: Workspace, command: str) -> Actor:
    """Who changes something, as the audit log names it: the command, such as `destinations add`."""
    return Actor(of, None, f"jetbridge {command}")
