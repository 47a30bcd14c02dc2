"""Tags of the pages of destinations."""

import json
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
    """The icon of a kind of destination, from its folder; a general one for kinds without."""
    integration = registry.destinations().get(kind)
    svg = integration.icon() if integration else ""
    return mark_safe(svg.strip()) if svg else icon("integration")  # noqa: S308 - our own files


#: Call types in the order of Segment's spec.
_ORDER = ("identify", "track", "page", "screen", "group", "alias", "delete")


@register.filter
def ordered(types: Iterable[str]) -> list[str]:
    return sorted(types, key=_ORDER.index)


@register.filter
def as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@register.filter
def spark(values: Sequence[int]) -> list[Part]:
    """Small bars."""
    return charts.spark(values)


@register.filter
def value(value: Any) -> str:
    """A value of a contact: a text as it is, anything else as JSON (true, 3, null)."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
