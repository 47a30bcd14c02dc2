"""The builder in a browser: what it would be renews itself while one types, and the keyboard alone is enough."""

import json
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from jetbridge.engage.models import Computation

PREMIUM = {"trait": "plan", "op": "=", "value": "premium"}


@pytest.fixture
def builder(served: Any) -> Page:
    """Of a workspace in which Engage was just turned on, and five people have viewed something, one of them has ordered."""
    page: Page = served.open("engage/")
    page.get_by_role("button", name="Turn on Engage").click()
    calls: list[dict[str, Any]] = []
    for name in ("ada", "bob", "cleo", "dora", "eve"):
        traits = {"email": f"{name}@example.com", "plan": "premium" if name < "c" else "free"}
        calls.append({"type": "identify", "userId": name, "traits": traits})
        calls += [
            {"type": "track", "userId": name, "event": "Product Viewed", "properties": {"price": 20}}
        ] * 3
    calls.append({"type": "track", "userId": "bob", "event": "Order Completed"})
    body = {"writeKey": served.joined.http_source.current_key, "batch": calls}
    urllib.request.urlopen(f"{served.url}/v1/batch", json.dumps(body).encode(), timeout=20).close()
    page.get_by_role("link", name="Create your first audience").click()
    return page


def count(page: Page, people: int) -> None:
    """Once the worker has read them."""
    field = page.get_by_label("Name")
    for _ in range(100):
        text = page.locator("#preview").inner_text()
        if text.startswith(f"{people} "):
            return
        field.dispatch_event("input")
        page.wait_for_timeout(300)
    expect(page.locator("#preview")).to_contain_text(f"{people} p")


def focused(page: Page) -> str:
    return str(
        page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.id")
    )


def test_the_keyboard_alone_is_enough(served: Any, builder: Page, accessible: Any) -> None:
    page, keyboard = builder, builder.keyboard
    expect(page.get_by_label("Name")).to_be_focused()
    keyboard.type("Viewed, but no order")
    expect(page.locator("#key-line")).to_contain_text("viewed_but_no_order")
    to(page, "1: event")
    keyboard.type("Product Viewed")
    to(page, "1: times")
    keyboard.type("3")
    count(page, 5)
    to(page, "What they did")
    keyboard.press("Enter")
    expect(page.get_by_label("2: event")).to_be_focused()
    keyboard.type("Order Completed")
    back_to(page, "2: did or did not")
    keyboard.press("ArrowDown")
    count(page, 4)
    expect(page.locator("#sample")).to_contain_text(
        "Product Viewed at least 3 times within 7 days: yes, 3 times"
    )
    to(page, "where a property … of Product Viewed in condition 1", back=True)
    keyboard.press("Enter")
    expect(page.get_by_label("1: property")).to_be_focused()
    keyboard.type("price")
    to(page, "1: value")
    keyboard.type('"20"')
    expect(page.locator("#preview")).to_contain_text("'20' is a text, and price holds values such as 20.")
    to(page, "Remove property condition 1 of 1")
    keyboard.press("Enter")
    count(page, 4)
    accessible(page)
    to(page, "person")
    keyboard.type("bob")
    expect(page.locator("#explained")).to_contain_text("No")
    expect(page.locator("#explained")).to_contain_text("Order Completed at least once within 7 days")
    to(page, "Create audience", back=True)
    keyboard.press("Enter")
    expect(page.get_by_text("was created")).to_be_visible()
    assert Computation.objects.get(space__workspace=served.workspace).key == "viewed_but_no_order"


def to(page: Page, name: str, *, back: bool = False) -> None:
    """By the Tab key to what has this label, or this text."""
    for _ in range(80):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        now = page.evaluate(
            r"(e => e.getAttribute('aria-label') || (e.textContent.replace(/\s+/g, ' ').trim() || e.id))(document.activeElement)"
        )
        if now == name:
            return
    pytest.fail(f"no Tab leads to {name}")


def back_to(page: Page, name: str) -> None:
    to(page, name, back=True)


