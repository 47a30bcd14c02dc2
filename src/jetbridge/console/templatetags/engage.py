"""Tags of the pages of Engage."""

from typing import Any

from django import template
from django.urls import reverse

from jetbridge.console.engage.page import PREFIXES
from jetbridge.engage.models import Computation

register = template.Library()


@register.simple_tag(takes_context=True)
def computation_url(context: Any, row: Computation, page: str = "", *args: object) -> str:
    """Of a page of an audience or of a computed trait, as `engage.page.address`."""
    name = PREFIXES[row.computation_class]
    return reverse(f"{name}-{page}" if page else name, args=[context["workspace"].id, row.id, *args])
