"""Every row of the table, met by an answer as it was recorded, over real HTTP."""

from typing import Any

import pytest

from jetbridge.errors import DeliveryError, HoldError, PermanentError, TransientError
from jetbridge.mailjet.client import MailjetClient
from jetbridge.mailjet.errors import (
    RULES,
    AlreadyExists,
    Answer,
    EmailRefused,
    ListsRefused,
    NotFound,
    PropertiesRefused,
    error_of,
)


def legacy(message: Any, info: Any = "", status: int = 400) -> dict[str, Any]:
    return {"ErrorInfo": info, "ErrorMessage": message, "StatusCode": status}


BAD_KEYS_V4 = {
    "ErrorIdentifier": "ab3b7b33-7d5e-4a56-9f60-0c0b1e8a3d2f",
    "StatusCode": 401,
    "ErrorMessage": "API key authentication/authorization failure. You may be unauthorized to access the API",
}
UNKNOWN_KEY = 'Invalid key name: "foo"'
MJ18 = 'MJ18 A Contact resource with value "user@example.com" for Email already exists.'
BAD_EMAIL = 'Invalid email address "nobody", reason: "No @ character in mail"'
BAD_PROPERTIES = legacy(
    "Object properties invalid",
    {"Properties": [{"plan": "Property not defined"}, {"age": "Property type does not match definition"}]},
)
BAD_LIST = legacy(
    "Object properties invalid",
    {
        "ContactsLists": [
            {"ListID": 123, "Action": "addnoforce", "Error": "List ID 123 is invalid or deleted"}
        ]
    },
)
EMPTY_MANAGECONTACT = legacy(
    "Object properties invalid",
    {
        "Email": "MJ08 Property email is invalid: MJ03 A non-empty value is required",
        "Action": "Invalid action: ",
    },
)
NO_LIST_ADDRESS = legacy("Internal error: List address is automatically generated", status=401)
TOO_MANY = b"<html>Rate limit exceeded</html>"
NGINX_404 = b"<html><head><title>404 Not Found</title></head></html>"

Case = tuple[int, Any, type[DeliveryError], str]
CASES: list[Case] = [
    (429, TOO_MANY, TransientError, "TOO_MANY_REQUESTS"),
    (408, b"", TransientError, "TIMEOUT"),
    (423, b"", TransientError, "LOCKED"),
    (500, legacy("An Unexpected Error occurred", status=500), TransientError, "SERVER_ERROR"),
    (502, b"<html>Bad gateway</html>", TransientError, "SERVER_ERROR"),
    (401, b"", HoldError, "INVALID_AUTHENTICATION"),
    (401, BAD_KEYS_V4, HoldError, "INVALID_AUTHENTICATION"),
    (401, NO_LIST_ADDRESS, PermanentError, "FORBIDDEN_OPERATION"),
    (403, legacy("Not authorized", status=403), HoldError, "FORBIDDEN"),
    (404, NGINX_404, HoldError, "WRONG_ADDRESS"),
    (404, legacy("Object not found", status=404), NotFound, "NOT_FOUND"),
    (400, legacy(MJ18), AlreadyExists, "ALREADY_EXISTS"),
    (400, legacy(UNKNOWN_KEY), TransientError, "INVALID_KEY_NAME"),
    (400, BAD_PROPERTIES, PropertiesRefused, "INVALID_PROPERTY"),
    (400, BAD_LIST, ListsRefused, "INVALID_LIST"),
    (400, EMPTY_MANAGECONTACT, EmailRefused, "INVALID_EMAIL"),
    (400, legacy(BAD_EMAIL), EmailRefused, "INVALID_EMAIL"),
    (405, legacy("Method not allowed", status=405), PermanentError, "BAD_REQUEST"),
    (413, b"<html>too large</html>", PermanentError, "BAD_REQUEST"),
    (301, b"", HoldError, "WRONG_ADDRESS"),
    (600, b"", TransientError, "UNREADABLE_ANSWER"),
]


@pytest.mark.parametrize("case", CASES)
def test_an_answer_becomes_the_error_that_says_what_happens_next(
    mailjet: Any, client: MailjetClient, case: Case
) -> None:
    status, body, kind, code = case
    mailjet.answer(status, body)
    with pytest.raises(DeliveryError) as caught:
        client.create_contactslist("Customers")
    assert (type(caught.value), caught.value.code, caught.value.status) == (kind, code, status)


def test_every_row_of_the_table_has_a_case() -> None:
    assert {rule.code for rule in RULES} == {code for _, _, _, code in CASES}


def test_refused_properties_are_named_with_mailjets_words(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(400, BAD_PROPERTIES)
    with pytest.raises(PropertiesRefused) as caught:
        client.managecontact(1, {"Email": "user@example.com", "Action": "addnoforce"})
    assert caught.value.properties == {
        "plan": "Property not defined",
        "age": "Property type does not match definition",
    }


def test_refused_properties_are_found_under_error_message_too(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(
        400, {"ErrorMessage": {"Properties": [{"plan": "Property not defined"}]}, "StatusCode": 400}
    )
    with pytest.raises(PropertiesRefused) as caught:
        client.managecontact(1, {})
    assert caught.value.properties == {"plan": "Property not defined"}


def test_refused_lists_are_named_by_id(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(400, BAD_LIST)
    with pytest.raises(ListsRefused) as caught:
        client.managecontactslists("user@example.com", {123: "addnoforce"})
    assert caught.value.lists == {123: "List ID 123 is invalid or deleted"}


def test_the_sentence_says_which_call_and_quotes_mailjet(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(404, legacy("Object not found", status=404))
    with pytest.raises(NotFound) as caught:
        client.managecontact(77, {})
    assert str(caught.value) == (
        "Mailjet does not know this object. "
        '(POST /v3/REST/contactslist/77/managecontact: 404 "Object not found")'
    )


def test_retry_after_is_passed_on(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(429, TOO_MANY, Retry_After="7")
    with pytest.raises(TransientError) as caught:
        client.user()
    assert caught.value.retry_after_seconds == 7.0


def test_answers_are_kept_short() -> None:
    error = error_of(Answer("GET /v3/REST/user", 400, "text/html", b"x" * 100_000))
    assert error.answer == "x" * 2_000
    assert len(str(error)) < 1_000
