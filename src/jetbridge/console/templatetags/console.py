"""Tags and filters of every template (they are built in): assets, icons, times, numbers, texts."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django import template
from django.conf import settings
from django.forms import BoundField, CheckboxInput
from django.template.loader import get_template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from jetbridge.console.assets import file_of

register = template.Library()

#: Seconds in a unit, and how it is written: the largest that fits is taken.
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
#: Of values beside each other.
SHOWN_CHARACTERS = 300
#: Beyond this, the date says more than the distance.
_FAR_SECONDS = 30 * 86_400


@register.simple_tag
@cache
def asset(path: str) -> str:
    """Address of a static file; it changes with the content, so that browsers may keep it for ever."""
    content = file_of(path).read_bytes()
    return f"{settings.STATIC_URL}{path}?v={hashlib.sha256(content).hexdigest()[:12]}"


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """One of our own icons, from templates/console/icons. Says nothing to screen readers: text goes beside it."""
    return mark_safe(get_template(f"console/icons/{name}.svg").render().strip())  # noqa: S308 - our own files


@register.filter
def ago(when: datetime | int | None) -> str:
    """As "3 min ago", with the exact time on hover. Takes a time, or milliseconds since 1970; "never" for None."""
    if when is None:
        return "never"
    at = when if isinstance(when, datetime) else datetime.fromtimestamp(when / 1000, UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        at.astimezone(UTC).isoformat(timespec="milliseconds"),
        exact(at),
        _distance(at),
    )


@register.filter
def exact(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@register.filter
def with_code(text: str) -> str:
    """Text between backticks becomes code."""
    parts = [("<code>{}</code>" if at % 2 else "{}", part) for at, part in enumerate(text.split("`"))]
    return format_html_join("", "{}", [(format_html(form, part),) for form, part in parts])


@register.filter
def in_words(action: str) -> str:
    """What the audit log calls "api-token.made", as "api token made"."""
    return action.replace("-", " ").replace(".", " ")


@register.filter
def detail_text(value: object) -> str:
    """A value of the audit log's details, which is JSON, for people: yes, no, none, and lists with commas."""
    match value:
        case None | "" | [] | {}:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(detail_text, value))
        case dict():
            return ", ".join(f"{name}: {detail_text(inner)}" for name, inner in value.items())
        case _:
            return str(value)


@register.filter
def number(value: float | None) -> str:
    """12,345, and nothing for None."""
    return "" if value is None else f"{value:,}"


@register.filter
def short(value: Any) -> str:
    """12.3k, for tiles and axes; the exact number belongs into a title."""
    if value is None:
        return ""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:  # where three digits round up to the next letter
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}"


@register.filter
def shortened(text: str) -> str:
    """A text of people's data as far as it is of use beside others."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text):,} characters)"


@register.filter
def split(text: str) -> list[str]:
    return text.split(",")


@register.filter
def is_checkbox(bound: BoundField) -> bool:
    return isinstance(bound.field.widget, CheckboxInput)


@register.filter
def starts_with(text: str, beginning: str) -> bool:
    return text.startswith(beginning)


def _distance(at: datetime) -> str:
    seconds = (timezone.now() - at).total_seconds()
    if abs(seconds) < 1:
        return "now"
    if abs(seconds) >= _FAR_SECONDS:
        return at.astimezone(UTC).strftime("%Y-%m-%d")
    size, letter = next(unit for unit in _UNITS if abs(seconds) >= unit[0])
    text = f"{int(abs(seconds) // size)} {letter}"
    return f"{text} ago" if seconds > 0 else f"in {text}"
