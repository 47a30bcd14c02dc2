"""Every row of the table, met by an answer as it was recorded, over real HTTP."""

from typing import Any

import pytest

from jetbridge.errors import DeliveryError, TransientError
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.errors import (
    NEXT,
    RULES,
    ListsRejected,
    NotFound,
    PropertiesRejected,
    Response,
    error_of,
    rule_of,
)

from .responses import RESPONSES, Recorded, response_named

#: Every status and body that anybody has recorded or documented, by name.
KNOWN = {
    "200", "200 of a v4 deletion, empty", "201", "204 of a DELETE", "304 of a PUT", "403", "500",
    "bad credentials, REST", "bad credentials, v3.1 send and v4", "list address is given",
    "unknown object", "DATA source missing", "v3.1/REST: nginx", "unknown resource", "wrongpath", "method not allowed",
    "duplicate contact", "duplicate sender", "duplicate inactive sender", "duplicate webhook", "duplicate property",
    "non-email path key", "bad numeric id", "empty Name", "managecontact, empty body", "managecontact, bad properties",
    "bad properties as the docs print it", "managecontactslists, bad list", "bad list as the docs print it",
    "bad list in the docs' other words", "bad action on a list", "contactdata, unknown property", "unknown JSON field", "bad sort", "csvimport excludemarketing and list",
    "csvimport bad status change", "MJ02, listing csvimport", "rate limited",
}  # fmt: skip


@pytest.mark.parametrize("recorded", RESPONSES, ids=lambda recorded: recorded.name)
def test_an_answer_becomes_what_happens_next(mailjet: Any, client: MailjetClient, recorded: Recorded) -> None:
    mailjet.answer(recorded.status, recorded.body, Content_Type=recorded.content_type)
    try:
        client._call("DELETE", "/v4/contacts/7")
        caught = None
    except DeliveryError as error:
        caught = error
    if recorded.kind is None:
        assert caught is None
        return
    assert caught is not None
    assert (type(caught), caught.code, caught.status) == (recorded.kind, recorded.code, recorded.status)
    assert recorded.says in str(caught)


def test_every_known_answer_has_a_case() -> None:
    assert {each.name for each in RESPONSES if each.source != "X"} == KNOWN
    assert len({each.name for each in RESPONSES}) == len(RESPONSES)


def test_every_row_of_the_table_has_a_case() -> None:
    met = {rule_of(Response("GET /", each.status, each.content_type, each.body)).case for each in RESPONSES}
    assert met == {rule.case for rule in RULES}


def test_every_row_says_what_happens_next() -> None:
    assert {rule.error for rule in RULES} == set(NEXT)


def test_refused_properties_are_named_with_mailjets_words(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(400, response_named("managecontact, bad properties").body)
    with pytest.raises(PropertiesRejected) as caught:
        client.managecontact(1, {"Email": "user@example.com", "Action": "addnoforce"})
    assert caught.value.properties == {
        "plan": "Property not defined",
        "age": "Property type does not match definition",
    }


def test_refused_properties_are_found_under_error_message_too(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(400, response_named("bad properties as the docs print it").body)
    with pytest.raises(PropertiesRejected) as caught:
        client.managecontact(1, {})
    assert set(caught.value.properties) == {"plan", "age"}


@pytest.mark.parametrize("name", ["managecontactslists, bad list", "bad list as the docs print it"])
def test_refused_lists_are_named_by_id(mailjet: Any, client: MailjetClient, name: str) -> None:
    mailjet.answer(400, response_named(name).body)
    with pytest.raises(ListsRejected) as caught:
        client.managecontactslists("user@example.com", {123: "addnoforce"})
    assert caught.value.lists == {123: "List ID 123 is invalid or deleted"}


def test_the_sentence_says_which_call_and_quotes_mailjet(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(404, response_named("unknown object").body)
    with pytest.raises(NotFound) as caught:
        client.managecontact(77, {})
    assert str(caught.value) == (
        "Mailjet does not know this object. "
        "(POST /v3/REST/contactslist/77/managecontact: 404 ❝Object not found❞)"
    )


def test_retry_after_is_passed_on(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(429, response_named("rate limited").body, Retry_After="7")
    with pytest.raises(TransientError) as caught:
        client.user()
    assert caught.value.retry_after_seconds == 7.0


def test_answers_are_kept_short() -> None:
    error = error_of(Response("GET /v3/REST/user", 400, "text/html", b"x" * 100_000))
    assert error is not None
    assert error.response == "x" * 2_000
    assert len(str(error)) < 1_000
