import json
from typing import Any

import pytest
from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.errors import MessageRejected
from jetbridge.integrations.mailjet.api import events
from jetbridge.integrations.mailjet.contacts.traits import list_id_of
from jetbridge.integrations.mailjet.events.reader import opt_out_of
from jetbridge.spec.untrusted import LARGEST, whole_number
from jetbridge.text import pasted

#: What JSON, a form or a header can bring where a whole number is meant.
ANYTHING = mk.one_of(
    mk.integers(),
    mk.integers(10**18, 10**400),
    mk.floats(),
    mk.booleans(),
    mk.just(None),
    mk.text(most=30),
    mk.text("0123456789", least=1, most=25),
    mk.sampled_from(
        ["9" * 4_301, "9" * 5_000, "٣٨٠٠١", "\uff11\uff12", "²", "1_000", "+5", "-5", "1e3", " 7 ", "0x1f"]
    ),
    mk.lists(mk.integers(), most=2),
    mk.dictionaries(mk.text(most=3), mk.integers(), most=2),
)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, 0),
        ("38001", 38_001),
        (" 38001 ", 38_001),
        (38_001.0, 38_001),
        (LARGEST, LARGEST),
        (str(LARGEST), LARGEST),
        (LARGEST + 1, None),
        (str(LARGEST + 1), None),
        ("9" * 4_301, None),
        (-1, None),
        ("-1", None),
        ("1_000", None),
        ("٣٨", None),
        (True, None),
        (1.5, None),
        (1e308, None),
        (float("nan"), None),
        (None, None),
        ([], None),
    ],
)
def test_a_whole_number_is_read_or_it_is_none(value: Any, number: int | None) -> None:
    assert whole_number(value) == number


@fuzz(PURE, value=ANYTHING)
def test_a_whole_number_fits_the_database_and_no_value_raises(value: Any) -> None:
    number = whole_number(value)
    assert number is None or (type(number) is int and 0 <= number <= LARGEST)
    list_id = whole_number(pasted(value)) if isinstance(value, str) else number
    if list_id:
        assert list_id_of(value) == list_id
    else:
        with pytest.raises(MessageRejected, match="no Mailjet list ID"):
            list_id_of(value)


@fuzz(PURE, list_id=ANYTHING, time=ANYTHING)
def test_numbers_of_an_email_event_never_raise(list_id: Any, time: Any) -> None:
    body = json.dumps({"event": "unsub", "email": "a@example.com", "mj_list_id": list_id, "time": time})
    try:
        event, _ = events.parse(body.encode())
    except events.InvalidEmailEvent:  # JSON that names no number: NaN, or too many digits
        return
    said = opt_out_of(event, "a@example.com", 1_793_534_400_000)
    assert said is not None
    assert said.list_id is None or 0 < said.list_id <= LARGEST
    assert 0 < said.time <= 1_793_534_400_000
