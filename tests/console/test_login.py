"""Who gets in, how often one may try, and where a login leads."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone

from jetbridge.console import throttle
from jetbridge.control.people import LoginFailure, User


def log_in(client: Client, email: str, password: str, **more: str) -> int:
    return client.post("/login", {"email": email, "password": password, **more}).status_code


def test_a_login_gives_the_session_a_new_key(people: Any) -> None:
    client = Client()
    session = client.session
    session["seen"] = "before"
    session.save()
    before = client.session.session_key
    assert log_in(client, "OLGA@example.com ", people.password) == 302
    assert client.session.session_key != before
    assert client.get("/").headers["location"] == f"/w/{people.workspace.id}/"


@pytest.mark.parametrize("email", ["olga@example.com", "nobody@example.com"])
def test_a_wrong_password_and_an_unknown_email_are_told_the_same(people: Any, email: str) -> None:
    answer = Client().post("/login", {"email": email, "password": "wrong"})
    assert answer.status_code == 422
    assert "This email and password do not belong together." in answer.content.decode()


def test_who_was_switched_off_does_not_get_in(people: Any) -> None:
    User.objects.update(is_active=False)
    assert log_in(Client(), "olga@example.com", people.password) == 422


def test_logout_ends_the_session(people: Any, client_of: Any) -> None:
    client = client_of("owner")
    assert client.get("/logout").status_code == 405
    assert client.post("/logout").headers["location"] == "/login"
    assert client.get("/").headers["location"] == "/login?next=/"


def fail(total: int, *, email: str = "x@example.com", address: str = "127.0.0.1") -> None:
    for _ in range(total):
        throttle.count(email, address)


def test_too_many_failures_of_an_email_make_it_wait(people: Any) -> None:
    fail(throttle.LOGINS.per_email, email="Olga@example.com", address="192.0.2.1")
    answer = Client().post("/login", {"email": "olga@example.com", "password": people.password})
    assert answer.status_code == 422
    assert "Too many tries. Try again in 15 min." in answer.content.decode()
    assert log_in(Client(), "emil@example.com", people.password) == 302


def test_too_many_failures_from_an_address_make_it_wait(people: Any) -> None:
    for number in range(throttle.PER_ADDRESS):
        throttle.count(f"{number}@example.com", "127.0.0.1")
    assert log_in(Client(), "olga@example.com", people.password) == 422
    assert log_in(Client(REMOTE_ADDR="127.0.0.2"), "olga@example.com", people.password) == 302


def test_waiting_ends(people: Any) -> None:
    fail(throttle.LOGINS.per_email, email="olga@example.com")
    LoginFailure.objects.update(at=timezone.now() - throttle.WINDOW - timedelta(seconds=1))
    assert log_in(Client(), "olga@example.com", people.password) == 302


def test_a_login_forgets_the_failures_of_its_email(people: Any) -> None:
    assert log_in(Client(), "olga@example.com", "wrong") == 422
    fail(1, email="other@example.com")
    log_in(Client(), "olga@example.com", people.password)
    assert LoginFailure.objects.count() == 1


@pytest.mark.parametrize(
    ("peer", "told", "address"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.2", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("8.8.8.8", "203.0.113.9", "8.8.8.8"),  # a stranger may say anything
    ],
)
def test_whose_address_counts(peer: str, told: str, address: str) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers={"x-forwarded-for": told})
    assert throttle.address_of(request) == address


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example.com/",
        "//evil.example.com/",
        "/\\evil.example.com",
        "javascript:alert(1)",
        "http:///evil.example.com",
        "///evil.example.com",
        "evil.example.com",
        "/\n/evil.example.com",
    ],
)
def test_a_login_leads_nowhere_else(people: Any, wanted: str) -> None:
    data = {"email": "olga@example.com", "password": people.password, "next": wanted}
    assert Client().post("/login", data).headers["location"] == "/"
    client = Client()
    client.force_login(people.owner)
    assert client.get("/login", {"next": wanted}).headers["location"] == "/"


def test_a_login_leads_to_the_page_that_was_asked_for(people: Any) -> None:
    page = f"/w/{people.workspace.id}/sources/?q=a"
    client = Client()
    login = client.get(page).headers["location"]
    assert login == f"/login?next=/w/{people.workspace.id}/sources/%3Fq%3Da"
    data = {"email": "olga@example.com", "password": people.password, "next": page}
    assert client.post("/login", data).headers["location"] == page


def test_a_part_of_a_page_sends_the_whole_page_to_the_login(people: Any) -> None:
    steps = f"/w/{people.workspace.id}/checklist/steps"
    headers = {
        "hx-request": "true",
        "hx-current-url": f"http://testserver/w/{people.workspace.id}/checklist/",
    }
    answer = Client().get(steps, headers=headers)
    assert answer.headers["hx-redirect"] == f"/login?next=/w/{people.workspace.id}/checklist/"


def test_a_form_without_its_token_changes_nothing(people: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    data = {"email": "olga@example.com", "password": people.password}
    answer = client.post("/login", data)
    assert answer.status_code == 403
    assert "This form was not accepted" in answer.content.decode()
    client.force_login(people.owner)
    assert (
        client.post(
            f"/w/{people.workspace.id}/settings/profile/", {"form": "name", "name": "Eve"}
        ).status_code
        == 403
    )
    assert client.post("/logout").status_code == 403


def test_a_form_sent_from_another_site_changes_nothing(people: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    token = client.get("/login").context["csrf_token"]
    data = {"email": "olga@example.com", "password": people.password, "csrfmiddlewaretoken": str(token)}
    foreign = {"origin": "https://evil.example.com"}
    assert client.post("/login", data, headers=foreign).status_code == 403
    assert client.post("/login", data).status_code == 302
