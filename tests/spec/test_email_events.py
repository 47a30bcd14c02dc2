"""Which CustomID can be a userId."""

from typing import Any

import pytest

from jetbridge.spec.email_events import CUSTOM_ID_CHARACTERS, user_id_of_custom_id


@pytest.mark.parametrize(
    ("custom_id", "user_id"),
    [
        ("u1", "u1"),
        (" u1\t", "u1"),
        ("Ada Lovelace", "Ada Lovelace"),
        ("é", "é"),
        (17, "17"),
        (0, "0"),
        (2**62 + 1, str(2**62 + 1)),
        ("x" * CUSTOM_ID_CHARACTERS, "x" * CUSTOM_ID_CHARACTERS),
        ("x" * (CUSTOM_ID_CHARACTERS + 1), None),
        ("", None),
        ("  ", None),
        (None, None),
        (True, None),
        (1.5, None),
        (["u1"], None),
        ("u\n1", None),
        ("u\u200b1", None),
        ("u\x001", None),
        ("\ud800", None),
    ],
)
def test_a_custom_id_is_a_user_id_or_none(custom_id: Any, user_id: str | None) -> None:
    assert user_id_of_custom_id(custom_id) == user_id
