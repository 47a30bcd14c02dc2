"""Words that the project gave up for the field's own do not come back."""

import ast
from pathlib import Path

import pytest
from structure import source, words

USES = words.uses(source.modules())


@pytest.mark.parametrize("line", words.gone())
def test_a_retired_word_does_not_come_back(line: str) -> None:
    assert not USES[line], f"{line!r} is used {USES[line]} times: docs/glossary.md has the word to use"


def test_a_word_is_seen_inside_of_identifiers() -> None:
    tree = ast.parse("class ContactWish:\n    def is_told(self, taken_over): self.wishes = 1")
    uses = words.uses([source.Module("jetbridge.contacts.keeper", Path(), tree)])
    assert {word for word in ("wish", "told", "taken_over", "wishes", "keeper") if uses[word]} == {
        "wish",
        "told",
        "taken_over",
        "wishes",
        "keeper",
    }
