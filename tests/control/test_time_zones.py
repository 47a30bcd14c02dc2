"""Time zones: what a person may choose, and what is said of the rest."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.control import time_zones
from jetbridge.errors import ConfigurationError


def test_each_that_is_offered_is_taken_and_is_one() -> None:
    offered = time_zones.known()
    assert offered[0] == "UTC"
    assert list(offered[1:]) == sorted(set(offered) - {"UTC"})
    assert {"Europe/Paris", "America/Argentina/Buenos_Aires"} <= set(offered)
    assert not {"Etc/GMT+5", "posix/Europe/Paris", "EST5EDT"} & set(offered)
    for name in offered:
        assert time_zones.checked(f" {name} ") == name
        assert ZoneInfo(name).key == name


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("paris", "Do you mean Europe/Paris?"),
        ("New York", "Do you mean America/New_York?"),
        ("EUROPE/BERLIN", "Do you mean Europe/Berlin?"),
        ("", "Enter one such as Europe/Paris or UTC."),
        ("  ", "Enter one such as Europe/Paris or UTC."),
        ("Atlantis", "Enter one such as Europe/Paris or UTC."),
        ("../../etc/passwd", "Enter one such as Europe/Paris or UTC."),
    ],
)
def test_what_is_none_is_refused_with_the_nearest(typed: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        time_zones.checked(typed)
    assert str(caught.value).endswith(hint)


@given(st.text() | st.text(min_size=61).map("Europe/Paris{}".format))
def test_any_other_text_is_refused_in_a_short_sentence(typed: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        time_zones.checked(typed + "!")
    assert len(str(caught.value)) < 700  # 60 characters, each escaped at worst