def test_json_and_form_follow_each_other(builder: Page) -> None:
    page = builder
    page.get_by_text("Definition as JSON").click()
    text = page.locator("#definition-json")
    text.fill(json.dumps({"not": {"all": [PREMIUM, {"event": "Order Completed"}]}}))
    page.get_by_role("button", name="Use this JSON").click()
    expect(page.get_by_label("1: value")).to_have_value("premium")
    expect(page.get_by_label("apply or do not apply")).to_have_value("yes")
    count(page, 4)
    page.get_by_label("1: value").fill("free")
    page.get_by_text("Definition as JSON").click()
    expect(text).to_have_value(json.dumps(
        {"not": {"all": [{**PREMIUM, "value": "free"}, {"event": "Order Completed"}]}}, indent=2
    ))  # fmt: skip
    page.get_by_role("button", name="A sequence of two").click()
    expect(page.get_by_label("3: first event")).to_be_focused()
    page.get_by_label("Name").fill("Not complete")
    page.get_by_role("button", name="Create audience").click()
    expect(page.locator("[data-error]").get_by_text("still empty")).to_be_visible()
    expect(page.get_by_label("3: applies")).to_be_focused()


def test_json_that_is_being_written_is_not_replaced(builder: Page) -> None:
    page = builder
    page.get_by_text("Definition as JSON").click()
    text = page.locator("#definition-json")
    expect(page.locator("#preview")).to_contain_text("Describe people by what they did")
    text.fill("{")
    page.get_by_label("Name").fill("Somebody")
    expect(page.locator("#key-line")).to_contain_text("somebody")
    expect(text).to_have_value("{")


def test_json_that_somebody_is_in_keeps_what_is_selected(builder: Page) -> None:
    page = builder
    page.get_by_text("Definition as JSON").click()
    text = page.locator("#definition-json")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("Describe people by what they did")

    def type_and_enter() -> None:
        """The preview of what was typed comes while all of the JSON is selected."""
        with page.expect_response(
            lambda answer: "preview" in answer.url and "Product" in (answer.request.post_data or "")
        ):
            page.get_by_label("1: event").fill("Product Viewed")
            text.focus()
            text.press("ControlOrMeta+a")
        expect(preview).to_contain_text("5 p")

    count_of = "Product Viewed"
    type_and_enter()
    assert count_of not in text.input_value()
    page.get_by_label("Name").focus()
    assert count_of in text.input_value(), "it was left unchanged"
    page.get_by_label("1: event").fill("Refunded")
    expect(text).to_have_value(json.dumps({"event": "Refunded", "within": "7d"}, indent=2))
    type_and_enter()
    page.keyboard.insert_text("{}")
    expect(text).to_have_value("{}")


def test_what_does_not_apply_is_not_shown(builder: Page) -> None:
    page = builder
    window = page.get_by_label("1: kind of window", exact=True)
    left = [
        box["x"] for part in (page.get_by_label("1: did or did not"), window) if (box := part.bounding_box())
    ]
    assert left[0] == left[1], "what wraps stands below the sentence"
    expect(page.get_by_label("1: newer end of the window", exact=True)).to_be_hidden()
    window.select_option("between")
    expect(page.get_by_label("1: newer end of the window", exact=True)).to_be_visible()
    page.get_by_role("button", name="Who they are").click()
    value, operator = page.get_by_label("2: value"), page.get_by_label("2: operator")
    unit = page.get_by_label("2: unit")
    for op, shows in (("=", (True, False)), ("exists", (False, False)), ("within_next", (True, True))):
        operator.select_option(op)
        assert (value.is_visible(), unit.is_visible()) == shows, op
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_every_page_is_accessible_and_fits_a_telephone(served: Any, builder: Page, accessible: Any) -> None:
    page = builder
    page.get_by_role("link", name="Audiences", exact=True).first.click()
    page.get_by_role("link", name="Viewed at least three times").click()
    count(page, 4)
    page.get_by_label("Name", exact=True).fill("x" * 200)
    page.get_by_label("Mailjet").check()
    page.get_by_role("button", name="A sequence of two").click()
    page.get_by_label("3: first event").fill("Product Viewed")
    page.get_by_label("3: second event").fill("Refunded")
    page.get_by_label("3: then did or did not").select_option("did not")
    page.get_by_role("button", name="A group").click()
    expect(page.get_by_label("4.1: event")).to_be_focused()
    look(page, accessible)
    page.get_by_role("button", name="Create audience").click()
    expect(page.get_by_text("The event is still empty.").first).to_be_visible()
    look(page, accessible)
    page.get_by_role("button", name="Remove group 4").click()
    page.get_by_label("3: time in between", exact=True).fill("0")
    page.get_by_role("button", name="Remove condition 3").click()
    expect(page.get_by_label("3: first event")).to_have_count(0)
    page.get_by_role("button", name="Create audience").click()
    expect(page.get_by_text("4", exact=True)).to_be_visible()
    look(page, accessible)
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("First sync of 4 people sent")).to_be_visible()
    look(page, accessible)
    for name in ("Overview", "Members", "Settings"):
        tab = page.locator(".tabs").get_by_role("link", name=name)
        tab.click()
        expect(tab).to_have_attribute("aria-current", "page")
        look(page, accessible)
        if name == "Members":
            page.set_viewport_size({"width": 390, "height": 844})
            expect(page.locator("td.person-cell").first).to_have_css("padding-left", "0px")
            widths = page.locator("td.person-cell:not(:empty)").evaluate_all(
                "all => all.map(one => one.clientWidth)"
            )
            assert min(width for width in widths if width) > 300, "an address would be cut in two"
    for path in ("engage/", "engage/audiences/"):
        served.open(path)
        look(page, accessible)


