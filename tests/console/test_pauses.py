"""Pauses and trouble: on every page, with what to do, and gone from an open page when they are over."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags
from tests.pages import collapsed

from jetbridge.control import directory
from jetbridge.control.models import Destination
from jetbridge.delivery import pauses
from jetbridge.delivery.models import destination_consumer
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations import reasons
from jetbridge.services import new_destinations
from jetbridge.services.destination_settings import integration_of

from .delivered import Joined, join

CODES = (
    "INVALID_AUTHENTICATION",
    "FORBIDDEN",
    "LIST_NOT_FOUND",
    "INVALID_SETTINGS",
    "INVALID_URL",
    "ADDRESS_NOT_ALLOWED",
    "METHOD_NOT_ALLOWED",
    "CIRCUIT_OPEN",
    "RETRIES_EXHAUSTED",
)


@pytest.fixture
def joined(people: Any, event_log: SqliteEventLog) -> Joined:
    return join(people, event_log)


@pytest.fixture
def segment(people: Any, event_log: SqliteEventLog) -> Destination:
    return new_destinations.add(
        event_log, people.workspace, "segment", "Segment", {"writeKey": "wk"}, sources=[]
    )


@pytest.fixture
def editor(client_of: Callable[[str], Client]) -> Client:
    return client_of("editor")


class PauseHelp(NamedTuple):
    """What a person reads of a pause, and where the page leads."""

    title: str
    help: str
    url: str
    action: str
    resume: str


def help_on(row: Destination, code: str, message: str) -> PauseHelp:
    row.save()
    ref = directory.destination(row.id)
    assert ref
    found = reasons.pause_reason(integration_of(row), ref, code, message)
    url = found.link.url(row.workspace_id, row.id)
    return PauseHelp(found.title, found.help, url, found.link.label, found.resume)


def pause(row: Destination, code: str = "LIST_NOT_FOUND") -> None:
    pauses.pause(destination_consumer(row.id), code, "There is no list.")


@pytest.mark.parametrize("code", CODES)
def test_every_hold_leads_to_a_page_that_is_there(
    joined: Joined, segment: Destination, editor: Client, code: str
) -> None:
    for row in (joined.row, segment):
        found = help_on(row, code, "There is no list.")
        assert editor.get(found.url).status_code == 200
        pause(row, code)
        page = editor.get(reverse("destination", args=[row.workspace_id, row.id])).content.decode()
        assert f"Paused by an error: {found.title}" in page
        assert f'href="{found.url}"' in page
        assert found.resume in page


def test_refused_keys_lead_to_the_account_they_belong_to(joined: Joined) -> None:
    account = reverse("account-edit", args=[joined.row.workspace_id, joined.account.id])
    assert help_on(joined.row, "INVALID_AUTHENTICATION", "").url == account


@pytest.mark.parametrize("code", ["INVALID_URL", "ADDRESS_NOT_ALLOWED"])
def test_a_wrong_address_leads_to_where_it_was_entered(
    joined: Joined, segment: Destination, code: str
) -> None:
    account = reverse("account-edit", args=[joined.row.workspace_id, joined.account.id])
    assert (help_on(joined.row, code, "").url, help_on(joined.row, code, "").action) == (
        account,
        "Change the address",
    )
    assert help_on(segment, code, "").url == reverse(
        "destination-settings", args=[segment.workspace_id, segment.id]
    )


def test_a_list_that_is_gone_leads_to_where_another_is_chosen(joined: Joined) -> None:
    connection = joined.account.app_connections.get()
    account = reverse("account", args=[joined.row.workspace_id, joined.account.id])
    found = help_on(joined.row, "LIST_NOT_FOUND", "")
    assert (found.url, found.action) == (f"{account}#connection-{connection.id}", "Choose another list")
    joined.row.settings["listId"] = "8"  # on purpose: the settings choose it
    assert help_on(joined.row, "LIST_NOT_FOUND", "").url == joined.url("destination-settings")


def test_an_authentication_key_of_nobody_leads_to_the_settings(joined: Joined) -> None:
    joined.row.secrets = '{"apiKey": "of nobody"}'
    found = help_on(joined.row, "INVALID_AUTHENTICATION", "")
    assert (found.title, found.url) == (
        "the Authentication key is rejected",
        joined.url("destination-settings"),
    )


@pytest.mark.parametrize(
    ("reason", "page"),
    [
        ("Mapping: Line 1: no trait stands before the =.", "destination-mapping"),
        ("Filters: they are not read.", "destination-filters"),
        ("List ID: 'x' is no Mailjet list ID.", "destination-settings"),
    ],
)
def test_a_wrong_setting_leads_to_its_tab(joined: Joined, reason: str, page: str) -> None:
    assert help_on(joined.row, "INVALID_SETTINGS", reason).url == joined.url(page)


def test_a_hold_is_on_every_page_of_its_workspace_and_of_no_other(
    joined: Joined, segment: Destination, people: Any, client_of: Any
) -> None:
    pause(joined.row)
    viewer, sources = client_of("viewer"), reverse("sources", args=[people.workspace.id])
    page = viewer.get(sources).content.decode()
    assert "1 destination paused" in collapsed(strip_tags(page))
    assert f'href="{joined.url("destination")}"' in page
    pause(segment)
    assert "2 destinations paused" in collapsed(strip_tags(viewer.get(sources).content.decode()))
    elsewhere = reverse("sources", args=[people.elsewhere.id])
    assert "destination paused" not in client_of("outsider").get(elsewhere).content.decode()


def test_a_disabled_destination_is_not_held(joined: Joined, editor: Client, people: Any) -> None:
    pause(joined.row)
    Destination.objects.update(enabled=False)
    assert (
        "destination paused"
        not in editor.get(reverse("sources", args=[people.workspace.id])).content.decode()
    )


def test_the_header_of_an_open_page_renews_itself_only_when_it_says_something_else(
    joined: Joined, editor: Client
) -> None:
    tab, url = joined.url("destination-filters"), joined.url("destination-head")
    seen = editor.get(tab).context["head"].etag
    assert editor.get(url, {"seen": seen, "tab": tab}).status_code == 204
    pause(joined.row)
    answer = editor.get(url, {"seen": seen, "tab": tab})
    text = answer.content.decode()
    assert "Paused by an error: the contacts list is gone" in text
    assert f'name="tab" value="{tab}"' in text
    assert ("</html>" in text, "1 destination paused" in text) == (False, True)
    assert editor.get(url, {"seen": answer.context["head"].etag}).status_code == 204


def test_trouble_is_said_with_its_words_and_the_state_is_no_green_running(
    joined: Joined, editor: Client, worker_at_home: None
) -> None:
    pauses.record_error([joined.reader], "Mailjet has an internal problem.")
    page = editor.get(joined.url("destination")).content.decode()
    assert "Mailjet has an internal problem." in page
    assert "retrying" in page
    assert ">running<" not in page
    listed = editor.get(reverse("destinations", args=[joined.row.workspace_id])).content.decode()
    assert "Nothing gets through now: Mailjet has an internal problem." in listed
    pauses.clear_error([joined.reader])
    assert "retrying" not in editor.get(joined.url("destination")).content.decode()
