"""The mapping as a table: the traits that were seen or are named, where each goes, and the text that a form asks for."""

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
    """`property` is what the field shows: also of a trait that goes nowhere, where it would go. `was`: how a page
    remembers the row that it shows.
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


def table(row: Destination, wanted: str, after: str) -> Table:
    """The traits that hold a text, a page of them. Raises WrongMapping."""
    rules = parse_mapping(text_of(row)).rules
    mapping = Mapping(rules, only_listed=only_listed(row))
    seen = set(TraitName.objects.filter(destination_id=row.id).values_list("trait", flat=True))
    traits = sorted(each for each in seen | set(rules) if wanted.lower() in each.lower())
    start = bisect_right(traits, after) if after else 0
    page = traits[start : start + SIZE]
    rivals = {each: found for found in shared_properties(row.id, mapping).values() for each in found}
    rows = [
        _row(mapping, each, is_ruled=each in rules, is_seen=each in seen, rivals=rivals.get(each, []))
        for each in page
    ]
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


def asked(row: Destination, form: QueryDict) -> str:
    """The mapping as text with what the table's form asks for; rows that are as they `was` when the page was opened
    ask for nothing: somebody else may have changed them meanwhile. Raises WrongMapping.
    """
    text, is_listed = text_of(row), only_listed(row)
    sends = set(form.getlist("sends"))
    columns = [form.getlist(each) for each in ("trait", "property", "was")]
    for trait, name, was in zip_longest(*columns, fillvalue=""):
        if not trait or _mark(name.strip(), sends=trait in sends) == was:
            continue
        wanted = (name.strip() or trait) if trait in sends else None
        text = with_target(text, trait, wanted, only_listed=is_listed)
    if new := form.get("new_trait", "").strip():
        name = form.get("new_property", "").strip()
        text = with_target(text, new, name or new, only_listed=is_listed)
    return text


def _mark(name: str, *, sends: bool) -> str:
    return f"{'+' if sends else '-'}{name}"


def _row(mapping: Mapping, trait: str, *, is_ruled: bool, is_seen: bool, rivals: list[str]) -> Row:
    place = mapping.place(trait)
    if trait == EMAIL and place.why_not == KEY:
        return Row(trait, "", sends=False, why_not=KEY, is_ruled=False, is_seen=is_seen, shares=[])
    name, sends = place.property or property_name(trait), not place.why_not
    return Row(
        trait,
        name,
        sends=sends,
        why_not=place.why_not,
        is_ruled=is_ruled,
        is_seen=is_seen,
        shares=[each for each in rivals if each != trait][:3],
        was=_mark(name, sends=sends),
    )
