from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Box


COMMON = {
    "event",
    "time",
    "MessageID",
    "Message_GUID",
    "email",
    "mj_campaign_id",
    "mj_contact_id",
    "customcampaign",
    "CustomID",
    "Payload",
}
OWN = {
    "sent": {"mj_message_id", "smtp_reply"},
    "open": {"ip", "geo", "agent"},
    "click": {"url", "ip", "geo", "agent"},
    "bounce": {"blocked", "hard_bounce", "error_related_to", "error", "comment"},
    "blocked": {"error_related_to", "error"},
    "spam": {"source"},
    "unsub": {"mj_list_id", "ip", "geo", "agent"},
}


@pytest.fixture
def list_id(box: "Box") -> int:
    list_id = box.new_list()
    contacts = [{"Email": f"user{number}@example.com"} for number in range(20)]
    path = f"contactslist/{list_id}/managemanycontacts"
    job = box.post(path, {"Action": "addforce", "Contacts": contacts})[0]["JobID"]
    box.finished(f"{path}/{job}")
    return list_id


def emitted(box: "Box") -> Any:
    return [row["event"] for row in box.call("GET", "/sandbox/events?limit=1000").json()["events"]]


def test_rates_are_exact(box: "Box", list_id: int) -> None:
    answer = box.campaign(list_id, bounce=0.1, blocked=0.1, open=0.5, click=0.25, spam=0.125, unsub=0.25)

    assert answer == {
        "campaign_id": answer["campaign_id"],
        "messages": 20,
        "events": {"sent": 16, "open": 8, "click": 4, "bounce": 2, "blocked": 2, "spam": 2, "unsub": 4},
    }


def test_every_event_has_its_documented_fields(box: "Box", list_id: int) -> None:
    answer = box.campaign(list_id, bounce=0.2, blocked=0.2, open=1, click=1, spam=0.5, unsub=0.5)

    events = emitted(box)
    assert {event["event"]: set(event) for event in events} == {
        name: COMMON | own for name, own in OWN.items()
    }
    assert {event["mj_campaign_id"] for event in events} == {answer["campaign_id"]}
    assert {event["mj_list_id"] for event in events if event["event"] == "unsub"} == {list_id}
    contacts = {row["ID"]: row["Email"] for row in box.get("contact?Limit=100")}
    assert {event["mj_contact_id"]: event["email"] for event in events} == contacts


def test_message_ids_lie_beyond_what_a_double_holds(box: "Box", list_id: int) -> None:
    box.campaign(list_id)

    ids = [event["MessageID"] for event in emitted(box)]
    assert len(set(ids)) == 20
    assert all(2**53 < identifier < 2**63 for identifier in ids)
    assert [event["mj_message_id"] for event in emitted(box)] == [str(identifier) for identifier in ids]


def test_same_seed_tells_the_same_story(open_box: Any) -> None:
    stories = []
    for seed in (1, 1, 2):
        with open_box() as box:
            target = box.new_list()
            for number in range(10):
                box.manage(target, f"user{number}@example.com")
            box.campaign(target, open=0.5, click=0.3, unsub=0.2, seed=seed)
            stories.append([{**event, "time": 0} for event in emitted(box)])

    assert stories[0] == stories[1]
    assert stories[0] != stories[2]


def test_only_active_members_get_it(box: "Box", list_id: int) -> None:
    box.manage(list_id, "user0@example.com", "unsub")
    box.put("contact/user1@example.com", {"IsExcludedFromCampaigns": True})
    box.manage(list_id, "user2@example.com", "remove")

    assert box.campaign(list_id)["messages"] == 17
    emails = {event["email"] for event in emitted(box)}
    assert emails.isdisjoint({f"user{number}@example.com" for number in range(3)})


def test_unsubscribing_is_real(box: "Box", list_id: int) -> None:
    box.campaign(list_id, unsub=0.5)

    gone = {event["email"] for event in emitted(box) if event["event"] == "unsub"}
    rows = box.get(f"contact?ContactsList={list_id}&IsUnsubscribed=true&Limit=100")
    assert {row["Email"] for row in rows} == gone
    assert len(gone) == 10
    assert box.campaign(list_id)["messages"] == 10


