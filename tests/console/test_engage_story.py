"""What a marketer does, by pages alone: from the first screen of Engage to the property of a contact at Mailjet.

How long a person takes is estimated by the Keystroke-Level Model (Card, Moran, Newell 1980), whatever the machine of the test.
"""

import json
import re
import urllib.request
from typing import Any

from playwright.sync_api import Locator, Page, expect

from jetbridge.integrations.mailjet.api.client import MailjetClient

#: Seconds: to think of what to do next, to point at something and click, to press a key (an average typist).
THINK, CLICK, KEY = 1.35, 1.3, 0.28
#: From the first screen to the property.
MOST_SECONDS = 180


class Marketer:
    """`seconds`: what a person would have needed so far, without waiting."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.seconds = 0.0

    def click(self, what: Locator) -> None:
        what.click()
        self.seconds += THINK + CLICK

    def type(self, into: Locator, text: str) -> None:
        into.fill("")
        into.press_sequentially(text)
        self.seconds += THINK + CLICK + KEY * len(text)

    def choose(self, within: Locator, option: str) -> None:
        within.select_option(option)
        self.seconds += THINK + 2 * CLICK


def send(served: Any, *calls: dict[str, Any]) -> None:
    body = {"writeKey": served.joined.http_source.current_key, "batch": list(calls)}
    urllib.request.urlopen(f"{served.url}/v1/batch", json.dumps(body).encode(), timeout=20).close()


def viewed(user: str, times: int = 1) -> list[dict[str, Any]]:
    return [{"type": "track", "userId": user, "event": "Product Viewed"}] * times


def ordered(user: str) -> dict[str, Any]:
    return {"type": "track", "userId": user, "event": "Order Completed"}


def test_viewed_at_least_three_times_in_seven_days_but_no_order(served: Any, eventually: Any) -> None:
    people = ("ada", "bob", "cleo")
    send(
        served,
        *({"type": "identify", "userId": name, "traits": {"email": f"{name}@example.com"}} for name in people),
        *viewed("ada", 3), *viewed("bob", 4), ordered("bob"), *viewed("cleo", 2),
    )  # fmt: skip
    mailjet = MailjetClient(served.sandbox_url, "public", "private")
    eventually(
        lambda: all(mailjet.contact(f"{name}@example.com") for name in people), "the three are contacts"
    )
    page: Page = served.open("sources/")
    marketer = Marketer(page)

    marketer.click(page.get_by_role("navigation", name="Main").get_by_role("link", name="Engage"))
    marketer.click(page.get_by_role("button", name="Turn on Engage"))
    marketer.click(page.get_by_role("link", name="Create your first audience"))
    marketer.type(page.get_by_label("Name"), "Viewed, but no order")
    marketer.type(page.get_by_label("1: event"), "Product Viewed")
    marketer.type(page.get_by_label("1: times"), "3")
    expect(page.locator("#preview")).to_contain_text("Product Viewed at least 3 times within 7 days")
    marketer.click(page.get_by_role("button", name="What they did"))
    marketer.choose(page.get_by_label("2: did or did not"), "did not")
    marketer.type(page.get_by_label("2: event"), "Order Completed")
    expect(page.locator("#preview")).to_contain_text("and not (Order Completed at least once within 7 days)")
    expect(page.locator("#preview")).to_contain_text("1 person")
    expect(page.locator("#sample")).to_contain_text("ada · ada@example.com")
    expect(page.locator("#sample")).to_contain_text(
        "Order Completed at least once within 7 days: no, 0 times"
    )
    marketer.type(page.get_by_label("Is this person in it?"), "bob@example.com")
    expect(page.locator("#explained")).to_contain_text("No")
    marketer.click(page.get_by_label("Mailjet"))
    expect(page.locator("#key-line")).to_contain_text("it is the property viewed_but_no_order")
    marketer.click(page.get_by_role("button", name="Create audience"))
    expect(page.get_by_text(re.compile("about . calls? to Mailjet"))).to_be_visible()
    expect(page.locator("dl")).to_contain_text("bool")
    marketer.click(page.get_by_role("button", name="Activate"))
    expect(page.get_by_text("First sync of 1 person sent")).to_be_visible()
    assert marketer.seconds < MOST_SECONDS

    def value(name: str) -> Any:
        return mailjet.contactdata(f"{name}@example.com").get("viewed_but_no_order")

    eventually(lambda: value("ada") is True, "Ada has the property")
    assert (value("bob"), value("cleo")) == (None, None)
    send(served, ordered("ada"), *viewed("cleo"))
    eventually(lambda: (value("ada"), value("cleo")) == (False, True), "Ada has left, and Cleo came")
    assert value("bob") is None

    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("definition").filter(has_text="live")).to_be_visible()
    page.get_by_role("link", name="Members").click()
    expect(page.get_by_role("row", name="cleo cleo@example.com")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as CSV").click()
    assert download.value.path().read_text("utf-8-sig").splitlines()[1].split(",")[1:3] == [
        "cleo",
        "cleo@example.com",
    ]


def test_what_each_has_spent_by_a_recipe(served: Any, eventually: Any) -> None:
    send(
        served,
        {"type": "identify", "userId": "ada", "traits": {"email": "ada@example.com"}},
        *({**ordered("ada"), "properties": {"total": total}} for total in (19.9, 0.2)),
    )
    mailjet = MailjetClient(served.sandbox_url, "public", "private")
    eventually(lambda: mailjet.contact("ada@example.com"), "Ada is a contact")
    page: Page = served.open("sources/")
    marketer = Marketer(page)
    navigation = page.get_by_role("navigation", name="Main")

    marketer.click(navigation.get_by_role("link", name="Engage"))
    marketer.click(page.get_by_role("button", name="Turn on Engage"))
    marketer.click(navigation.get_by_role("link", name="Computed traits"))
    marketer.click(page.get_by_role("link", name="Lifetime value"))
    expect(page.locator("#preview")).to_contain_text("sum of total of Order Completed")
    expect(page.locator("#preview")).to_contain_text("1 person with a value")
    expect(page.locator("#sample")).to_contain_text("20.1")
    marketer.click(page.get_by_label("Mailjet"))
    expect(page.locator("#key-line")).to_contain_text("it is the property lifetime_value")
    marketer.click(page.get_by_role("button", name="Create computed trait"))
    expect(page.locator("dl")).to_contain_text("float")
    marketer.click(page.get_by_role("button", name="Activate"))
    expect(page.get_by_text("First sync of 1 person sent")).to_be_visible()
    assert marketer.seconds < MOST_SECONDS

    def value() -> Any:
        return mailjet.contactdata("ada@example.com").get("lifetime_value")

    eventually(lambda: value() == 20.1, "Ada has the property")
    send(served, {**ordered("ada"), "properties": {"total": 10}})
    eventually(lambda: value() == 30.1, "the new order counts")

    page.get_by_role("link", name="Values").click()
    page.get_by_role("link", name="ada", exact=True).first.click()
    page.get_by_role("button", name="Find out").click()
    expect(page.locator("#why-answer")).to_contain_text(
        "has lifetime_value: 30.1 for the contact ada@example.com"
    )
    expect(page.locator("#timeline")).to_contain_text("lifetime_value: 30.1")

    marketer.click(navigation.get_by_role("link", name="Computed traits"))
    marketer.click(page.get_by_role("link", name="Create computed trait"))
    marketer.click(page.get_by_role("link", name="Last order date"))
    expect(page.get_by_label("Property")).to_be_hidden()
    expect(page.locator("#preview")).to_contain_text("date of the last Order Completed")
    marketer.click(page.get_by_label("Mailjet"))
    marketer.click(page.get_by_role("button", name="Create computed trait"))
    expect(page.locator("dl")).to_contain_text("datetime")
    marketer.click(page.get_by_role("button", name="Activate"))
    eventually(
        lambda: mailjet.contactdata("ada@example.com").get("last_order_date", "").startswith("20"),
        "the date of the last order is a property",
    )
    assert mailjet.contactmetadata()["last_order_date"] == "datetime"
