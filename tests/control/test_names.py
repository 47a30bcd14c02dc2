"""Names that people give to things."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.control import names
from jetbridge.errors import ConfigurationError

#: They change the direction of the text after them.
DIRECTIONS = [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]


@pytest.mark.parametrize("name", ["Ada", "\U0001f389 Party", "مرحبا audience", "👩\u200d💻 Coders", "x" * 200])  # fmt: skip
def test_a_name_may_be_in_any_language(name: str) -> None:
    assert names.checked("an audience", f" {name} ") == name


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 201, "a\nb", "a\0b", *(f"a{each}b" for each in DIRECTIONS)]
)  # fmt: skip
def test_a_name_that_changes_what_stands_around_it_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="The name of an audience"):
        names.checked("an audience", name)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=DIRECTIONS), max_size=300))
def test_any_other_name_is_kept_but_for_the_space_around_it(name: str) -> None:
    if 0 < len(name.strip()) <= names.LONGEST:
        kept = names.checked("a source", name)
        assert kept == name.strip() == names.checked("a source", kept)
    else:
        with pytest.raises(ConfigurationError, match="has 1 to 200 characters"):
            names.checked("a source", name)
