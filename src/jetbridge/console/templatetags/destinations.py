"""Tags of the pages of destinations."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from django import template
from django.template.loader import select_template
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_tag
@cache
def mark(kind: str) -> SafeString:
    """The mark of a kind of destination, drawn by us; one for all that have none of their own."""
    names = [f"console/destinations/marks/{each}.svg" for each in (kind, "other")]
    drawn: str = select_template(names).render()
    return mark_safe(drawn.strip())  # noqa: S308 - our own files


#: Call types as Segment's spec tells of them.
_ORDER = ("identify", "track", "page", "screen", "group", "alias", "delete")


@register.filter
def ordered(types: Iterable[str]) -> list[str]:
    return sorted(types, key=_ORDER.index)


@register.filter
def as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
