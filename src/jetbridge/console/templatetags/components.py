"""The components of pages, built in: fields, callouts, tables, badges, breadcrumbs, links. The style guide shows each of them."""

from typing import Any

from django import template
from django.forms import BoundField
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from jetbridge.console.context import SLIDE_OUT
from jetbridge.console.templatetags.console import icon as draw_icon

register = template.Library()

#: The icon of a callout, by tone.
_ICONS = {"": "info", "good": "check", "warn": "alert", "bad": "alert", "paused": "alert"}
_TONES = {
    **dict.fromkeys(["delivered", "ended", "running", "yes"], "good"),
    **dict.fromkeys(["failed", "paused", "stalled", "no"], "bad"),
    **dict.fromkeys(["pending", "waits", "unknown"], "warn"),
    "open": "accent",
}


@register.inclusion_tag("console/components/field.html")
def field(bound: BoundField, **options: Any) -> dict[str, Any]:
    """A form's field: label, control, help, error. `secret=True` adds the button that shows what was typed."""
    return {"field": bound, **options}


@register.inclusion_tag("console/components/copy_field.html")
def copy_field(value: object, *, id: str, label: str, focus: bool = False) -> dict[str, object]:  # noqa: A002 - HTML's name
    """A value to be copied: one line with a button. `label` is what it is, for screen readers."""
    return {"value": value, "id": id, "label": label, "focus": focus}


@register.inclusion_tag("console/components/code_block.html")
def code_block(
    text: str,
    *,
    id: str,  # noqa: A002 - as in HTML
    label: str = "",
    copy: str = "",
    wraps: bool = False,
) -> dict[str, object]:
    """Code to be copied. `label` names it, `copy` its button, for screen readers."""
    return {"text": text, "id": id, "label": label, "copy_label": copy, "wraps": wraps}


@register.simple_block_tag
def callout(
    content: SafeString,
    tone: str = "",
    *,
    icon: str = "",
    role: str = "",
    light: str = "",
    is_error: bool = False,
) -> SafeString:
    """A message in a box. `is_error`: why a form was not saved; the page scrolls to it. `light`: the code of a Light."""
    role = role or ("alert" if is_error else "")
    context = {
        "content": content,
        "tone": tone,
        "icon": icon or _ICONS[tone],
        "role": role,
        "light": light,
        "is_error": is_error,
    }
    return render_to_string("console/components/callout.html", context)


@register.simple_block_tag
def empty_state(content: SafeString, *, title: str, icon: str = "info", **link: Any) -> SafeString:
    """What a page shows without rows. `href`, `action` and `slides_out` make the button of the first thing to do."""
    context = {"content": content, "title": title, "icon": icon, **link}
    return render_to_string("console/components/empty_state.html", context)


@register.simple_block_tag
def table(content: SafeString, label: str = "", *, kind: str = "", labelledby: str = "") -> SafeString:
    """A table that scrolls sideways where it is too wide. `kind`: compact, stacks (rows become cards on narrow screens)."""
    context = {"content": content, "label": label, "kind": kind, "labelledby": labelledby}
    return render_to_string("console/components/table.html", context)


@register.simple_tag
def badge(text: object, tone: str = "", *, dot: bool = False, icon: str = "", title: str = "") -> SafeString:
    """A short state, in a tone: good, warn, bad, accent or none."""
    return format_html(
        '<span class="badge{}{}"{}>{}{}</span>',
        f" {tone}" if tone else "",
        " dot" if dot else "",
        format_html(' title="{}"', title) if title else "",
        draw_icon(icon) if icon else "",
        text,
    )


@register.filter
def tone(state: str) -> str:
    """The tone of a badge that shows an outcome or a state."""
    return _TONES.get(state, "")


@register.simple_block_tag
def breadcrumbs(content: SafeString) -> SafeString:
    """The way to a page, made of `crumb`."""
    return format_html('<nav class="crumbs" aria-label="Breadcrumb">{}</nav>', content)


@register.simple_tag
def crumb(label: object, to: str = "", *args: object) -> SafeString:
    """A step of the way: with the name of a page and its arguments, or with an address, a link."""
    if not to:
        return format_html("<span>{}</span>", label)
    return format_html('<a href="{}">{}</a>', _address(to, args), label)


@register.simple_tag(takes_context=True)
def nav_link(
    context: dict[str, Any], label: object, to: str, *args: object, icon: str = "", exact: bool = False
) -> SafeString:
    """A link to a page that is marked on this page and, unless `exact`, on those below it."""
    address, path = _address(to, args), context["request"].path
    is_current = path == address if exact else path.startswith(address)
    return format_html(
        '<a href="{}"{}>{}{}</a>',
        address,
        SafeString(' aria-current="page"' if is_current else ""),
        draw_icon(icon) if icon else "",
        label,
    )


@register.simple_tag
def slide_out(href: str, **query: str) -> SafeString:
    """The attributes of a link whose page opens in the slide-out."""
    address = f"{href}?{urlencode(query)}" if query else href
    return format_html('href="{0}" hx-get="{0}" hx-target="#{1}"', address, SLIDE_OUT)


def _address(to: str, args: tuple[object, ...]) -> str:
    return to if to.startswith("/") else reverse(to, args=args)
