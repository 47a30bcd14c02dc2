"""Who gets in, how often one may try, and where a login leads."""

from base64 import urlsafe_b64decode
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.utils import timezone

from jetbridge.console.auth import bootstrap_link, passwords, throttle
from jetbridge.console.auth.throttle import LINKS, LOGINS, Attempt
from jetbridge.control import api_tokens, membership
from jetbridge.control.people import LoginFailure, Role, User


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
    assert "Email or password is wrong." in answer.content.decode()


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
        assert Attempt(LOGINS, email, address).wait_minutes() == 0


def test_too_many_failures_of_an_email_make_it_wait(people: Any) -> None:
    fail(LOGINS.tries, email="Olga@example.com", address="192.0.2.1")
    answer = Client().post("/login", {"email": "olga@example.com", "password": people.password})
    assert answer.status_code == 422
    assert "Too many attempts. Try again in 15 min." in answer.content.decode()
    assert log_in(Client(), "emil@example.com", people.password) == 302


def test_too_many_failures_from_an_address_make_it_wait(people: Any) -> None:
    for number in range(throttle.PER_ADDRESS):
        fail(1, email=f"{number}@example.com")
    assert log_in(Client(), "olga@example.com", people.password) == 422
    assert log_in(Client(REMOTE_ADDR="127.0.0.2"), "olga@example.com", people.password) == 302


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("unix:", "unix:", True),
    ],
)
def test_addresses_of_ipv6_are_counted_by_the_64_that_one_person_has(
    people: Any, one: str, other: str, *, same: bool
) -> None:
    for number in range(throttle.PER_ADDRESS):
        fail(1, email=f"{number}@example.com", address=one)
    assert (Attempt(LOGINS, "olga@example.com", other).wait_minutes() > 0) == same


def test_a_stranger_who_guesses_does_not_shut_out_a_device_of_the_owner(people: Any) -> None:
    """It has tries of its own, and no more than a stranger; its login gives the stranger none."""
    known = Client()
    assert log_in(known, "olga@example.com", people.password) == 302
    known.post("/logout")
    fail(LOGINS.tries, email="olga@example.com", address="192.0.2.1")
    assert log_in(Client(), "olga@example.com", people.password) == 422
    for _ in range(LOGINS.tries - 1):
        assert log_in(known, "olga@example.com", "wrong") == 422
    assert log_in(known, "olga@example.com", people.password) == 302
    assert log_in(Client(), "olga@example.com", people.password) == 422
    known.post("/logout")
    for _ in range(LOGINS.tries):
        log_in(known, "olga@example.com", "wrong")
    assert log_in(known, "olga@example.com", people.password) == 422


def test_a_stranger_who_asks_for_links_takes_none_from_a_device_of_the_owner(people: Any) -> None:
    known = Client()
    log_in(known, "olga@example.com", people.password)
    for _ in range(LINKS.tries):
        Attempt(LINKS, "olga@example.com", "192.0.2.1").wait_minutes()
    request = RequestFactory().get("/")
    assert throttle.known_device(request, "olga@example.com") == ""
    request.COOKIES.update({name: each.value for name, each in known.cookies.items()})
    device = throttle.known_device(request, "Olga@example.com")
    assert Attempt(LINKS, "olga@example.com", "192.0.2.1").wait_minutes() > 0
    assert Attempt(LINKS, "olga@example.com", "192.0.2.1", device).wait_minutes() == 0


def test_a_device_is_known_for_its_person_alone_and_until_the_next_password(people: Any) -> None:
    client = Client()
    log_in(client, "olga@example.com", people.password)
    cookie = client.cookies[f"jetbridge_device_{people.owner.id}"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 365 * 24 * 3600)
    request = RequestFactory().get("/")
    request.COOKIES = {f"jetbridge_device_{each.id}": cookie.value for each in User.objects.all()}
    assert throttle.known_device(request, "olga@example.com")
    assert throttle.known_device(request, "emil@example.com") == ""
    assert throttle.known_device(request, "nobody@example.com") == ""
    request.COOKIES = {f"jetbridge_device_{people.owner.id}": cookie.value[:-1] + "x"}
    assert throttle.known_device(request, "olga@example.com") == ""
    request.COOKIES = {f"jetbridge_device_{people.owner.id}": cookie.value}
    people.owner.set_password("another bridge of boats")
    people.owner.save()
    assert throttle.known_device(request, "olga@example.com") == ""


def test_behind_tls_no_other_host_of_the_domain_makes_a_device_known(people: Any) -> None:
    response = HttpResponse()
    with override_settings(COOKIE_PREFIX="__Host-", SESSION_COOKIE_SECURE=True):
        throttle.remember_device(response, people.owner)
    cookie = response.cookies[f"__Host-jetbridge_device_{people.owner.id}"]
    assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")


def test_the_present_password_cannot_be_guessed_on_the_profile_page(people: Any, client_of: Any) -> None:
    profile = f"/w/{people.workspace.id}/settings/profile/"
    new = "another bridge of boats"
    data = {"form": "password", "old_password": "wrong", "new_password1": new, "new_password2": new}
    client = client_of("viewer")
    for _ in range(throttle.PASSWORDS.tries):
        assert "was entered incorrectly" in client.post(profile, data).content.decode()
    answer = client.post(profile, data | {"old_password": people.password})
    assert (
        answer.status_code,
        "Too many attempts. The password was not checked." in answer.content.decode(),
    ) == (
        422,
        True,
    )
    assert log_in(Client(), "vera@example.com", people.password) == 302
    editors = data | {"old_password": people.password}
    assert client_of("editor").post(profile, editors).status_code == 302


def test_a_new_password_that_is_refused_is_no_guess(people: Any, client_of: Any) -> None:
    profile = f"/w/{people.workspace.id}/settings/profile/"
    data = {"form": "password", "old_password": people.password, "new_password1": "x", "new_password2": "x"}
    client = client_of("viewer")
    for _ in range(throttle.PASSWORDS.tries + 1):
        answer = client.post(profile, data)
        assert "too short" in answer.content.decode()


def test_what_lets_in_without_a_password_is_too_long_to_be_guessed(people: Any) -> None:
    """128 bits at least: no limit is needed where nobody could hit anything."""
    _, token = api_tokens.make(people.workspace, people.owner, "t", Role.VIEWER)
    _, invitation = membership.invite(people.workspace, "new@example.com", Role.VIEWER, people.owner)
    link_proof = passwords.link_for(people.owner).rpartition("-")[2]
    assert len(urlsafe_b64decode(token.removeprefix("jbt_") + "=")) == 32
    assert len(urlsafe_b64decode(invitation + "=")) == 32
    assert len(bytes.fromhex(link_proof)) == 16
    assert len(bytes.fromhex(bootstrap_link._token())) == 20


def test_waiting_ends(people: Any) -> None:
    fail(LOGINS.tries, email="olga@example.com")
    LoginFailure.objects.update(at=timezone.now() - throttle.WINDOW - timedelta(seconds=1))
    assert log_in(Client(), "olga@example.com", people.password) == 302


def test_a_login_forgets_the_failures_of_its_email(people: Any) -> None:
    assert log_in(Client(), "olga@example.com", "wrong") == 422
    fail(1, email="other@example.com")
    log_in(Client(), "olga@example.com", people.password)
    assert LoginFailure.objects.count() == 1


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
