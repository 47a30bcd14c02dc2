"""A forgotten password: who gets a link, what the answer tells, and for how long and how often the link is good."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator, default_token_generator
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect

from jetbridge.console.auth import passwords, throttle
from jetbridge.control.people import AuditEntry, Membership, Role, User

NEW = "another bridge of boats"
FORGOTTEN = "/password/forgotten"


@pytest.fixture
def mails(mail_server: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What arrives at the mail server that is configured."""
    config = replace(settings.CONFIG, smtp_url=urlsplit(mail_server.url))
    monkeypatch.setattr(settings, "CONFIG", config)
    mails: list[str] = mail_server.mails
    return mails


def ask(email: str, **headers: str) -> Any:
    return Client().post(FORGOTTEN, {"email": email}, headers=headers)


def path_of(user: User) -> str:
    return urlsplit(passwords.link_for(user)).path


def may_log_in(user: User, password: str) -> bool:
    return Client().post("/login", {"email": user.email, "password": password}).status_code == 302


def in_a_mail(letter: str) -> str:
    """The path of the link in it."""
    (link,) = re.findall(r"http\S+", letter.replace("=\r\n", "").replace("=3D", "="))
    return urlsplit(link).path


def test_a_link_is_mailed_and_its_page_changes_the_password(
    people: Any, mails: list[str], eventually: Any
) -> None:
    assert "Forgot your password?" in Client().get("/login").content.decode()
    answer = ask(" Olga@Example.com")
    assert answer.headers["location"] == f"{FORGOTTEN}?sent=1"
    eventually(lambda: mails, "the letter")
    client = Client()
    answer = client.post(in_a_mail(mails[0]), {"password": NEW}, follow=True)
    assert "Your password was changed." in answer.content.decode()
    assert answer.wsgi_request.user == people.owner
    assert (may_log_in(people.owner, people.password), may_log_in(people.owner, NEW)) == (False, True)
    entry = AuditEntry.objects.get()
    assert (entry.workspace, entry.who, entry.action) == (
        people.workspace,
        "olga@example.com",
        "member.password-reset",
    )


@pytest.mark.parametrize("email", ["olga@example.com", "nobody@example.com", "gone@example.com"])
def test_the_answer_tells_nobody_who_is_here(
    people: Any, mails: list[str], monkeypatch: Any, email: str
) -> None:
    User.objects.create(email="gone@example.com", is_active=False)
    sent: list[str] = []
    monkeypatch.setattr("jetbridge.console.auth.passwords._send", lambda to, _: sent.append(to))
    client = Client()
    answer = client.post(FORGOTTEN, {"email": email})
    assert (answer.status_code, answer.headers["location"], answer.content) == (
        302,
        f"{FORGOTTEN}?sent=1",
        b"",
    )
    assert email not in client.get(answer.headers["location"]).content.decode()
    if email != "olga@example.com":
        assert sent == []


def test_the_page_does_not_wait_for_the_mail_server(people: Any, mails: list[str], monkeypatch: Any) -> None:
    begun, may_end = Event(), Event()

    def send(*_: object) -> None:
        begun.set()
        may_end.wait()

    monkeypatch.setattr("jetbridge.control.mail.send", send)
    assert ask("olga@example.com").status_code == 302
    assert begun.wait(20)
    may_end.set()


