"""What a destination calls Mailjet's email events: two settings that every kind has that accepts track calls.

The event log has the names of Segment's Email spec. They are changed when routing has let a message through
(`Route.email_event_names`), so everything that looks at the log agrees on one name, and everything behind the destination on
the other.
"""

from collections.abc import Mapping
from typing import Any, Final

from jetbridge.errors import PauseError
from jetbridge.integrations.setting import Choice, Object, is_empty
from jetbridge.spec.email_events import CATALOGUE_UNSUBSCRIBED, EVENT_NAMES

#: Characters of a name. Segment names no limit; tables of warehouses are named after the event.
NAME_CHARACTERS: Final = 100

#: By preset: names by type of Mailjet's event, where they differ from EVENT_NAMES.
_PRESETS: Final[Mapping[str, Mapping[str, str]]] = {
    "spec": {},
    "source": {"unsub": CATALOGUE_UNSUBSCRIBED},
    "mailjet": {event_type: event_type for event_type in EVENT_NAMES},
}


def _error(names: Mapping[str, Any]) -> str:
    for event_type, name in names.items():
        if event_type not in EVENT_NAMES:
            return f"{event_type[:40]!r} is no type of Mailjet's events: there are {', '.join(EVENT_NAMES)}."
        if is_empty(name):
            continue
        if not isinstance(name, str) or not name.isprintable() or name != name.strip():
            return f"The name of {event_type} has to be a text without line breaks, and without blanks at its ends."
        if len(name) > NAME_CHARACTERS:
            return f"The name of {event_type} is longer than {NAME_CHARACTERS} characters."
    return ""


def shared_names(values: Mapping[str, Any]) -> list[str]:
    """What a person should know about the settings of a destination: the names that several events have."""
    types_of: dict[str, list[str]] = {}
    preset = values.get(PRESET.name) or PRESET.default
    for event_type, name in _named(values.get(OWN_NAMES.name) or {}, preset).items():
        types_of.setdefault(name, []).append(event_type)
    return [
        f"{', '.join(types[:-1])} and {types[-1]} are {'both' if len(types) == 2 else 'all'} named {name}: context.mailjet.event tells them apart."
        for name, types in types_of.items()
        if len(types) > 1
    ]


PRESET = Choice(
    name="emailEventNames",
    label="Names of email events",
    help="What Mailjet's email events are called here. Filters, the debugger and the choice of events that go on keep the "
    "names of Segment's Email spec.",
    default="spec",
    choices={
        "spec": "Segment's Email spec: Email Opened, Unsubscribed",
        "source": "Segment's own Mailjet source: Email Opened, Email Unsubscribed",
        "mailjet": "Mailjet's: open, unsub",
    },
    group="Email events",
)
OWN_NAMES = Object(
    name="ownEmailEventNames",
    label="Other names of email events",
    help="They win over the names above. Two events may have one name.",
    required=False,
    keys=EVENT_NAMES,
    values={"type": "string", "maxLength": NAME_CHARACTERS},
    group="Email events",
    error=_error,
)


def email_event_names_of(settings: Mapping[str, Any]) -> Mapping[str, str]:
    """The names that differ in the settings of a destination, by those of the log. Raises PauseError for settings that cannot be read."""
    preset = settings.get(PRESET.name) or PRESET.default
    own = settings.get(OWN_NAMES.name) or {}
    for setting, value in ((PRESET, preset), (OWN_NAMES, own)):
        if problem := setting.problem(value):
            raise PauseError("INVALID_SETTINGS", f"{setting.label}: {problem}")
    names = _named(own, preset)
    return {
        EVENT_NAMES[event_type]: name for event_type, name in names.items() if name != EVENT_NAMES[event_type]
    }


def _named(own: Mapping[str, Any], preset: str) -> dict[str, str]:
    """Every type of event with its name."""
    return {
        **EVENT_NAMES,
        **_PRESETS[preset],
        **{key: name for key, name in own.items() if not is_empty(name)},
    }
