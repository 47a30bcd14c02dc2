"""Names that people give to things."""

import pytest

from jetbridge.control import names
from jetbridge.errors import ConfigurationError


@pytest.mark.parametrize("name", ["Ada", "\U0001f389 Party", "مرحبا audience", "👩\u200d💻 Coders", "x" * 200])  # fmt: skip
def test_a_name_may_be_in_any_language(name: str) -> None:
    assert names.checked("an audience", f" {name} ") == name


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 201, "a\nb", "a\0b", *(f"a{chr(code)}b" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))]
)  # fmt: skip
def test_a_name_that_changes_what_stands_around_it_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="The name of an audience"):
        names.checked("an audience", name)
