"""From an empty home to a logged-in owner, in a browser; and whom the link lets in. test_story.py goes on from there."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect

from jetbridge.console.auth import bootstrap_link
from jetbridge.control.models import Workspace
from jetbridge.control.people import AuditEntry, Membership, User

FORM = {"name": "Olga", "email": "Olga@Example.com", "password": "a bridge of boats", "workspace": "Shop"}


def path() -> str:
    return bootstrap_link.first_run_link("")


def test_the_page_is_accessible_and_the_link_is_good_once(
    serve: Any, url: str, browser: BrowserContext, accessible: Callable[[Page], None]
) -> None:
    (first_run,) = re.findall(r"Create yours here: (\S+)", serve.output())
    page = browser.new_page()
    page.goto(f"{url}/login")
    expect(page.get_by_text("Nobody has an account yet.")).to_be_visible()
    accessible(page)
    page.goto(first_run)
    accessible(page)
    page.get_by_label("Email").fill("olga@example.com")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("This password is too short.")).to_be_visible()
    accessible(page)
    page.get_by_label("Your name").fill("Olga")
    page.get_by_label("Password").fill("a bridge of boats")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("0 of 5 done")).to_be_visible()
    accessible(page)
    page.get_by_label("Account of Olga").click()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{url}/login")
    page.goto(first_run)
    expect(page).to_have_url(f"{url}/login")


def test_it_makes_an_owner_and_a_workspace(home: Path) -> None:
    client = Client()
    answer = client.post(path(), FORM)
    workspace = Workspace.objects.get()
    assert answer.headers["location"] == f"/w/{workspace.id}/checklist/"
    row = Membership.objects.get()
    assert (row.user.email, row.workspace.name, row.role) == ("olga@example.com", "Shop", "owner")
    assert client.get(answer.headers["location"]).status_code == 200
    assert [(entry.who, entry.action) for entry in AuditEntry.objects.all()] == [
        ("olga@example.com", "member.first-owner")
    ]


def test_a_workspace_that_setup_has_made_is_joined(home: Path) -> None:
    Workspace.objects.create(name="Main")
    form = {name: value for name, value in FORM.items() if name != "workspace"}
    assert Client().post(path(), form).status_code == 302
    assert Membership.objects.get().workspace.name == "Main"
    assert Workspace.objects.count() == 1


def test_a_wrong_link_leads_nowhere(home: Path) -> None:
    assert Client().get("/first-run/" + "0" * 40).status_code == 404
    assert Client().post("/first-run/" + "0" * 40, FORM).status_code == 404
    assert not User.objects.exists()


def test_the_link_is_good_once(home: Path) -> None:
    once = path()
    Client().post(once, FORM)
    assert bootstrap_link.first_run_link("") == ""
    for answer in (Client().get(once), Client().post(once, FORM | {"email": "eve@example.com"})):
        assert answer.headers["location"] == "/login"
    assert User.objects.count() == 1


def test_a_password_like_the_email_is_refused(home: Path) -> None:
    answer = Client().post(path(), FORM | {"password": "olga@example.com"})
    assert answer.status_code == 422
    assert not User.objects.exists()
