import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mailjet_sandbox import wire

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_legacy_server_prints_keys_in_order_with_spaces_and_escaped_slashes() -> None:
    row = {"Name": "Europe/Paris é", "ID": 1, "IsDeleted": False}

    answer = wire.envelope([row])

    assert (
        answer.body
        == (
            '{ "Count" : 1, "Data" : [{ "ID" : 1, "IsDeleted" : false, "Name" : "Europe\\/Paris é" }], "Total" : 1 }'
        ).encode()
    )
    assert answer.headers["content-type"] == "application/json"


def test_empty_envelope_is_the_41_bytes_that_were_recorded() -> None:
    assert wire.envelope([]).body == b'{ "Count" : 0, "Data" : [], "Total" : 0 }'
    assert len(wire.envelope([]).body) == 41


def test_error_of_the_legacy_server_has_three_keys() -> None:
    assert wire.legacy_error(404, "Object not found").body == (
        b'{ "ErrorInfo" : "", "ErrorMessage" : "Object not found", "StatusCode" : 404 }'
    )


def test_newer_services_print_compact_json_and_name_the_request() -> None:
    answer = wire.newer({"Messages": [{"Status": "success"}]})

    assert answer.body == b'{"Messages":[{"Status":"success"}]}'
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert len(answer.headers["x-mj-request-guid"]) == 36


@given(JSON)
def test_legacy_text_is_json_of_the_same_value(value: Any) -> None:
    assert json.loads(wire.legacy_text(value)) == value
