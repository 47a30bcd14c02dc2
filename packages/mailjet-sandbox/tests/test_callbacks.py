"""Events on their way to a callback URL, over real HTTP."""

from base64 import b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Box, Receiver


def register(box: "Box", event: str, url: str, **fields: Any) -> int:
    return box.post("eventcallbackurl", {"EventType": event, "Url": url, **fields})[0]["ID"]


def list_of(box: "Box", size: int) -> int:
    list_id = box.new_list()
    for number in range(size):
        box.manage(list_id, f"user{number}@example.com")
    return list_id


def test_version_one_is_a_bare_object_per_call(box: "Box", receiver: "Receiver") -> None:
    register(box, "sent", receiver.url)
    list_id = list_of(box, 3)

    box.campaign(list_id)

    box.until(lambda: len(receiver.calls) == 3)
    assert {type(body) for body in receiver.bodies} == {dict}
    assert {event["email"] for event in receiver.events} == {
        f"user{number}@example.com" for number in range(3)
    }


def test_version_two_groups_event_types_that_share_a_url(box: "Box", receiver: "Receiver") -> None:
    for event in ("sent", "open", "click"):
        register(box, event, receiver.url, Version=2)
    list_id = list_of(box, 10)

    box.campaign(list_id, open=1, click=1)

    box.until(lambda: len(receiver.events) == 30)
    assert {type(body) for body in receiver.bodies} == {list}
    assert len(receiver.calls) <= 3
    assert {event["event"] for event in receiver.bodies[-1]} >= {"click"}


def test_grouped_calls_keep_their_distance(box: "Box", receiver: "Receiver") -> None:
    register(box, "sent", receiver.url, Version=2)
    list_id = list_of(box, 2)

    for _ in range(3):
        box.campaign(list_id)

    box.until(lambda: len(receiver.events) == 6)
    times = [at for at, _, _, _ in receiver.calls]
    # A busy machine delays a call on its way, so that the next one seems close; it makes none earlier.
    assert times[-1] - times[0] >= 0.19 * (len(times) - 2)


def test_events_arrive_in_the_order_in_which_they_happened(box: "Box", receiver: "Receiver") -> None:
    for event in ("sent", "open"):
        register(box, event, receiver.url)
    list_id = list_of(box, 5)

    box.campaign(list_id, open=1)

    box.until(lambda: len(receiver.events) == 10)
    assert [event["event"] for event in receiver.events] == ["sent"] * 5 + ["open"] * 5


def test_credentials_in_the_url_become_basic_auth(box: "Box", receiver: "Receiver") -> None:
    register(box, "sent", f"http://jet:p%40ss@127.0.0.1:{receiver.port}/hook?org=1")

    box.campaign(list_of(box, 1))

    box.until(lambda: receiver.calls)
    _, path, headers, _ = receiver.calls[0]
    assert path == "/hook?org=1"
    assert headers["Authorization"] == "Basic " + b64encode(b"jet:p@ss").decode()
    assert headers["Content-Type"] == "application/json"


def test_without_credentials_there_is_no_authorization(box: "Box", receiver: "Receiver") -> None:
    register(box, "sent", receiver.url)

    box.campaign(list_of(box, 1))

    box.until(lambda: receiver.calls)
    assert "Authorization" not in receiver.calls[0][2]


def test_anything_but_200_is_tried_again_with_the_same_event(box: "Box", receiver: "Receiver") -> None:
    receiver.status = 204
    register(box, "sent", receiver.url)
    box.campaign(list_of(box, 2))

    box.until(lambda: len(receiver.calls) >= 3)
    receiver.status = 200
    box.until(lambda: box.call("GET", "/sandbox/events").json()["delivered"] == 2)

    first, *_, last = receiver.events
    assert {event["MessageID"] for event in receiver.events[:3]} == {first["MessageID"]}
    assert last["MessageID"] != first["MessageID"]
    described = box.call("GET", "/sandbox/events").json()
    assert [event["state"] for event in described["events"]] == ["delivered", "delivered"]
    assert described["events"][0]["attempts"] >= 4


def test_slow_receiver_does_not_hold_up_the_api_nor_another_url(box: "Box", new_receiver: Any) -> None:
    broken, working = new_receiver(), new_receiver()
    broken.status = 500
    register(box, "sent", broken.url)
    register(box, "open", working.url)

    box.campaign(list_of(box, 2), open=1)

    box.until(lambda: len(working.events) == 2)
    assert box.call("GET", "/sandbox/events").json()["pending"] == 2


def test_url_that_fails_for_too_long_is_suspended_and_the_backup_takes_over(
    open_box: Any, new_receiver: Any
) -> None:
    primary, backup = new_receiver(), new_receiver()
    primary.status = 503
    with open_box(event_give_up_seconds=0.2) as box:
        primary_id = register(box, "sent", primary.url)
        register(box, "sent", backup.url, IsBackup=True)
        list_id = list_of(box, 2)

        box.campaign(list_id)
        box.until(lambda: len(backup.events) == 2)
        assert box.get(f"eventcallbackurl/{primary_id}")[0]["Status"] == "dead"

        primary.status = 200
        asked = len(primary.calls)
        box.campaign(list_id)
        box.until(lambda: len(backup.events) == 4)
        assert len(primary.calls) == asked

        assert box.put(f"eventcallbackurl/{primary_id}", {"Url": primary.url + "?again"}) == 200
        assert box.get(f"eventcallbackurl/{primary_id}")[0]["Status"] == "alive"
        box.campaign(list_id)
        box.until(lambda: len(primary.calls) == asked + 2)
        assert len(backup.events) == 4


def test_without_a_backup_events_of_a_suspended_url_are_lost(open_box: Any, receiver: "Receiver") -> None:
    receiver.status = 500
    with open_box(event_give_up_seconds=0.1) as box:
        row_id = register(box, "sent", receiver.url, Version=2)
        box.campaign(list_of(box, 1))

        box.until(lambda: box.get(f"eventcallbackurl/{row_id}")[0]["Status"] == "dead")
        described = box.call("GET", "/sandbox/events").json()

    assert (described["pending"], described["events"][0]["state"]) == (0, "undeliverable")


def test_changed_url_takes_over_what_was_waiting(box: "Box", new_receiver: Any) -> None:
    old, new = new_receiver(), new_receiver()
    old.status = 500
    row_id = register(box, "sent", old.url)
    box.campaign(list_of(box, 2))
    box.until(lambda: old.calls)

    box.put(f"eventcallbackurl/{row_id}", {"Url": new.url})

    box.until(lambda: len(new.events) == 2)


def test_test_action_sends_a_sample_with_contact_zero(box: "Box", receiver: "Receiver") -> None:
    row_id = register(box, "click", receiver.url)

    box.post(f"eventcallbackurl/{row_id}/test", {})

    box.until(lambda: receiver.calls)
    event = receiver.events[0]
    assert (event["event"], event["mj_contact_id"]) == ("click", 0)
    missing = ("email", "url", "ip", "geo", "agent", "CustomID", "Payload", "customcampaign")
    assert [event[name] for name in missing] == [""] * len(missing)
