"""What each answer of Mailjet's does to the destination: the table of errors, met where it matters."""

from collections.abc import Iterator
from typing import Any

import pytest

from jetbridge.control.models import MailjetAccount
from jetbridge.delivery.models import DeliveryRecordRow
from jetbridge.errors import PauseError, PermanentError, TransientError
from jetbridge.integrations.mailjet.api.errors import AlreadyExists, EmailRejected
from jetbridge.integrations.mailjet.models import RejectedValue
from jetbridge.integrations.mailjet.sync import bulk_jobs

from ..api.responses import RESPONSES, Recorded, response_named  # noqa: TID252 - tests are no package
from .conftest import Bridge
from .played import FOREVER, PlayedMailjet, playing

MANAGECONTACT = r"^POST .*/managecontact$"
MANAGEMANYCONTACTS = r"^POST .*/managemanycontacts$"
JOB = r"^GET .*/managemanycontacts/\d+$"
JOB_ERRORS = r"^GET /v3/DATA/batchjob/"
LIST_PROPERTIES = r"^GET .*/contactmetadata$"
CREATE_PROPERTY = r"^POST .*/contactmetadata$"
GETCONTACTSLISTS = r"^GET .*/getcontactslists$"

#: More than are sent singly.
MANY = 15


@pytest.fixture
def played(bridge: Bridge) -> Iterator[PlayedMailjet]:
    """Between the destination, which is started, and its sandbox."""
    with playing(bridge.url) as played:
        MailjetAccount.objects.update(api_url=played.url)
        bridge.start()
        yield played
        bridge.threads.stop()


def play(played: PlayedMailjet, call: str, recorded: Recorded, times: int = FOREVER) -> None:
    played.answer(call, recorded.status, recorded.body, content_type=recorded.content_type, times=times)


def of_kind(*kinds: type[Exception]) -> Any:
    found = [each for each in RESPONSES if each.kind in kinds]
    return pytest.mark.parametrize("recorded", found, ids=lambda recorded: recorded.name)


def named(*names: str) -> Any:
    found = [response_named(name) for name in names]
    return pytest.mark.parametrize("recorded", found, ids=lambda recorded: recorded.name)


def send_many(bridge: Bridge) -> None:
    bridge.log.append([bridge.identify(f"u{n}", {"email": f"p{n}@b.com", "n": n}) for n in range(MANY)])


def assert_paused(bridge: Bridge, eventually: Any, code: str, pending: int) -> None:
    eventually(lambda: bridge.report().state == "paused", "the destination is held")
    report = bridge.report()
    assert (report.pause_code, report.pending, report.failed) == (code, pending, 0)


# One contact


@of_kind(TransientError)
def test_trouble_with_one_contact_is_tried_again(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded
) -> None:
    play(played, MANAGECONTACT, recorded, times=1)
    bridge.send("u1", {"email": "a@b.com"})
    assert (bridge.settle().delivered, played.count(MANAGECONTACT)) == (1, 2)


@of_kind(PauseError)
def test_trouble_with_the_set_up_holds_the_destination(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded, eventually: Any
) -> None:
    play(played, MANAGECONTACT, recorded)
    bridge.send("u1", {"email": "a@b.com"})
    assert_paused(bridge, eventually, recorded.code, 1)
    assert recorded.says in bridge.report().pause_reason


@of_kind(PermanentError, EmailRejected, AlreadyExists)
def test_a_refused_contact_fails_with_the_reason_and_no_other_does(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded
) -> None:
    play(played, MANAGECONTACT, recorded, times=1)
    bridge.send("u1", {"email": "a@b.com"})
    bridge.settle()
    bridge.send("u2", {"email": "b@b.com"})
    report = bridge.settle()
    assert (report.delivered, report.reasons["failed"]) == (1, {recorded.code: 1})
    (row,) = DeliveryRecordRow.objects.all()
    assert recorded.says in row.detail
    assert (row.person, row.response) == ("a@b.com", recorded.body.decode())


