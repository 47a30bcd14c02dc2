from collections import Counter
from typing import Any

import pytest

from jetbridge.errors import PauseError, PermanentError, TransientError
from jetbridge.integrations.mailjet.api.events import EmailEvent
from jetbridge.integrations.mailjet.api.resources import Campaign, CampaignDraft, ContactsList, MessageInfo
from jetbridge.integrations.mailjet.events.name_lookup import CACHE_SECONDS, RETRY_SECONDS, NameLookup
from jetbridge.integrations.mailjet.events.track import Names


class FakeMailjet:
    """Answers from dicts, counts, can fail, and takes time."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.campaigns = {7: Campaign(id=7, subject="Spring!", news_letter_id=44, custom_value="mj.nl=44")}
        self.drafts = {44: CampaignDraft(id=44, title="Spring sale")}
        self.messages = {9: MessageInfo(id=9, subject="Your order")}
        self.lists = {3: ContactsList(id=3, name="Customers")}
        self.error: Exception | None = None
        self.now = 1000.0
        self.seconds_per_call = 0.0

    def clock(self) -> float:
        return self.now

    def campaign(self, key: int) -> Campaign | None:
        return self._get("campaign", self.campaigns, key)

    def campaigndraft(self, key: int) -> CampaignDraft | None:
        return self._get("campaigndraft", self.drafts, key)

    def message(self, key: int) -> MessageInfo | None:
        return self._get("message", self.messages, key)

    def contactslist(self, key: int) -> ContactsList | None:
        return self._get("contactslist", self.lists, key)

    def _get(self, kind: str, rows: dict[int, Any], key: int) -> Any:
        self.asked[kind] += 1
        self.now += self.seconds_per_call
        if self.error:
            raise self.error
        return rows.get(key)


@pytest.fixture
def mailjet() -> FakeMailjet:
    return FakeMailjet()


@pytest.fixture
def lookup(mailjet: Any) -> NameLookup:
    return NameLookup(mailjet, clock=mailjet.clock)


def names(lookup: NameLookup, **fields: Any) -> Names:
    event = EmailEvent(event="open", **fields)
    lookup.fetch([event])
    return lookup.of(event)


def test_a_campaign_gives_subject_and_title(lookup: NameLookup) -> None:
    assert names(lookup, mj_campaign_id=7) == Names("Spring!", "Spring sale", None)


def test_an_unsubscribe_gives_the_list_too(lookup: NameLookup) -> None:
    assert names(lookup, mj_campaign_id=7, mj_list_id=3) == Names("Spring!", "Spring sale", "Customers")


def test_a_message_without_campaign_gives_its_own_subject(lookup: NameLookup) -> None:
    assert names(lookup, mj_campaign_id=0, message_id=9) == Names("Your order", None, None)


def test_the_tag_of_a_transactional_campaign_is_its_name(lookup: NameLookup, mailjet: FakeMailjet) -> None:
    mailjet.campaigns[8] = Campaign(id=8, subject="Hi", custom_value="Welcome mail")
    assert names(lookup, mj_campaign_id=8) == Names("Hi", "Welcome mail", None)


def test_a_campaign_without_draft_keeps_its_subject(lookup: NameLookup, mailjet: FakeMailjet) -> None:
    mailjet.drafts.clear()
    assert names(lookup, mj_campaign_id=7) == Names("Spring!", None, None)


def test_a_million_events_of_one_campaign_ask_once(lookup: NameLookup, mailjet: FakeMailjet) -> None:
    events = [EmailEvent(event="open", mj_campaign_id="7", message_id=number) for number in range(1000)]
    for _ in range(3):
        lookup.fetch(events)
    assert mailjet.asked == Counter(campaign=1, campaigndraft=1)


def test_what_does_not_exist_is_not_asked_for_again_and_again(
    lookup: NameLookup, mailjet: FakeMailjet
) -> None:
    assert [names(lookup, mj_campaign_id=404) for _ in range(3)] == [Names()] * 3
    assert mailjet.asked == Counter(campaign=1)


def test_an_answer_is_asked_for_again_when_it_is_old(lookup: NameLookup, mailjet: FakeMailjet) -> None:
    names(lookup, mj_campaign_id=7)
    mailjet.drafts[44] = CampaignDraft(id=44, title="Renamed")
    assert names(lookup, mj_campaign_id=7).campaign == "Spring sale"
    mailjet.now += CACHE_SECONDS
    assert names(lookup, mj_campaign_id=7).campaign == "Renamed"


SLOW, REFUSED = TransientError("TIMEOUT", "slow"), PauseError("INVALID_AUTHENTICATION", "no")


def test_events_wait_for_the_name_of_a_campaign_and_then_go_on(
    lookup: NameLookup, mailjet: FakeMailjet
) -> None:
    mailjet.error = error = SLOW
    event = EmailEvent(event="open", mj_campaign_id=7)
    waits = []
    for _ in range(7):
        waits.append(lookup.fetch([event]))
        mailjet.now += 5
    assert waits == [error] * 6 + [None]
    assert mailjet.asked == Counter(campaign=7)
    for number in range(5):  # nobody asks for a while, and other campaigns do not wait either
        assert names(lookup, mj_campaign_id=7 + number) == Names()
    mailjet.now += RETRY_SECONDS
    assert lookup.fetch([event]) is None
    assert mailjet.asked == Counter(campaign=8)
    mailjet.error = None
    mailjet.now += RETRY_SECONDS
    assert names(lookup, mj_campaign_id=7).subject == "Spring!"
    mailjet.error = error
    other = EmailEvent(event="unsub", mj_campaign_id=7, mj_list_id=3)
    assert lookup.fetch([other]) is error  # it is new trouble


def test_nobody_waits_while_mailjet_refuses_the_keys(lookup: NameLookup, mailjet: FakeMailjet) -> None:
    mailjet.error = REFUSED
    assert [names(lookup, mj_campaign_id=7) for _ in range(5)] == [Names()] * 5
    assert mailjet.asked == Counter(campaign=1)


@pytest.mark.parametrize("error", [SLOW, REFUSED])
def test_nobody_waits_for_the_subject_of_a_message(
    lookup: NameLookup, mailjet: FakeMailjet, error: Exception
) -> None:
    mailjet.error = error
    events = [EmailEvent(event="sent", message_id=number) for number in range(1, 6)]
    assert [lookup.fetch(events) for _ in range(5)] == [None] * 5
    assert mailjet.asked == Counter(message=1)
    mailjet.error = None
    assert names(lookup, mj_campaign_id=7).subject == "Spring!"
    assert names(lookup, message_id=9) == Names()
    mailjet.now += RETRY_SECONDS
    assert names(lookup, message_id=9).subject == "Your order"


def test_in_trouble_an_old_name_is_better_than_none(lookup: NameLookup, mailjet: FakeMailjet) -> None:
    names(lookup, mj_campaign_id=7)
    mailjet.now += CACHE_SECONDS
    mailjet.error = TransientError("TIMEOUT", "slow")
    assert names(lookup, mj_campaign_id=7).subject == "Spring!"


def test_a_refusal_of_one_thing_is_no_trouble(lookup: NameLookup, mailjet: FakeMailjet) -> None:
    mailjet.error = PermanentError("BAD_REQUEST", "Incorrect ID provided")
    names(lookup, mj_campaign_id=7)
    mailjet.error = None
    assert names(lookup, mj_list_id=3).list == "Customers"


def test_look_ups_end_with_the_batch_s_time_campaigns_first(lookup: NameLookup, mailjet: FakeMailjet) -> None:
    mailjet.seconds_per_call = 0.2
    events = [EmailEvent(event="sent", message_id=number) for number in range(100)]
    lookup.fetch([*events, EmailEvent(event="open", mj_campaign_id=7)])
    assert mailjet.asked == Counter(campaign=1, campaigndraft=1, message=1)


def test_a_message_s_names_are_those_of_its_own_campaign(lookup: NameLookup) -> None:
    lookup.fetch([EmailEvent(event="open", mj_campaign_id=7)])
    assert lookup.of(EmailEvent(event="open", mj_campaign_id=6)) == Names()


def test_memory_is_bounded(lookup: NameLookup, mailjet: FakeMailjet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jetbridge.integrations.mailjet.events.name_lookup.CACHE_SIZE", 50)
    lookup.fetch([EmailEvent(event="sent", message_id=number) for number in range(1, 200)])
    assert len(lookup._cache) == 50
