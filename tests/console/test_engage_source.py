"""The source of Engage's own calls: people see it, and nobody writes to it, connects it or takes it away."""

from typing import Any

import pytest
from django.urls import reverse

from jetbridge.control import directory
from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination, Source, SourceKind, Workspace
from jetbridge.control.people import Membership, Role
from jetbridge.engage.models import ComputationClass, Space
from jetbridge.errors import ConfigurationError, ConflictError
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.imports.files.options import Options
from jetbridge.integrations.mailjet.setup_steps import progress_of
from jetbridge.services import (
    computations,
    destination_settings,
    destinations,
    event_tester,
    imports,
    lookup,
    new_destinations,
    removal,
    sources,
    workspaces,
)

REFUSED = "has the calls that Engage makes"


@pytest.fixture
def actor(people: Any) -> Actor:
    return Actor(people.workspace, people.owner)


@pytest.fixture
def destination(actor: Actor, event_log: SqliteEventLog) -> Destination:
    website = actor.workspace.sources.create(kind="http", name="Website")
    return new_destinations.add(
        event_log, actor.workspace, "segment", "There", {"writeKey": "k"}, sources=[website]
    )


@pytest.fixture
def engage(actor: Actor, destination: Destination) -> Source:
    computations.create(
        actor,
        ComputationClass.AUDIENCE,
        "Ordered",
        {"event": "Order Completed"},
        destinations=[destination],
    )
    return Space.objects.get().source


def test_no_endpoint_takes_calls_for_it(engage: Source) -> None:
    endpoints = directory.load_credentials()
    assert "Website" in {source.name for source in endpoints.by_write_key_digest.values()}
    for credentials in (
        endpoints.by_write_key_digest,
        endpoints.by_authentication_key_digest,
        endpoints.by_events_token_digest,
    ):
        assert engage.id not in {source.id for source in credentials.values()}


def test_nobody_changes_it_but_its_name(
    actor: Actor, engage: Source, destination: Destination, event_log: SqliteEventLog
) -> None:
    identify = '{"type": "identify", "userId": "u"}'
    for refused in (
        lambda: sources.change(actor, engage, enabled=False),
        lambda: sources.connect(actor, engage, destination),
        lambda: sources.disconnect(actor, engage, destination),
        lambda: sources.block(actor, engage, "track", "Audience Entered", ""),
        lambda: imports.upload(actor, engage, "people.csv", [b"email\na@example.com\n"], Options()),
        lambda: event_tester.send(actor, destination, engage, identify),
    ):
        with pytest.raises(ConfigurationError, match=REFUSED):
            refused()
    with pytest.raises(ConflictError, match="switch Engage off instead"):
        sources.remove(actor, engage, event_log.counts())
    sources.change(actor, engage, name="Audiences")
    engage.refresh_from_db()
    assert (engage.name, engage.enabled) == ("Audiences", True)
    assert event_log.counts().end == 0


def test_sources_of_a_destination_are_chosen_without_it(
    actor: Actor, engage: Source, destination: Destination, event_log: SqliteEventLog
) -> None:
    (website,) = destination.chosen_sources
    assert destinations.change(actor, destination, sources=[]) == [("sources", "Website", "", ())]
    assert list(destination.sources.all()) == [engage]
    with pytest.raises(ConfigurationError, match=REFUSED):
        destinations.change(actor, destination, sources=[website.id, engage.id])
    with pytest.raises(ConfigurationError, match=REFUSED):
        destinations.add(actor, "segment", "Another", {"writeKey": "k"}, [engage.id])
    destinations.change(actor, destination, sources=[website.id])
    assert set(destination.sources.all()) == {website, engage}
    assert lookup.sources(actor.workspace, ["all"]) == [website.id]
    with pytest.raises(ConfigurationError, match="no source Engage"):
        lookup.sources(actor.workspace, ["Engage"])
    assert destination_settings.sources_of(actor.workspace, [website.id]) == [website]


def test_the_setup_checklist_looks_for_a_source_of_people(actor: Actor) -> None:
    computations.switch(actor, enabled=True)
    assert progress_of(actor.workspace).source is None


def test_pages(engage: Source, destination: Destination, client_of: Any) -> None:
    client = client_of("editor")
    at = lambda name: reverse(name, args=[engage.workspace_id, engage.id])  # noqa: E731
    overview = client.get(at("source")).content.decode()
    assert "Nobody else can send to it" in overview
    assert "Write key" not in overview
    assert 'name="connected"' not in overview
    assert "Import" not in overview
    settings = client.get(at("source-settings")).content.decode()
    assert "Disable" not in settings
    assert "switch Engage off instead" in settings
    form = client.get(f"/w/{engage.workspace_id}/destinations/{destination.id}/settings/").content.decode()
    assert "Website" in form
    assert f'value="{engage.id}"' not in form
    for name, fields in (
        ("source-enable", {"enabled": "no"}),
        ("source-connect", {"connected": "no", "destination": destination.id}),
        ("source-schema-block", {"to": "blocked", "type": "track", "event": "Audience Entered"}),
        ("source-remove", {"name": "Engage"}),
    ):
        answer = client.post(at(name), fields, follow=True)
        assert "Engage has the calls that Engage makes" in answer.content.decode(), name
    engage.refresh_from_db()
    assert engage.enabled
    assert engage in destination.sources.all()


def test_saved_settings_keep_the_connection(engage: Source, destination: Destination, client_of: Any) -> None:
    page = f"/w/{engage.workspace_id}/destinations/{destination.id}/settings/"
    (website,) = destination.chosen_sources
    answer = client_of("editor").post(
        page, {"name": "Renamed", "sources": [website.id], "writeKey": "", "url": "https://api.segment.io"}
    )
    destination.refresh_from_db()
    assert (answer.status_code, destination.name) == (302, "Renamed")
    assert set(destination.sources.all()) == {website, engage}


def test_a_workspace_with_engage_can_be_deleted(actor: Actor, engage: Source, people: Any) -> None:
    other = Workspace.objects.create(name="Another")
    Membership.objects.create(user=people.owner, workspace=other, role=Role.OWNER)
    with pytest.raises(ConflictError, match=r"Engage is on\."):
        workspaces.delete(actor)
    assert Space.objects.exists()
    for row in actor.workspace.destinations.all():
        destinations.change(actor, row, enabled=False)
    for source in actor.workspace.sources.exclude(kind=SourceKind.ENGAGE):
        sources.change(actor, source, enabled=False)
    computations.switch(actor, enabled=False)
    assert removal.in_the_way(actor.workspace) == []
    workspaces.delete(actor)
    assert not Space.objects.exists()
    assert not Workspace.objects.filter(name="Shop").exists()
