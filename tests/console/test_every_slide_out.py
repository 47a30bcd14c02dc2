"""Every link that opens a slide-out does so: each is clicked, on each page that has one."""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.urls import resolve, reverse
from playwright.sync_api import Page, expect

from jetbridge import console, integrations
from jetbridge.control.audit import Actor
from jetbridge.control.models import Workspace
from jetbridge.control.people import Membership, Role, User
from jetbridge.engage.models import ComputationClass
from jetbridge.integrations.mailjet import accounts
from jetbridge.services import computations

#: Of the console and of the integrations.
TEMPLATES = [
    Path(console.__file__).parent / "templates",
    *Path(integrations.__file__).parent.glob("*/templates"),
]
OPENER = '[hx-target="#slide-out-body"]'
#: Where what each template opens is met: page and slide-out by URL name. One that is missing here fails the test.
OPENED = {
    "console/components/empty_state.html": {("sources", "source-add"), ("app-connections", "account-add")},
    "mailjet/app_connections/index.html": {("app-connections", "account-add")},
    "mailjet/app_connections/account.html": {("account", "account-edit"), ("account", "account-remove")},
    "mailjet/app_connections/_block.html": {
        ("account", "connection-rotate"),
        ("account", "connection-remove"),
    },
    "mailjet/app_connections/_uses.html": {("account", "destination-new")},
    "console/styleguide.html": {("styleguide", "profile")},
    "console/sources/index.html": {("sources", "source-add")},
    "console/sources/rows.html": {("source-debugger", "source-message")},
    "console/destinations/catalog.html": {("destination-catalog", "destination-new")},
    "console/destinations/contacts.html": {("destination-contacts", "destination-sample")},
    "console/destinations/_contact_card.html": {("destination-contacts", "destination-forget")},
    "console/destinations/event_delivery.html": {("destination-event-delivery", "destination-retry")},
    "console/destinations/_reasons.html": {("destination-event-delivery", "destination-retry")},
    "console/destinations/event_delivery_reason.html": {
        ("destination-reason", "destination-retry"),
        ("destination-reason", "destination-sample"),
        ("destination-reason", "source-message"),
    },
    "console/engage/person.html": {("person", "destination-forget")},
    "console/engage/_why.html": {("person", "source-message")},
    "console/engage/_timeline.html": {("person", "source-message")},
    "console/destinations/filters.html": {("destination-filters", "destination-filters-edit")},
}


def send(served: Any, *calls: dict[str, Any]) -> None:
    body = {
        "writeKey": served.joined.http_source.current_key,
        "batch": [{"type": "identify", **call} for call in calls],
    }
    urllib.request.urlopen(f"{served.url}/v1/batch", json.dumps(body).encode(), timeout=20).close()


def open_each(page: Page, url: str, path: str) -> set[tuple[str, str]]:
    """Click every link of a page that opens a slide-out; the page and what was opened, by URL name."""
    page.goto(url + path)
    here = resolve(urlsplit(path).path).url_name
    opened = set()
    for number in range(page.locator(OPENER).count()):
        link = page.locator(OPENER).nth(number)
        name = resolve(urlsplit(str(link.get_attribute("hx-get"))).path).url_name
        link.click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("heading").first).to_be_visible()
        expect(dialog.locator(".slide-out-content")).not_to_be_empty()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        opened.add((str(here), str(name)))
    return opened


def test_the_list_above_names_every_template_that_opens_one() -> None:
    found = {
        str(path.relative_to(folder))
        for folder in TEMPLATES
        for path in folder.rglob("*.html")
        if re.search(r"{% slide_out \w", path.read_text())
    }
    assert found == OPENED.keys()


def test_every_link_that_opens_a_slide_out_opens_it(served: Any, eventually: Any) -> None:
    workspace, joined = served.workspace.id, served.joined
    row = joined.to_mailjet
    never = {"Mailjet": False}
    send(
        served,
        {"userId": "ada", "traits": {"email": "ada@example.com"}},
        {"userId": "bad", "traits": {"email": "no address"}},
        {"userId": "off", "traits": {"email": "off@example.com"}, "integrations": never},
    )
    row.settings |= {"filters": json.dumps([{"name": "Nobody", "if": 'userId = "nobody"'}])}
    row.save()
    accounts.connect_list(joined.account, 99, "Used by no destination")
    owner = User.objects.get(memberships__workspace=served.workspace)
    empty = Workspace.objects.create(name="Empty")
    Membership.objects.create(user=owner, workspace=empty, role=Role.OWNER)
    actor = Actor(served.workspace, owner)
    computations.configure(actor, enabled=True, loads_history=True)
    reachable = {"trait": "email", "op": "exists"}
    audience = computations.create(
        actor, ComputationClass.AUDIENCE, "Reachable", reachable, destinations=[row]
    ).row
    contacts = reverse("destination-contacts", args=[workspace, row.id])
    page = served.page

    def has_arrived() -> bool:
        page.goto(f"{served.url}{contacts}?q=ada")
        return page.locator(OPENER).count() > 0

    def has_been_sent() -> bool:
        page.goto(f"{served.url}{reverse('engage-people', args=[workspace])}?q=ada")
        page.goto(f"{page.url}?computation={audience.id}&destination={row.id}")
        return page.get_by_role("link", name="See the call").count() > 0

    eventually(has_arrived, "ada is a contact")
    eventually(has_been_sent, "Engage has sent a call for ada")
    person = urlsplit(page.url)
    reasons = [("failed", "INVALID_EMAIL"), ("filtered", "FILTERED_BY_INTEGRATIONS_OBJECT")]
    paths = [
        *(
            reverse(name, args=[place])
            for place in (workspace, empty.id)
            for name in ("sources", "app-connections")
        ),
        reverse("account", args=[workspace, joined.account.id]),
        reverse("styleguide"),
        reverse("source-debugger", args=[workspace, joined.http_source.id]),
        reverse("destination-catalog", args=[workspace]),
        f"{contacts}?q=ada",
        f"{contacts}?q=bad",
        *(reverse(f"destination-{name}", args=[workspace, row.id]) for name in ("event-delivery", "filters")),
        f"{person.path}?{person.query}",
        *(reverse("destination-reason", args=[workspace, row.id, *reason]) for reason in reasons),
    ]
    opened = set[tuple[str, str]]()
    for path in paths:
        opened |= open_each(page, served.url, path)
    assert opened >= set().union(*OPENED.values())
