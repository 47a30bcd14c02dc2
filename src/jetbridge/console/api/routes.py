"""All endpoints, in the order in which the documents show them."""

from jetbridge.console.api import (
    accounts,
    destinations,
    failures,
    people,
    replays,
    sources,
    tasks,
    trace,
    workspace,
)
from jetbridge.console.api.endpoint import Endpoint

#: Heading -> module.
MODULES = {
    "Workspace": workspace,
    "Sources": sources,
    "Mailjet accounts": accounts,
    "Destinations": destinations,
    "Failures": failures,
    "Tasks": tasks,
    "Replays": replays,
    "Trace": trace,
    "People": people,
}

BY_HEADING: dict[str, list[Endpoint]] = {
    heading: [each for each in vars(module).values() if isinstance(each, Endpoint)]
    for heading, module in MODULES.items()
}

ENDPOINTS = [each for endpoints in BY_HEADING.values() for each in endpoints]
