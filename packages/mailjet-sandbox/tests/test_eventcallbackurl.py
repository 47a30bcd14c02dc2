from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Box


URL = "https://user:pass@hooks.example.com:8443/mailjet"


def test_registration_answers_the_recorded_shape(box: "Box") -> None:
    row = box.post("eventcallbackurl", {"EventType": "click", "Url": URL, "Version": "2"})[0]

    assert row == {
        "APIKeyID": 1234,
        "EventType": "click",
        "ID": row["ID"],
        "IsBackup": False,
        "Status": "alive",
        "Url": URL,
        "Version": 2,
    }


def test_defaults_are_open_and_version_one(box: "Box") -> None:
    row = box.post("eventcallbackurl", {"Url": URL})[0]

    assert (row["EventType"], row["Version"], row["IsBackup"]) == ("open", 1, False)


def test_one_url_per_event_type_and_backup_flag(box: "Box") -> None:
    box.post("eventcallbackurl", {"EventType": "sent", "Url": URL})
    box.post("eventcallbackurl", {"EventType": "sent", "Url": URL, "IsBackup": True})

    assert box.refused(
        "POST", "eventcallbackurl", {"EventType": "sent", "Url": "https://other.example.com"}
    ) == (
        400,
        'MJ18 A EventCallbackURL resource with value "7|false" for EventType|Backup already exists.',
        "",
    )
    assert len(box.get("eventcallbackurl")) == 2


def test_key_is_event_type_and_backup(box: "Box") -> None:
    row = box.post("eventcallbackurl", {"EventType": "bounce", "Url": URL, "IsBackup": True})[0]

    assert box.get("eventcallbackurl/bounce%7Ctrue") == [row]
    assert box.refused("GET", "eventcallbackurl/bounce%7Cfalse")[0] == 404


def test_filters_take_the_event_type_as_word_or_number(box: "Box") -> None:
    box.post("eventcallbackurl", {"EventType": "bounce", "Url": URL})
    row = box.post("eventcallbackurl", {"EventType": "unsub", "Url": URL})[0]

    assert box.get("eventcallbackurl?EventType=unsub") == [row]
    assert box.get("eventcallbackurl?EventType=5") == [row]


def test_delete_frees_the_place(box: "Box") -> None:
    row = box.post("eventcallbackurl", {"EventType": "spam", "Url": URL})[0]

    assert box.delete(f"eventcallbackurl/{row['ID']}") == 204
    assert box.get("eventcallbackurl") == []
    box.post("eventcallbackurl", {"EventType": "spam", "Url": URL})


def test_put_cannot_take_another_place(box: "Box") -> None:
    box.post("eventcallbackurl", {"EventType": "spam", "Url": URL})
    row = box.post("eventcallbackurl", {"EventType": "open", "Url": URL})[0]

    assert box.put(f"eventcallbackurl/{row['ID']}", {"EventType": "spam"}) == 400
    assert box.put(f"eventcallbackurl/{row['ID']}", {"Version": 2}) == 200
    assert box.put(f"eventcallbackurl/{row['ID']}", {"Version": 2}) == 304


@pytest.mark.parametrize(
    "body",
    [
        {"Url": ""},
        {"Url": "hooks.example.com"},
        {"Url": "ftp://hooks.example.com"},
        {"Url": "http://[::1"},
        {"Url": "http://a:99999/"},
        {"Url": URL, "EventType": "delivered"},
        {"Url": URL, "Version": 3},
        {"Url": 5},
    ],
)
def test_senseless_registration_is_refused(box: "Box", body: Any) -> None:
    assert box.refused("POST", "eventcallbackurl", body)[:2] == (400, "Object properties invalid")
    assert box.get("eventcallbackurl") == []
