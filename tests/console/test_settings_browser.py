"""Settings in a browser: somebody is invited, and a hold is told."""

import json
import urllib.request
from collections import Counter
from itertools import count
from typing import Any

from playwright.sync_api import expect

from jetbridge.control import api_tokens
from jetbridge.control.alerts import AlertNotification
from jetbridge.control.models import MailjetAccount
from jetbridge.control.people import Role, Session, User
from jetbridge.delivery import pauses
from jetbridge.delivery.models import destination_consumer

from .conftest import session_of


def test_inviting_somebody_in_a_browser(served: Any, accessible: Any) -> None:
    owner = served.open("settings/people/")
    accessible(owner)
    owner.get_by_role("link", name="Invite somebody").click()
    owner.get_by_label("Email").fill("nina@example.com")
    owner.get_by_label("Role", exact=True).select_option("viewer")
    accessible(owner)
    owner.get_by_role("button", name="Invite", exact=True).click()
    expect(owner.get_by_role("heading", name="nina@example.com is invited as viewer")).to_be_visible()
    accessible(owner)
    link = owner.locator("#invitation-link").inner_text()

    context = owner.context.browser.new_context()
    guest = context.new_page()
    guest.goto(link)
    accessible(guest)
    guest.get_by_label("Your name").fill("Nina")
    guest.get_by_label("Password").fill("a bridge of boats")
    guest.get_by_role("button", name="Create account and join").click()
    expect(guest.get_by_text("You are viewer of")).to_be_visible()
    guest.goto(f"{served.url}/w/{served.workspace.id}/settings/people/")
    expect(guest.get_by_role("main").get_by_text("nina@example.com")).to_be_visible()
    expect(guest.get_by_role("link", name="Invite somebody")).to_have_count(0)
    context.close()

    served.open("settings/people/")
    owner.get_by_label("Role of Nina", exact=True).select_option("editor")
    owner.get_by_role("button", name="Save role of Nina").click()
    expect(owner.get_by_text("Nina is editor now.")).to_be_visible()
    owner.get_by_role("link", name="Remove Nina").click()
    remove = owner.get_by_role("button", name="Remove")
    expect(remove).to_be_visible()
    accessible(owner)
    remove.click()
    expect(owner.get_by_text("Nina is no longer a member.")).to_be_visible()


def identify(served: Any, number: int) -> None:
    traits = {"email": "ada@example.com", "number": number}
    call = {"userId": "u", "traits": traits, "writeKey": served.joined.http_source.current_key}
    request = urllib.request.Request(f"{served.url}/v1/identify", json.dumps(call).encode())
    urllib.request.urlopen(request).close()


def test_a_hold_is_told(served: Any, receiver: Any, accessible: Any, eventually: Any) -> None:
    MailjetAccount.objects.update(secret_key="wrong")
    numbers, row = count(), served.joined.to_mailjet

    def is_paused() -> bool:
        """The worker takes the new key pair up within a second; until then it delivers with the old one."""
        identify(served, next(numbers))
        return bool(pauses.paused_consumers([destination_consumer(row.id)]))

    eventually(is_paused, "the destination is held")
    browser = served.open("settings/alerts/")
    accessible(browser)
    browser.get_by_role("link", name="Add alert").click()
    browser.get_by_label("Webhook URL").fill(receiver.url)
    accessible(browser)
    browser.get_by_role("button", name="Add alert").click()
    browser.get_by_role("button", name="Send test").click()
    expect(browser.get_by_text("It answered 200: ❝ok❞")).to_be_visible()
    accessible(browser)
    eventually(AlertNotification.objects.exclude(sent_at=None).exists, "the hold is told")
    told = Counter(json.loads(body)["event"] for _, body in receiver.posts)
    assert told == {"alert.opened": 1, "alert.test": 1}
    served.open("settings/alerts/")
    expect(browser.get_by_text("It is paused (INVALID_AUTHENTICATION)")).to_be_visible()
    expect(browser.get_by_text("Webhook: sent")).to_be_visible()
    accessible(browser)


def test_another_session_is_ended_in_a_browser(served: Any, accessible: Any) -> None:
    user = User.objects.get()
    other = session_of(user)
    api_tokens.make(served.workspace, user, "nightly", Role.VIEWER)
    page = served.open("settings/profile/")
    rows = page.get_by_role("region", name="Where you are logged in").get_by_role("row")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="this one")).to_contain_text("Chrome on Linux")
    expect(page.get_by_label("Also revoke my API token")).not_to_be_checked()
    accessible(page)
    for width, scheme in ((390, "dark"), (1280, "light")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        accessible(page)
    rows.get_by_role("button", name="End").click()
    expect(page.get_by_role("status").filter(has_text="1 session was ended.")).to_be_visible()
    expect(rows).to_have_count(2)
    expect(page.get_by_role("button", name="End all others")).to_have_count(0)
    assert not Session.objects.filter(session_key=other).exists()