@named("managecontact, bad properties", "bad properties as the docs print it")
def test_refused_values_are_set_aside_and_the_rest_arrives(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded
) -> None:
    bridge.mailjet.create_contactmetadata("plan", "str")
    play(played, MANAGECONTACT, recorded, times=4)  # "not defined" may mean: not yet
    bridge.send("u1", {"email": "a@b.com", "plan": "pro", "age": 40, "city": "Paris"})
    assert bridge.settle().delivered == 1
    assert bridge.properties("a@b.com") == {"city": "Paris"}
    assert {row.property for row in RejectedValue.objects.all()} == {"plan", "age"}


@named(
    "unknown object", "404 without a body", "managecontactslists, bad list", "bad list as the docs print it"
)
def test_a_list_of_ours_that_is_gone_holds_the_destination(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded, eventually: Any
) -> None:
    play(played, MANAGECONTACT, recorded)
    bridge.send("u1", {"email": "a@b.com"})
    assert_paused(bridge, eventually, "LIST_NOT_FOUND", 1)


# Many contacts


@named("rate limited", "500", "502, a proxy's page")
def test_a_job_that_cannot_be_started_is_tried_again(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded
) -> None:
    play(played, MANAGEMANYCONTACTS, recorded, times=1)
    send_many(bridge)
    assert (bridge.settle().delivered, played.count(MANAGEMANYCONTACTS)) == (MANY, 2)


@named("bad credentials, REST", "403", "wrongpath")
def test_trouble_with_the_set_up_holds_many_contacts(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded, eventually: Any
) -> None:
    play(played, MANAGEMANYCONTACTS, recorded)
    send_many(bridge)
    assert_paused(bridge, eventually, recorded.code, MANY)


@named("413", "managecontact, bad properties", "non-email path key", "unknown JSON field", "empty Name")
def test_contacts_of_a_refused_body_are_told_one_by_one(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded
) -> None:
    play(played, MANAGEMANYCONTACTS, recorded)
    send_many(bridge)
    assert (bridge.settle().delivered, played.count(MANAGECONTACT)) == (MANY, MANY)


@named("unknown object", "managecontactslists, bad list")
def test_a_list_of_ours_that_is_gone_holds_many_contacts(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded, eventually: Any
) -> None:
    play(played, MANAGEMANYCONTACTS, recorded)
    send_many(bridge)
    assert_paused(bridge, eventually, "LIST_NOT_FOUND", MANY)


# Jobs


@named("rate limited", "500", "502, a proxy's page", "200", "200 of a v4 deletion, empty")
def test_a_job_that_cannot_be_looked_at_now_is_looked_at_again(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded
) -> None:
    play(played, JOB, recorded, times=2)
    send_many(bridge)
    assert (bridge.settle().delivered, played.count(MANAGEMANYCONTACTS)) == (MANY, 1)


@named("unknown object", "bad numeric id", "400 with words nobody has seen")
def test_contacts_of_a_job_that_mailjet_does_not_know_are_told_again(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded
) -> None:
    play(played, JOB, recorded, times=1)
    send_many(bridge)
    assert (bridge.settle().delivered, played.count(MANAGEMANYCONTACTS)) == (MANY, 2)


def test_a_job_that_can_never_be_looked_at_is_given_up(
    bridge: Bridge, played: PlayedMailjet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_jobs, "ABANDON_MS", 300)
    play(played, JOB, response_named("500"))
    send_many(bridge)
    assert (bridge.settle(40).delivered, played.count(MANAGECONTACT)) == (MANY, MANY)


def test_a_job_that_cannot_be_looked_at_delays_no_other_contact(
    bridge: Bridge, played: PlayedMailjet, eventually: Any
) -> None:
    play(played, JOB, response_named("500"))
    send_many(bridge)
    eventually(lambda: played.count(JOB), "the job is looked at")
    bridge.send("late", {"email": "late@b.com"})
    eventually(lambda: bridge.report().delivered == 1, "the other contact arrives")
    assert played.count(MANAGEMANYCONTACTS) == 1


def ended_with_errors(error: str = "1 of 15 rows refused", file: str = "x") -> bytes:
    row = f'{{"Status":"Completed","Error":"{error}","ErrorFile":"{file}","Count":15}}'
    return f'{{"Count":1,"Data":[{row}],"Total":1}}'.encode()


