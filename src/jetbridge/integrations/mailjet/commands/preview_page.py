"""The preview of a contact, laid out for `jetbridge destinations preview`."""

import json

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from jetbridge.integrations.mailjet.sync.preview import SENT, Preview


def page(preview: Preview) -> Group:
    if preview.outcome != "delivered":
        return Group(Text(f"{preview.outcome} ({preview.code}): {preview.message}"))
    action = preview.action
    if preview.effect != preview.action:
        action = f"{preview.action}, which consent makes {preview.effect}"
    if preview.unreadable:
        action = f"left as it is (UNREADABLE_CONSENT: {preview.unreadable})"
    engage = f"sets the property of {preview.engage_key}, and moves no address" if preview.engage_key else ""
    facts = {
        "contact": f"{preview.email}{' (new)' if preview.is_new else ''}",
        "name": preview.name or "",
        "engage": engage,
        "list": f"{preview.list_id}: {action}" if preview.list_id else "",
        "former": f"{preview.moves_from}, which leaves its lists" if preview.moves_from else "",
        "calls": "" if preview.needs_call else "none: Mailjet has it all",
    }

    table = Table(box=SIMPLE_HEAD)
    for heading in ("Trait", "Property", "Datatype", "Value", "What happens"):
        table.add_column(heading, overflow="fold")
    for trait in preview.traits:
        style = {SENT: "green"}.get(trait.state, "" if trait.property and not trait.reason else "yellow")
        datatype = f"would be created as {trait.datatype}" if trait.created else trait.datatype or "-"
        state = f"{trait.state}: {trait.reason}" if trait.reason else trait.state
        value = json.dumps(trait.value, ensure_ascii=False)
        cells = (trait.trait, trait.property or "-", datatype, value)
        table.add_row(*map(Text, cells), Text(state, style=style))
    return Group(*(Text(f"{label:<10}{value}") for label, value in facts.items() if value), table)
