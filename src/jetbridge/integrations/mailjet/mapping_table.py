"""The mapping as a table: the traits that were seen or are named, where they go, and the text after an edit of the table."""

from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import zip_longest

from django.http import QueryDict

from jetbridge.control.models import Destination
from jetbridge.integrations.mailjet import settings
from jetbridge.integrations.mailjet.contacts.mapping import (
    KEY,
    Mapping,
    parse_mapping,
    shared_properties,
    with_target,
)
from jetbridge.integrations.mailjet.models import TraitName
from jetbridge.spec.names import property_name
from jetbridge.spec.person import EMAIL

#: Rows of one page.
SIZE = 100


@dataclass(frozen=True)
class Row:
    """`property` is what the field shows: also of a trait that goes nowhere, where it would go. `was`: the row
    as the page has shown it.
    """

    trait: str
    property: str
    sends: bool
    why_not: str
    is_ruled: bool
    is_seen: bool
    shares: list[str]
    was: str = ""


@dataclass(frozen=True)
class Table:
    """`after` is the trait after which to go on, or empty."""

    rows: list[Row]
    after: str
    total: int


def only_listed(row: Destination) -> bool:
    return bool(row.settings.get("properties") == settings.LISTED)


def text_of(row: Destination) -> str:
    return str(row.settings.get("mapping") or "")


def table(row: Destination, query: str, after: str) -> Table:
    """The traits whose names contain the query, a page of them. Raises WrongMapping."""
    rules = parse_mapping(text_of(row)).rules
    mapping = Mapping(rules, only_listed=only_listed(row))
    seen = set(TraitName.objects.filter(destination_id=row.id).values_list("trait", flat=True))
    traits = sorted(trait for trait in seen | set(rules) if query.lower() in trait.lower())
    start = bisect_right(traits, after) if after else 0
    page = traits[start : start + SIZE]
    sharing = {trait: traits for traits in shared_properties(row.id, mapping).values() for trait in traits}
    rows = []
    for trait in page:
        place = mapping.place(trait)
        is_seen = trait in seen
        if trait == EMAIL and place.why_not == KEY:
            rows.append(Row(trait, "", sends=False, why_not=KEY, is_ruled=False, is_seen=is_seen, shares=[]))
            continue
        name, sends = place.property or property_name(trait), not place.why_not
        shown = Row(
            trait,
            name,
            sends=sends,
            why_not=place.why_not,
            is_ruled=trait in rules,
            is_seen=is_seen,
            shares=[other for other in sharing.get(trait, []) if other != trait][:3],
            was=_mark(name, sends=sends),
        )
        rows.append(shown)
    return Table(rows, page[-1] if start + SIZE < len(traits) else "", len(traits))


def as_typed(table: Table, form: QueryDict) -> Table:
    """With what was typed into its rows and was not saved."""
    sends = set(form.getlist("sends"))
    names = dict(zip(form.getlist("trait"), form.getlist("property"), strict=False))
    rows = [
        replace(row, property=names[row.trait], sends=row.trait in sends) if row.trait in names else row
        for row in table.rows
    ]
    return Table(rows, table.after, table.total)


def edited_text(row: Destination, form: QueryDict) -> str:
    """The mapping as text after the edits of the table's form. Raises WrongMapping.

    Rows that are as they `was` when the page was opened are not edited: somebody else may have changed them meanwhile.
    """
    text, is_listed = text_of(row), only_listed(row)
    sends = set(form.getlist("sends"))
    columns = [form.getlist(name) for name in ("trait", "property", "was")]
    for trait, name, was in zip_longest(*columns, fillvalue=""):
        if not trait or _mark(name.strip(), sends=trait in sends) == was:
            continue
        target = (name.strip() or trait) if trait in sends else None
        text = with_target(text, trait, target, only_listed=is_listed)
    if new := form.get("new_trait", "").strip():
        name = form.get("new_property", "").strip()
        text = with_target(text, new, name or new, only_listed=is_listed)
    return text


def _mark(name: str, *, sends: bool) -> str:
    return f"{'+' if sends else '-'}{name}"
