"""Events that meet faults on their way to a callback URL."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Box, Receiver


def set_fault(box: "Box", kind: str, **fields: Any) -> None:
    response = box.call("POST", "/sandbox/faults", {"kind": kind, **fields})
    assert response.status == 201, response.data


def register(box: "Box", event: str, url: str, **fields: Any) -> int:
    return int(box.post("eventcallbackurl", {"EventType": event, "Url": url, **fields})[0]["ID"])


def list_of(box: "Box", size: int) -> int:
    list_id = box.new_list()
    for number in range(size):
        box.manage(list_id, f"user{number}@example.com")
    return list_id


def test_duplicates(box: "Box", receiver: "Receiver") -> None:
    for event in ("sent", "open"):
        register(box, event, receiver.url)
    set_fault(box, "duplicate_events", event="open", copies=2)

    box.campaign(list_of(box, 2), open=1)

    box.until(lambda: len(receiver.events) == 8)
    opens = [event for event in receiver.events if event["event"] == "open"]
    assert opens[0] == opens[1] == opens[2] != opens[3] == opens[4] == opens[5]


def test_late_duplicates(box: "Box", receiver: "Receiver") -> None:
    register(box, "sent", receiver.url, Version=2)
    set_fault(box, "duplicate_events", seconds=0.5)

    box.campaign(list_of(box, 3))
    assert box.call("GET", "/sandbox/events").json()["pending"] >= 3

    box.until(lambda: len(receiver.events) == 6)
    assert receiver.events[:3] == receiver.events[3:]


def test_events_overtake_one_that_is_held_back(box: "Box", receiver: "Receiver") -> None:
    for event in ("sent", "open"):
        register(box, event, receiver.url)
    set_fault(box, "reordered_events", event="sent", seconds=0.5)

    box.campaign(list_of(box, 2), open=1)

    box.until(lambda: len(receiver.events) == 4)
    assert [event["event"] for event in receiver.events] == ["open", "open", "sent", "sent"]


def test_lost_events_reach_nobody_and_are_in_the_history(box: "Box", receiver: "Receiver") -> None:
    for event in ("sent", "open"):
        register(box, event, receiver.url)
    set_fault(box, "lost_events", event="open")

    box.campaign(list_of(box, 2), open=1)

    box.until(lambda: len(receiver.events) == 2)
    seen = box.call("GET", "/sandbox/events").json()
    assert seen["pending"] == 0
    assert [(row["event"]["event"], row["state"]) for row in seen["events"]].count(
        ("open", "undeliverable")
    ) == 2
    assert {event["event"] for event in receiver.events} == {"sent"}
    for event in receiver.events:
        history = box.get(f"messagehistory/{event['MessageID']}")
        assert [row["EventType"] for row in history] == ["sent", "opened"]


def test_same_seed_holds_back_the_same_events(open_box: Any, new_receiver: Any) -> None:
    orders = []
    for seed in (1, 1, 2):
        receiver = new_receiver()
        with open_box(seed=seed) as box:
            register(box, "sent", receiver.url)
            set_fault(box, "reordered_events", rate=0.4, seconds=0.5)
            box.campaign(list_of(box, 12))
            box.until(lambda: len(receiver.events) == 12)  # noqa: B023 - called before the next round
        orders.append([event["email"] for event in receiver.events])

    assert orders[0] == orders[1] != orders[2]


def test_held_events_are_not_lost_when_the_sandbox_stops(
    open_box: Any, receiver: "Receiver", tmp_path: Any
) -> None:
    with open_box(state_file=tmp_path / "state.json") as box:
        register(box, "sent", receiver.url)
        set_fault(box, "reordered_events", seconds=60)
        box.campaign(list_of(box, 2))
    with open_box(state_file=tmp_path / "state.json") as box:
        box.until(lambda: len({event["email"] for event in receiver.events}) == 2)


def test_reset_of_the_account_forgets_held_events(box: "Box", receiver: "Receiver") -> None:
    register(box, "sent", receiver.url)
    set_fault(box, "reordered_events", seconds=0.2)
    box.campaign(list_of(box, 2))

    box.call("POST", "/sandbox/reset", {"state": True})

    assert box.call("GET", "/sandbox/events").json()["pending"] == 0


def test_suspended_url_stays_dead_until_it_changes(box: "Box", new_receiver: Any) -> None:
    primary, backup = new_receiver(), new_receiver()
    primary_id = register(box, "sent", primary.url)
    register(box, "sent", backup.url, IsBackup=True)
    list_id = list_of(box, 2)
    set_fault(box, "dead_callback")

    box.campaign(list_id)
    box.until(lambda: len(backup.events) == 2)
    assert (primary.events, box.get(f"eventcallbackurl/{primary_id}")[0]["Status"]) == ([], "dead")

    box.put(f"eventcallbackurl/{primary_id}", {"Url": primary.url + "?again"})
    box.campaign(list_id)
    box.until(lambda: len(primary.events) == 2)


def test_suspended_url_without_a_backup_loses_events(box: "Box", receiver: "Receiver") -> None:
    for event in ("sent", "open"):
        register(box, event, receiver.url + f"?{event}")
    set_fault(box, "dead_callback", event="open")

    box.campaign(list_of(box, 2), open=1)

    box.until(lambda: len(receiver.events) == 2)
    assert {event["event"] for event in receiver.events} == {"sent"}
    described = box.call("GET", "/sandbox/events").json()
    assert [event["state"] for event in described["events"] if event["event"]["event"] == "open"] == [
        "undeliverable",
        "undeliverable",
    ]