#: Accessible names that several controls of the form share. A label's text is that of a field, a button has its own.
SHARED_NAMES = """
() => {
  const name = one => one.getAttribute('aria-label') || (one.labels && one.labels.length ? one.labels[0].textContent : one.textContent).trim()
  const names = [...document.querySelectorAll('#builder :is(input:not([type=hidden]), select, textarea, button)')].map(name)
  return names.filter((one, at) => names.indexOf(one) !== at)
}
"""


def test_each_control_has_a_name_of_its_own(builder: Page) -> None:
    page = builder
    where = [["price", "=", 1], ["price", ">", 2]]
    viewed = {"event": "Product Viewed", "where": where}
    funnel = {"funnel": {"first": {**viewed, "within": "7d"}, "then": viewed, "within": "1h", "did": True}}
    group = {"any": [{**viewed, "between": ["1d", "2d"]}, PREMIUM]}
    definition = {"all": [viewed, {**viewed, "within": "2d"}, funnel, group, group, {"audience": "a"}]}
    page.get_by_text("Definition as JSON").click()
    page.locator("#definition-json").fill(json.dumps(definition))
    page.get_by_role("button", name="Use this JSON").click()
    expect(page.get_by_label("5.2: value")).to_have_value("premium")
    assert page.evaluate(SHARED_NAMES) == []


def test_the_count_stays_in_sight_on_a_telephone(builder: Page) -> None:
    page = builder
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_text("Definition as JSON").click()
    page.locator("#definition-json").fill(json.dumps({"all": [{"event": "Product Viewed"}] * 5}))
    page.get_by_role("button", name="Use this JSON").click()
    count(page, 5)
    panel = page.locator("#preview .preview-count")
    for scroll in ("0", "document.body.scrollHeight / 3", "document.body.scrollHeight"):
        page.evaluate(f"scrollTo(0, {scroll})")
        expect(panel).to_be_in_viewport()
    # What is typed at is not covered by it.
    for field in page.locator("#builder input:visible").all():
        page.evaluate("document.activeElement.blur()")  # who is in it already is not scrolled to
        field.focus()
        covered = "e => { const box = e.getBoundingClientRect(); const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2); return top === e ? '' : top && top.outerHTML.slice(0, 200) }"
        assert field.evaluate(covered) == "", field.get_attribute("name")


def look(page: Page, accessible: Any) -> None:
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        page.evaluate("scrollTo(0, 0)")  # what the top bar covers would have no size
        accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") == width, page.url
        cut = "[...document.querySelectorAll('.table-scroll')].filter(one => one.scrollWidth > one.clientWidth).length"
        assert page.evaluate(cut) == 0, f"columns of {page.url} are out of sight at {width}"


def test_without_javascript_an_audience_is_made(served: Any, builder: Page) -> None:
    state = builder.context.storage_state()
    browser = builder.context.browser
    assert browser
    context = browser.new_context(java_script_enabled=False, storage_state=state)
    page = context.new_page()
    page.goto(builder.url)
    page.get_by_label("Name").fill("Without scripts")
    page.get_by_label("1: event").fill("Product Viewed")
    page.get_by_role("button", name="Who they are").click()
    page.get_by_label("2: trait", exact=True).fill("plan")
    page.get_by_label("2: value").fill("premium")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text(
        "Product Viewed at least once within 7 days and plan is 'premium'"
    )
    page.get_by_role("button", name="Create audience").click()
    expect(page.get_by_role("heading", name="Without scripts")).to_be_visible()
    context.close()
    row = Computation.objects.get(space__workspace=served.workspace)
    assert row.definition == {"all": [{"event": "Product Viewed", "within": "7d"}, PREMIUM]}
