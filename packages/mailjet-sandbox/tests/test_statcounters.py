from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

if TYPE_CHECKING:
    from conftest import Box

RATES = {"open": 0.5, "click": 0.25, "bounce": 0.2, "blocked": 0.1, "spam": 0.1, "unsub": 0.1}


def counters(box: "Box", **query: Any) -> list[dict[str, Any]]:
    defaults = {"CounterSource": "Campaign", "CounterTiming": "Message", "CounterResolution": "Lifetime"}
    return list(box.get(f"statcounters?{urlencode(defaults | query)}"))


@pytest.fixture
def campaign(box: "Box") -> dict[str, Any]:
    """Two campaigns to 40 people; the second is the one that is looked at."""
    list_id = box.new_list()
    for number in range(40):
        box.manage(list_id, f"user{number}@example.com")
    box.campaign(list_id)
    return {"list_id": list_id, **box.campaign(list_id, **RATES)}


def test_counters_of_a_campaign_are_its_events(box: "Box", campaign: dict[str, Any]) -> None:
    (row,) = counters(box, SourceID=campaign["campaign_id"])

    events = campaign["events"]
    assert events == {"sent": 28, "open": 14, "click": 7, "bounce": 8, "blocked": 4, "spam": 3, "unsub": 3}
    assert {name: value for name, value in row.items() if value} == {
        "APIKeyID": 1234,
        "EventClickedCount": events["click"],
        "EventOpenedCount": events["open"],
        "EventSpamCount": events["spam"],
        "EventUnsubscribedCount": events["unsub"],
        "MessageBlockedCount": events["blocked"],
        "MessageClickedCount": events["click"],
        "MessageHardBouncedCount": row["MessageHardBouncedCount"],
        "MessageOpenedCount": events["open"],
        "MessageSentCount": events["sent"],
        "MessageSoftBouncedCount": events["bounce"] - row["MessageHardBouncedCount"],
        "MessageSpamCount": events["spam"],
        "MessageUnsubscribedCount": events["unsub"],
        "SourceID": campaign["campaign_id"],
        "Total": 40,
    }
    assert len(row) == 22


def test_counters_of_a_list_and_of_the_account_add_the_campaigns(
    box: "Box", campaign: dict[str, Any]
) -> None:
    (of_list,) = counters(box, CounterSource="List", SourceID=campaign["list_id"])
    (of_account,) = counters(box, CounterSource="APIKey")

    assert of_list["MessageSentCount"] == of_account["MessageSentCount"] == 40 + 28
    assert counters(box, CounterSource="List", SourceID=1)[0]["Total"] == 0


def test_timeslices_are_days_and_hours_and_keep_to_the_period(box: "Box", campaign: dict[str, Any]) -> None:
    for resolution, end in (("Day", "T00:00:00Z"), ("Hour", ":00:00Z")):
        (row,) = counters(
            box, SourceID=campaign["campaign_id"], CounterTiming="Event", CounterResolution=resolution
        )
        assert row["Timeslice"].endswith(end)
        assert row["EventOpenedCount"] == 14
    assert counters(box, SourceID=campaign["campaign_id"], CounterResolution="Day", ToTS=1) == []


def test_the_open_delay_is_a_sum_over_messages(open_box: Any) -> None:
    with open_box() as box:
        list_id = box.new_list()
        for number in range(4):
            box.manage(list_id, f"user{number}@example.com")
        sent = box.campaign(list_id, open=1, duration_seconds=3)

        def row() -> dict[str, Any]:
            return counters(box, SourceID=sent["campaign_id"])[0]

        box.until(lambda: row()["EventOpenedCount"] == 4)
        messages = box.get(f"message?Campaign={sent['campaign_id']}")
        delays = []
        for message in messages:
            history = {
                event["EventType"]: event["EventAt"] for event in box.get(f"messagehistory/{message['ID']}")
            }
            delays.append(history["opened"] - history["sent"])
        # A message is sent up to 0.3 s after it arrived.
        assert sum(delays) <= row()["EventOpenDelay"] <= sum(delays) + 4


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"CounterSource": "Contact", "SourceID": 1}, "CounterSource"),
        ({"CounterTiming": "", "SourceID": 1}, "CounterTiming"),
        ({"CounterResolution": "Year", "SourceID": 1}, "CounterResolution"),
        ({}, "SourceID"),
    ],
)
def test_a_missing_or_unknown_parameter_is_named(box: "Box", query: dict[str, Any], name: str) -> None:
    defaults = {"CounterSource": "Campaign", "CounterTiming": "Message", "CounterResolution": "Lifetime"}
    status, message, info = box.refused("GET", f"statcounters?{urlencode(defaults | query)}")
    assert (status, message) == (400, "Object properties invalid")
    assert info.startswith(f"MJ08 Property {name} is invalid: ")


def test_the_official_client_reads_them(box: "Box", campaign: dict[str, Any]) -> None:
    filters = {
        "SourceID": campaign["campaign_id"],
        "CounterSource": "Campaign",
        "CounterTiming": "Message",
        "CounterResolution": "Lifetime",
    }
    response = box.client.statcounters.get(filters=filters)
    assert response.json()["Data"][0]["MessageSentCount"] == 28
