"""Filters of the pages of sources."""

from datetime import UTC, datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html

from jetbridge.console.templatetags.console import exact
from jetbridge.control.models import Source, SourceKind
from jetbridge.eventlog.base import INVALID
from jetbridge.integrations import registry

register = template.Library()


@register.filter
def type_tone(kind: str) -> str:
    """The tone of a record's badge."""
    return {INVALID: "bad", "identify": "accent"}.get(kind, "")


@register.filter
def clock(ms: int) -> str:
    """As "12:03:04.123", before today with the date; all of it on hover."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    date = "" if at.date() == timezone.now().date() else at.strftime("%d %b ")
    text = date + at.strftime("%H:%M:%S.%f")[:12]
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact(at), text)


@register.filter
def moment(ms: int) -> str:
    """The date and time of ms since 1970."""
    return exact(datetime.fromtimestamp(ms / 1000, UTC))


@register.filter
def takes_imports(source: Source) -> bool:
    """Whether people can be imported into it."""
    return source.kind != SourceKind.ENGAGE and source.kind not in registry.sources()
