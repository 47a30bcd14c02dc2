"""Templates stay readable: short lines, and components instead of copies of their HTML."""

import re

import pytest
from structure import source

#: HTML that is written in console/components alone -> the tag that makes it.
COMPONENTS = {
    r'class="callout[" ]': "callout",
    r'class="crumbs"': "breadcrumbs",
    r'class="table-scroll"': "table",
    r'class="copy-field">\s*<code id=': "copy_field",
    r'class="empty"><': "empty_state",
    r'hx-target="#slide-out-body"': "slide_out",
    r'<span class="badge[\w ]*">[\w ]+</span>': "badge",
    r'<a href="{{ href }}" {% if request.path': "nav_link",
}


def test_no_line_is_over_120_characters() -> None:
    assert source.long_template_lines() == 0


@pytest.mark.parametrize("html", COMPONENTS)
def test_components_are_used_and_not_copied(html: str) -> None:
    copies = [
        path.name
        for path in source.ROOT.glob("src/**/templates/**/*.html")
        if path.parent.name != "components" and re.search(html, path.read_text())
    ]
    assert copies == [], f"use {{% {COMPONENTS[html]} %}}"