def test_a_mail_server_that_refuses_is_told_in_the_log(
    people: Any, mails: list[str], mail_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    mail_server.refused = "olga"
    thread = passwords.send_link("olga@example.com")
    assert thread is not None
    thread.join()
    assert "A link to a new password was not sent: 127.0.0.1 did not take the mail" in caplog.text
    assert "/password/new/" not in caplog.text


def test_too_many_links_for_an_email_have_to_wait_whoever_it_is(people: Any, mails: list[str]) -> None:
    for _ in range(throttle.LINKS.tries):
        throttle.Attempt(throttle.LINKS, "nobody@example.com", "192.0.2.1").wait_minutes()
    answer = ask("nobody@example.com")
    assert answer.status_code == 422
    assert "Too many links were requested. Try again in 15 min." in answer.content.decode()
    assert may_log_in(people.owner, people.password)


def test_links_and_logins_are_counted_apart_for_an_email_and_together_for_an_address(
    people: Any, mails: list[str], eventually: Any
) -> None:
    for _ in range(throttle.LOGINS.tries):
        throttle.Attempt(throttle.LOGINS, "olga@example.com", "192.0.2.1").wait_minutes()
    assert ask("olga@example.com").status_code == 302
    eventually(lambda: mails, "the letter")
    Client().post(in_a_mail(mails[0]), {"password": NEW})
    assert may_log_in(people.owner, NEW)
    for number in range(throttle.PER_ADDRESS):
        throttle.Attempt(throttle.LOGINS, f"{number}@example.com", "127.0.0.1").wait_minutes()
    assert ask("emil@example.com").status_code == 422


def test_without_a_mail_server_the_page_says_what_to_do(people: Any) -> None:
    for answer in (Client().get(FORGOTTEN), ask("olga@example.com")):
        assert "jetbridge users reset-password" in answer.content.decode()
        assert "<form" not in answer.content.decode()


def test_a_link_is_good_once(people: Any) -> None:
    path = path_of(people.owner)
    assert Client().get(path).status_code == 200
    assert Client().post(path, {"password": NEW}).status_code == 302
    for answer in (Client().get(path), Client().post(path, {"password": people.password})):
        assert answer.status_code == 404
        assert "This link has expired" in answer.content.decode()
    assert may_log_in(people.owner, NEW)


def test_a_link_is_good_for_an_hour(people: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = default_token_generator._now()
    path = path_of(people.owner)
    for later, status in ((timedelta(hours=1), 200), (timedelta(hours=1, seconds=2), 404)):
        monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda _, at=made + later: at)
        assert Client().get(path).status_code == status


def test_a_login_ends_the_links_that_were_made_before(people: Any) -> None:
    path = path_of(people.owner)
    assert may_log_in(people.owner, people.password)
    assert Client().get(path).status_code == 404


def test_a_link_is_for_one_person(people: Any) -> None:
    _, _, rest = path_of(people.viewer).partition(f"/new/{people.viewer.id}/")
    assert Client().get(f"/password/new/{people.owner.id}/{rest}").status_code == 404
    User.objects.update(is_active=False)
    assert Client().get(path_of(people.viewer)).status_code == 404


def test_a_new_password_ends_other_sessions_and_follows_the_rules(people: Any, client_of: Any) -> None:
    there = client_of("owner")
    path = path_of(people.owner)
    for password, sentence in (("short", "too short"), ("olga@example.com", "similar"), ("", "required")):
        answer = Client().post(path, {"password": password})
        assert answer.status_code == 422
        assert sentence in answer.content.decode()
    Client().post(path, {"password": NEW})
    assert there.get("/").headers["location"] == "/login?next=/"


def test_it_is_written_into_the_log_of_every_workspace_of_the_person(people: Any) -> None:
    Membership.objects.create(user=people.owner, workspace=people.elsewhere, role=Role.VIEWER)
    Client().post(path_of(people.owner), {"password": NEW})
    assert [entry.workspace for entry in AuditEntry.objects.order_by("workspace_id")] == [
        people.workspace,
        people.elsewhere,
    ]


def test_a_password_is_forgotten_and_chosen_anew_in_a_browser(
    served: Any, browser: BrowserContext, accessible: Callable[[Page], None]
) -> None:
    browser.clear_cookies()
    page = served.page
    page.goto(f"{served.url}/login")
    page.get_by_role("link", name="Forgot your password?").click()
    expect(page.get_by_text("jetbridge users reset-password")).to_be_visible()
    accessible(page)
    path = path_of(User.objects.get())
    page.goto(served.url + path)
    page.get_by_label("New password").fill("short")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_text("This password is too short.")).to_be_visible()
    accessible(page)
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("status").filter(has_text="Your password was changed.")).to_be_visible()
    page.goto(served.url + path)
    expect(page.get_by_role("heading", name="This link has expired")).to_be_visible()
    accessible(page)
