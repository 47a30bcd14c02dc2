"""Forms in slide-outs, forms that are sent twice, and calls of htmx that fail: in a browser, as people meet them."""

import re
from typing import Any

import pytest
from django.contrib.messages import get_messages
from playwright.sync_api import Route, expect

from jetbridge.control.models import Source
from jetbridge.control.people import ApiToken

IN_SLIDE_OUT = {"hx-request": "true", "hx-target": "slide-out-body"}


@pytest.mark.parametrize(
    ("seen_on", "refresh"), [("/w/{}/sources/", None), ("/w/{}/sources/{}/settings", "true")]
)
def test_a_redirect_of_a_slide_outs_form_leads_the_whole_page(
    people: Any, client_of: Any, seen_on: str, refresh: str | None
) -> None:
    source = people.workspace.sources.create(name="Website", kind="http")
    page = f"/w/{people.workspace.id}/sources/{source.id}/settings"
    on = "http://testserver" + seen_on.format(people.workspace.id, source.id)
    answer = client_of("editor").post(page, {"name": "Shop"}, headers=IN_SLIDE_OUT | {"hx-current-url": on})
    assert (answer.status_code, answer.headers.get("location")) == (200, None)
    assert (answer.headers["hx-redirect"], answer.headers.get("hx-refresh")) == (page, refresh)
    assert [str(each) for each in get_messages(answer.wsgi_request)] == ["Saved."]


def test_a_mistake_is_told_in_the_slide_out_and_a_success_leads_on(served: Any, accessible: Any) -> None:
    page = served.open("sources/")
    page.get_by_role("link", name="Add source").click()
    dialog = page.get_by_role("dialog", name="Add source")
    name = dialog.get_by_label("Name")
    expect(name).to_be_focused()
    name.press("Enter")
    expect(dialog.get_by_text("This field is required.")).to_be_visible()
    expect(name).to_be_focused()
    accessible(page)
    name.fill("Shop backend")
    name.press("Enter")
    expect(page.get_by_role("heading", name="Shop backend", level=1)).to_be_visible()
    expect(
        page.get_by_role("status").filter(has_text="Shop backend is added. It accepts messages now.")
    ).to_be_visible()
    assert re.search(r"/sources/\d+/$", page.url)


def test_a_slide_out_over_the_page_that_it_leads_to_is_followed(served: Any) -> None:
    page = served.open("app-connections/")
    page.get_by_role("link", name="Mailjet public").click()
    block = page.locator("section[id^=connection-]")
    page.goto(f"{page.url}#{block.get_attribute('id')}")
    block.get_by_role("link", name="Rotate key").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate key").click()
    expect(block).to_contain_text("The old key ends")


def test_a_form_that_is_pressed_twice_is_sent_once(served: Any) -> None:
    page = served.open("settings/tokens/")
    page.get_by_label("Name").fill("nightly export")
    page.get_by_role("button", name="Make token").dblclick()
    expect(page.get_by_role("heading", name="The token of nightly export")).to_be_visible()
    assert ApiToken.objects.count() == 1

    page = served.open("sources/")
    before = Source.objects.count()
    page.get_by_role("link", name="Add source").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Twice")
    page.get_by_role("dialog").get_by_role("button", name="Add source").dblclick()
    expect(page.get_by_role("heading", name="Twice", level=1)).to_be_visible()
    assert Source.objects.count() == before + 1


def test_what_fails_behind_a_page_is_told_until_it_works(
    served: Any, chromium: Any, browser: Any, accessible: Any
) -> None:
    context = (
        chromium.new_context()
    )  # of its own: htmx logs what fails here, and `browser` lets no error pass
    context.add_cookies(browser.cookies())
    page = context.new_page()
    page.goto(f"{served.url}/w/{served.workspace.id}/sources/")
    broken = "<h1>Something went wrong</h1><p>The page could not be made.</p>"

    def fail(route: Route) -> None:
        route.fulfill(status=500, content_type="text/html", body=broken)

    page.route("**/sources/add", fail)
    link, told = page.get_by_role("link", name="Add source"), page.locator(".toast.error")
    link.click()
    expect(told).to_contain_text("Something went wrong. The page could not be made.")
    accessible(page)
    told.get_by_role("button", name="Dismiss").click()
    expect(told).to_have_count(0)
    page.unroute("**/sources/add")
    page.route("**/sources/add", lambda route: route.abort())
    link.click()
    expect(told).to_contain_text("Jetbridge does not respond.")
    page.unroute("**/sources/add")
    link.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(told).to_have_count(0)
    context.close()
