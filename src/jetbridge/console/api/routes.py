"""All endpoints, in the order in which the documents show them."""

from types import ModuleType

from jetbridge.console.api import (
    accounts,
    alerts,
    audit_log,
    catalog,
    connections,
    contacts,
    destinations,
    email_events,
    failures,
    figures,
    mapping,
    members,
    messages,
    replays,
    schema,
    sources,
    tasks,
    tokens,
    trace,
    trials,
    workspace,
    workspaces,
)
from jetbridge.console.api.endpoint import Endpoint

#: Heading -> modules.
MODULES: dict[str, tuple[ModuleType, ...]] = {
    "Workspace": (workspace, workspaces),
    "Sources": (sources, schema, messages),
    "Mailjet accounts": (accounts, connections, email_events),
    "Destinations": (catalog, destinations, figures),
    "Mapping, filters, tests": (mapping, trials),
    "Failures": (failures,),
    "Tasks": (tasks,),
    "Replays": (replays,),
    "Trace": (trace,),
    "Contacts": (contacts,),
    "Members": (members,),
    "API tokens": (tokens,),
    "Alerts": (alerts,),
    "Audit log": (audit_log,),
}

BY_HEADING: dict[str, list[Endpoint]] = {
    heading: [each for module in modules for each in vars(module).values() if isinstance(each, Endpoint)]
    for heading, modules in MODULES.items()
}

ENDPOINTS = [each for endpoints in BY_HEADING.values() for each in endpoints]