def test_complaint_marks_the_contact(box: "Box", list_id: int) -> None:
    box.campaign(list_id, spam=1)

    assert {row["IsSpamComplaining"] for row in box.get("contact?Limit=100")} == {True}


def test_campaign_and_messages_can_be_looked_up(box: "Box", list_id: int) -> None:
    campaign_id = box.campaign(list_id, subject="Spring news", title="Spring", open=1)["campaign_id"]

    campaign = box.get(f"campaign/{campaign_id}")[0]
    assert (campaign["Subject"], campaign["ListID"]) == ("Spring news", list_id)
    assert box.get(f"campaign/{campaign['CustomValue']}") == [campaign]
    assert box.get(f"campaigndraft/{campaign['NewsLetterID']}")[0]["Title"] == "Spring"

    event = emitted(box)[-1]
    plain = box.get(f"message/{event['MessageID']}")[0]
    assert (plain["Subject"], plain["ContactAlt"], plain["Status"]) == ("", "", "opened")
    shown = box.get(f"message/{event['MessageID']}?ShowSubject=true&ShowContactAlt=true")[0]
    assert (shown["Subject"], shown["ContactAlt"]) == ("Spring news", event["email"])
    history = box.get(f"messagehistory/{event['MessageID']}")
    assert [row["EventType"] for row in history] == ["sent", "opened"]
    assert box.get(f"messageinformation/{event['MessageID']}")[0]["OpenTrackedCount"] == 1
    assert len(box.get(f"message?Campaign={campaign_id}&Limit=100")) == 20


def test_history_of_an_unknown_message_is_empty_not_404(box: "Box") -> None:
    assert box.get("messagehistory/123") == []
    assert box.refused("GET", "message/123")[0] == 404
    assert box.refused("GET", "message/****") == (400, "Incorrect ID provided - ID type mismatch", "")


def test_campaigns_of_other_days_are_listed_with_fromts_only(open_box: Any) -> None:
    with open_box() as box:
        campaign_id = box.campaign(box.new_list())["campaign_id"]

        assert [row["ID"] for row in box.get("campaign")] == [campaign_id]
        assert [row["ID"] for row in box.get("campaign?FromTS=1")] == [campaign_id]
        assert box.get("campaign?FromTS=2100-01-01T00:00:00Z") == []


def test_events_can_be_spread_over_time(box: "Box", list_id: int) -> None:
    answer = box.campaign(list_id, open=1, duration_seconds=0.5)

    assert answer["events"]["open"] == 20
    assert len(emitted(box)) < 40
    box.until(lambda: len(emitted(box)) == 40)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        ({"list_id": 1}, 400),
        ({"list_id": "x", "subject": "s"}, 400),
        ({"list_id": 1, "subject": "s", "open": 1.5}, 400),
        ({"list_id": 1, "subject": "s"}, 404),
    ],
)
def test_senseless_campaign_is_refused_with_a_sentence(box: "Box", body: Any, status: int) -> None:
    response = box.call("POST", "/sandbox/campaigns", body)

    assert response.status == status
    assert list(response.json()) == ["error"]


def test_clickstatistics_tell_which_link_was_clicked_when(box: "Box", list_id: int) -> None:
    box.campaign(list_id, open=0.2, click=0.2, urls=["https://example.com/a"])

    clicks = [event for event in emitted(box) if event["event"] == "click"]
    assert len(clicks) == 4
    assert {row["MessageID"] for row in box.get("clickstatistics")} == {row["MessageID"] for row in clicks}
    for event in clicks:
        [row] = box.get(f"clickstatistics?MessageID={event['MessageID']}")
        assert (row["Url"], row["ContactID"]) == (event["url"], event["mj_contact_id"])
        assert row["ClickedAt"] == datetime.fromtimestamp(event["time"], UTC).isoformat()[:19]
        assert box.get(f"clickstatistics/{row['ID']}") == [row]
    assert box.get("clickstatistics?MessageID=123") == []
    assert box.get("clickstatistics?CampaignID=1") == []
