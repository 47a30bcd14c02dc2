"""The preview of a contact, laid out for `jetbridge destinations preview`."""

import json

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from jetbridge.integrations.mailjet.sync.preview import SENT, Preview, TraitPreview


def page(result: Preview) -> Group:
    if result.outcome != "delivered":
        return Group(Text(f"{result.outcome} ({result.code}): {result.message}"))
    lines = [Text(f"{label:<10}{value}") for label, value in _facts(result).items()]
    return Group(*lines, _traits(result.traits))


def _facts(result: Preview) -> dict[str, str]:
    action = (
        result.action
        if result.effect == result.action
        else f"{result.action}, which consent makes {result.effect}"
    )
    if result.unreadable:
        action = f"left as it is (UNREADABLE_CONSENT: {result.unreadable})"
    facts = {
        "contact": f"{result.email}{' (new)' if result.is_new else ''}",
        "name": result.name or "",
        "engage": f"sets the property of {result.engage_key}, and moves no address"
        if result.engage_key
        else "",
        "list": f"{result.list_id}: {action}" if result.list_id else "",
        "former": f"{result.moves_from}, which leaves its lists" if result.moves_from else "",
        "calls": "" if result.needs_call else "none: Mailjet has it all",
    }
    return {label: value for label, value in facts.items() if value}


def _traits(traits: list[TraitPreview]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("Trait", "Property", "Datatype", "Value", "What happens"):
        table.add_column(heading, overflow="fold")
    for trait in traits:
        style = {SENT: "green"}.get(trait.state, "" if trait.property and not trait.reason else "yellow")
        datatype = f"would be created as {trait.datatype}" if trait.created else trait.datatype or "-"
        state = f"{trait.state}: {trait.reason}" if trait.reason else trait.state
        value = json.dumps(trait.value, ensure_ascii=False)
        cells = (trait.trait, trait.property or "-", datatype, value, state)
        table.add_row(*(Text(cell) for cell in cells[:-1]), Text(state, style=style))
    return table
