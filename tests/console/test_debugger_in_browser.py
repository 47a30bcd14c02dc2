"""The debugger as a person uses it: in a real browser, before a real Jetbridge and a Mailjet in a box."""

import base64
import json
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import expect

from jetbridge.control.models import Source

pytestmark = pytest.mark.acceptance


@pytest.fixture
def source(served: Any) -> Source:
    return served.workspace.sources.get(kind="http")  # type: ignore[no-any-return]


@pytest.fixture
def send(served: Any, source: Source) -> Any:
    """`send("identify", userId="ada", ...)`: as a library does."""

    def post(kind: str, **fields: Any) -> None:
        key = base64.b64encode(f"{source.current_key}:".encode()).decode()
        request = urllib.request.Request(
            f"{served.url}/v1/{kind}",
            data=json.dumps(fields).encode(),
            headers={"Authorization": f"Basic {key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200

    return post


def test_a_message_appears_by_itself_pause_stops_it_search_finds_it_and_it_opens_to_its_way(
    served: Any, source: Source, send: Any, accessible: Any
) -> None:
    send("identify", userId="before", traits={"email": "before@example.com"})
    page = served.open(f"sources/{source.id}/debugger")
    rows = page.locator("#messages .message-link")
    expect(rows).to_have_count(1)
    expect(page.locator(".live-word.live")).to_be_visible()

    send("identify", userId="ada", traits={"email": "ada@example.com", "plan": "pro"})
    expect(rows.first).to_contain_text("ada")
    expect(page.locator("#messages .message").first.locator(".badge.good")).to_have_text("delivered")
    expect(rows).to_have_count(2)

    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".live-word.paused")).to_be_visible()
    send("track", userId="ada", event="Order Completed")
    expect(page.get_by_text("1 waiting")).to_be_visible()
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Pause").click()
    expect(rows.first).to_contain_text("Order Completed")
    accessible(page)

    page.get_by_role("searchbox", name="Search").fill("before@")
    expect(rows).to_have_count(1)
    assert "q=before%40" in page.url
    send("identify", userId="before", traits={"plan": "pro"})
    send("identify", userId="bob", traits={"email": "BEFORE@example.com"})
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("bob")

    page.get_by_role("searchbox", name="Search").fill("ada@example.com")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("ada")
    rows.click()
    opened = page.get_by_role("dialog")
    expect(opened.get_by_role("heading", name="Delivery")).to_be_visible()
    expect(opened.locator(".way")).to_contain_text("delivered")
    expect(opened.locator(".way")).to_contain_text("managecontact")
    expect(opened.locator("#pretty")).to_contain_text('analytics.identify("ada"')
    opened.get_by_text("Raw", exact=True).click()
    expect(opened.locator("#raw")).to_contain_text('"plan": "pro"')
    expect(opened.locator("#pretty")).to_be_hidden()
    accessible(page)
    page.keyboard.press("Escape")
    expect(opened).to_be_hidden()


def test_without_scripts_it_is_a_page_that_one_refreshes(
    served: Any, source: Source, send: Any, chromium: Any, browser: Any
) -> None:
    send("identify", userId="ada", traits={"email": "ada@example.com"})
    plain = chromium.new_context(java_script_enabled=False)
    plain.add_cookies(browser.cookies())
    page = plain.new_page()
    page.goto(f"{served.url}/w/{served.workspace.id}/sources/{source.id}/debugger")
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    expect(page.locator("#messages .message-link")).to_have_count(1)
    send("track", userId="ada", event="Paid")
    page.get_by_role("link", name="Refresh").click()
    expect(page.locator("#messages .message-link")).to_have_count(2)
    page.get_by_label("Type").select_option("track")
    page.get_by_role("button", name="Search").click()
    page.locator("#messages .message-link").click()
    expect(page.get_by_role("heading", name="Paid", level=1)).to_be_visible()
    page.goto(f"{served.url}/w/{served.workspace.id}/sources/{source.id}/")
    page.get_by_text("Python", exact=True).click()
    expect(page.locator("#snippet-python")).to_be_visible()
    expect(page.locator("#snippet-curl")).to_be_hidden()
    plain.close()


def test_a_source_is_added_in_the_slide_out_and_its_first_message_is_pasted(
    served: Any, accessible: Any
) -> None:
    page = served.open("sources/")
    accessible(page)
    page.get_by_role("link", name="Add source").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Shop backend")
    page.get_by_role("dialog").get_by_role("button", name="Add source").click()
    expect(page.get_by_role("heading", name="Shop backend", level=1)).to_be_visible()
    accessible(page)
    expect(page.locator("#snippet-curl")).to_contain_text(f"curl {served.url}/v1/identify -u ")
    page.get_by_role("link", name="Schema", exact=True).click()
    expect(page.get_by_text("Nothing seen yet")).to_be_visible()
    accessible(page)


def test_a_value_that_could_not_be_read_is_named_where_one_looks(
    served: Any, source: Source, send: Any, accessible: Any
) -> None:
    send(
        "identify", userId="ada", timestamp="soon", traits={"email": "ada@example.com", "score": float("nan")}
    )
    page = served.open(f"sources/{source.id}/")
    page.get_by_text("With unreadable values, ever").locator("..").get_by_role("link", name="1").click()
    row = page.locator("#messages .message-link")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Unreadable: timestamp, traits.score")
    row.click()
    opened = page.get_by_role("dialog")
    expect(opened).to_contain_text("Accepted without traits.score: the value could not be read.")
    expect(opened).to_contain_text("so the message counts from its receipt")
    accessible(page)
