"""Tags of the pages of destinations."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from django import template
from django.utils.safestring import SafeString, mark_safe

from jetbridge.console import charts
from jetbridge.console.charts import Part
from jetbridge.console.templatetags.console import icon
from jetbridge.integrations import registry

register = template.Library()


@register.simple_tag
def integration_icon(kind: str) -> SafeString:
    """The icon of a kind of destination, brought by its folder; one for all that have none of their own."""
    found = registry.destinations().get(kind)
    drawn = found.icon() if found else ""
    return mark_safe(drawn.strip()) if drawn else icon("integration")  # noqa: S308 - our own files


#: Call types as Segment's spec tells of them.
_ORDER = ("identify", "track", "page", "screen", "group", "alias", "delete")


@register.filter
def ordered(types: Iterable[str]) -> list[str]:
    return sorted(types, key=_ORDER.index)


@register.filter
def as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@register.filter
def spark(values: Sequence[int]) -> list[Part]:
    """A course of figures, drawn."""
    return charts.spark(values)