@named("DATA source missing", "400 with words nobody has seen", "200 of a v4 deletion, empty")
def test_contacts_of_a_job_with_errors_but_no_error_file_are_told_one_by_one(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded
) -> None:
    played.answer(JOB, 200, ended_with_errors())
    play(played, JOB_ERRORS, recorded)
    send_many(bridge)
    assert (bridge.settle().delivered, played.count(MANAGECONTACT)) == (MANY, MANY)


@named("rate limited", "500", "DATA source missing")
def test_an_error_file_is_read_when_it_can_be(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded
) -> None:
    played.answer(JOB, 200, ended_with_errors(error=""))
    play(played, JOB_ERRORS, recorded, times=1)
    if recorded.kind is TransientError:
        played.answer(JOB_ERRORS, 200, b'[{"Email":"p3@b.com","Error":"x"}]')
    send_many(bridge)
    expected = 1 if recorded.kind is TransientError else 0
    assert (bridge.settle().delivered, played.count(MANAGECONTACT)) == (MANY, expected)


# Properties


@named("rate limited", "500", "200 of a v4 deletion, empty")
def test_properties_that_cannot_be_listed_now_are_listed_again(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded
) -> None:
    play(played, LIST_PROPERTIES, recorded, times=1)
    bridge.send("u1", {"email": "a@b.com", "plan": "pro"})
    assert bridge.settle().delivered == 1
    assert bridge.properties("a@b.com") == {"plan": "pro"}


@named("bad credentials, REST", "403", "bad sort", "unknown resource", "unknown object")
def test_a_refusal_to_list_the_properties_is_no_contact_s_fault(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded, eventually: Any
) -> None:
    play(played, LIST_PROPERTIES, recorded)
    bridge.send("u1", {"email": "a@b.com", "plan": "pro"})
    assert_paused(bridge, eventually, recorded.code, 1)


def test_a_property_that_somebody_else_made_meanwhile_is_used(bridge: Bridge, played: PlayedMailjet) -> None:
    play(played, CREATE_PROPERTY, response_named("duplicate property"), times=1)
    bridge.mailjet.create_contactmetadata("plan", "str")
    played.answer(LIST_PROPERTIES, 200, b'{"Count":0,"Data":[],"Total":0}', times=1)
    bridge.send("u1", {"email": "a@b.com", "plan": "pro"})
    bridge.settle()
    assert bridge.properties("a@b.com") == {"plan": "pro"}


@named("empty Name", "unknown JSON field", "400 with words nobody has seen", "413")
def test_values_of_a_property_that_mailjet_does_not_create_are_set_aside(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded
) -> None:
    play(played, CREATE_PROPERTY, recorded)
    bridge.mailjet.create_contactmetadata("city", "str")
    bridge.send("u1", {"email": "a@b.com", "plan": "pro", "city": "Paris"})
    assert bridge.settle().delivered == 1
    assert bridge.properties("a@b.com") == {"city": "Paris"}
    (row,) = RejectedValue.objects.all()
    assert row.property == "plan"
    assert recorded.says in row.message


# The lists of an address that its user has left


def move(bridge: Bridge) -> None:
    bridge.send("u1", {"email": "old@b.com"})
    bridge.settle()
    bridge.send("u1", {"email": "new@b.com"})


@named("unknown object", "non-email path key", "500", "rate limited")
def test_an_old_address_that_mailjet_does_not_know_delays_the_new_one_at_most(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded
) -> None:
    play(played, GETCONTACTSLISTS, recorded, times=2)
    move(bridge)
    assert bridge.settle().delivered == 2
    assert bridge.subscriptions("new@b.com") == {bridge.list_id: True}


@named("bad credentials, REST", "403")
def test_an_old_address_that_cannot_be_looked_up_holds_the_destination(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded, eventually: Any
) -> None:
    play(played, GETCONTACTSLISTS, recorded)
    move(bridge)
    assert_paused(bridge, eventually, recorded.code, 1)


@named("bad numeric id", "400 with words nobody has seen")
def test_a_refused_look_up_of_an_old_address_fails_its_contact_alone(
    bridge: Bridge, played: PlayedMailjet, recorded: Recorded
) -> None:
    move(bridge)
    play(played, GETCONTACTSLISTS, recorded)
    bridge.send("u2", {"email": "other@b.com"})
    report = bridge.settle()
    assert (report.delivered, report.reasons.get("failed")) == (2, {recorded.code: 1})
