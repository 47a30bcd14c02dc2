"""The destinations there are: one line each."""

from importlib import import_module

from jetbridge.destinations.definition import Definition

_MODULES = (
    "jetbridge.destinations.mailjet.definition",
    "jetbridge.destinations.segment.definition",
)

DEFINITIONS: dict[str, Definition] = {
    definition.kind: definition for definition in (import_module(name).DEFINITION for name in _MODULES)
}
