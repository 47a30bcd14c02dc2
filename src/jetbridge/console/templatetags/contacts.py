"""How values of contacts are shown."""

import json
from typing import Any

from django import template

register = template.Library()


@register.filter
def value(said: Any) -> str:
    """A text as it is; anything else as JSON has it: true, 3, null."""
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
