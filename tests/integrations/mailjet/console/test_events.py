"""The switch that sends email events to Segment, and the event callback URLs behind it."""

from typing import Any

from jetbridge.control.models import Destination
from jetbridge.control.people import AuditEntry
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES
from jetbridge.services.destination_settings import values_of
from jetbridge.spec.email_events import EVENT_NAMES
from jetbridge.spec.outgoing import EU, US

ALL = list(EVENT_NAMES.values())
ON = {"enabled": "on", "region": "us", "write_key": "their-write-key", "events": ALL}


def test_a_pasted_write_key_switches_events_on(silent: Any, text: Any) -> None:
    pasted = {name: value for name, value in ON.items() if name != "enabled"}
    assert "Email events go to Segment from now on" in text(silent.post("events", **pasted))
    assert "Email events stay in Jetbridge from now on" in text(silent.post("events", **pasted))
    assert "Email events go to Segment from now on" in text(silent.post("events", **pasted))


def test_events_are_switched_on_changed_and_switched_off(silent: Any, text: Any, audited: Any) -> None:
    assert "Email events go to Segment from now on" in text(silent.post("events", **ON))
    row = Destination.objects.get()
    assert (row.kind, list(row.sources.all())) == ("segment", [silent.account.event_source])
    assert values_of(row) == {"endpoint": US, "writeKey": "their-write-key"}
    silent.post("events", **ON | {"region": "eu", "write_key": "", "events": ALL[:2]})
    row.refresh_from_db()
    assert values_of(row) == {
        "endpoint": EU,
        "writeKey": "their-write-key",
        "events": "Email Delivered, Email Opened",
    }
    told = text(silent.post("events", region="eu", events=ALL[:2]))
    assert "Email events stay in Jetbridge from now on" in told
    row.refresh_from_db()
    assert not row.enabled
    assert audited() == ["destination.added", "destination.changed", "destination.disabled"]


def test_the_form_shows_what_is_stored_and_never_the_write_key(silent: Any) -> None:
    silent.post("events", **ON | {"region": "own", "address": "http://127.0.0.1:9/", "events": ALL[1:]})
    page = silent.get().content.decode()
    assert 'value="http://127.0.0.1:9"' in page
    assert page.count("checked") == 1 + 1 + len(ALL[1:])  # switch, region, events
    assert "One is stored. Leave this empty to keep it." in page
    assert "their-write-key" not in page
    assert "their-write-key" not in str(list(AuditEntry.objects.values()))


def test_what_is_missing_is_said_beside_the_field(silent: Any, text: Any) -> None:
    refused = silent.post("events", **ON | {"write_key": "", "region": "own", "address": "segment"})
    assert refused.status_code == 422
    assert "Enter an address such as https://example.com." in text(refused)
    assert "Write key is needed." in text(silent.post("events", **ON | {"write_key": ""}))
    assert "Choose at least one event" in text(silent.post("events", **ON | {"events": []}))
    assert Destination.objects.count() == 0


def test_switching_off_what_was_never_on_makes_nothing(silent: Any) -> None:
    silent.post("events", region="us", events=ALL)
    assert Destination.objects.count() == 0


def test_callback_urls_are_shown_and_repaired(
    page: Any, text: Any, mailjet: MailjetClient, audited: Any
) -> None:
    mailjet.create_eventcallbackurl("open", "https://user:hunter22@hooks.example.com/x")
    shown = page.read("callbacks")
    assert shown.count("missing") == len(EVENT_TYPES) - 1 + shown.count("ours or missing")
    assert "hooks.example.com" in shown
    assert mailjet.eventcallbackurls()[0].url.endswith("hooks.example.com/x")
    repaired = page.post("callbacks")
    assert text(repaired).count(" Connected ") == len(EVENT_TYPES) - 1
    assert "hunter22" not in repaired.content.decode()
    assert page.account.events_token not in repaired.content.decode()
    assert {row.event_type for row in mailjet.eventcallbackurls()} == set(EVENT_TYPES)
    page.post("callbacks")
    assert audited() == ["account.callback-urls-repaired"]


def test_a_viewer_may_look_at_callback_urls(page: Any, client_of: Any) -> None:
    page.client = client_of("viewer")
    assert "missing" in page.read("callbacks")
    assert "Mend" not in page.read("callbacks")
