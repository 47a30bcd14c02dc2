import json
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection

from jetbridge.control import directory
from jetbridge.control.models import AppConnection, Destination, MailjetAccount, Source, Workspace
from jetbridge.control.people import Membership, Role, User
from jetbridge.control.secret_field import digest
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.connect import ConnectionSpec

SPEC = ConnectionSpec(
    workspace="Main",
    mailjet_url="http://mailjet.example/",
    api_key="public-key",
    secret_key="private-key",
    list_id=123,
    list_name="Customers",
    segment_url="https://api.segment.example/",
    segment_write_key="their-write-key",
)


def rows() -> dict[str, int]:
    tables = (Workspace, Source, MailjetAccount, AppConnection, Destination)
    return {table.__name__: table.objects.count() for table in tables}


@pytest.fixture(autouse=True)
def _home(home: Path) -> None: ...


def test_a_wish_makes_every_row_and_joins_them() -> None:
    joined = connect.join(SPEC)
    assert rows() == {"Workspace": 1, "Source": 3, "MailjetAccount": 1, "AppConnection": 1, "Destination": 2}
    assert {row.kind: row.name for row in Source.objects.all()} == {
        "http": "HTTP API",
        "mailjet": "Mailjet events",
        "segment": "Segment workspace (Customers)",
    }
    to_mailjet, to_segment = directory.load_destinations()
    assert to_mailjet.source_kinds == {joined.http_source.id: "http", joined.connection.source_id: "segment"}
    assert to_mailjet.settings == {"listId": "123"}
    assert to_mailjet.secrets == {"apiKey": joined.connection.authentication_key}
    assert to_segment.source_kinds == {joined.account.event_source_id: "mailjet"}
    assert to_segment.settings == {"endpoint": "https://api.segment.example"}
    assert to_segment.secrets == {"writeKey": "their-write-key"}
    assert joined.destinations == [joined.to_mailjet, joined.to_segment]


def test_without_a_write_key_nothing_goes_to_segment() -> None:
    joined = connect.join(replace(SPEC, segment_write_key=""))
    assert joined.to_segment is None
    assert [row.kind for row in joined.destinations] == ["mailjet"]


def test_the_same_wish_finds_everything_again() -> None:
    assert connect.join(SPEC) == connect.join(SPEC)
    assert rows() == {"Workspace": 1, "Source": 3, "MailjetAccount": 1, "AppConnection": 1, "Destination": 2}


def test_the_same_wish_does_not_restart_a_destination() -> None:
    connect.join(SPEC)
    before = directory.load_destinations()
    connect.join(SPEC)
    assert directory.load_destinations() == before


def test_changed_secrets_replace_the_old_ones() -> None:
    connect.join(SPEC)
    connect.join(replace(SPEC, secret_key="another", segment_write_key="another-write-key"))
    (account,) = directory.load_accounts()
    assert account.secret_key == "another"
    assert [ref.secrets["writeKey"] for ref in directory.load_destinations() if ref.kind == "segment"] == [
        "another-write-key"
    ]
    assert rows()["Destination"] == 2


def test_a_destination_that_was_switched_off_is_on_again() -> None:
    joined = connect.join(SPEC)
    Destination.objects.filter(id=joined.to_mailjet.id).update(enabled=False)
    connect.join(SPEC)
    assert [ref.id for ref in directory.load_destinations()] == [row.id for row in joined.destinations]


def test_a_second_list_gets_a_connection_and_a_destination_of_its_own() -> None:
    first = connect.join(SPEC)
    second = connect.join(replace(SPEC, list_id=456))
    assert second.account == first.account
    assert second.http_source == first.http_source
    assert second.connection.authentication_key != first.connection.authentication_key
    assert [second.to_mailjet.name, second.connection.source.name] == [
        "Mailjet (Customers) 2",
        "Segment workspace (Customers) 2",
    ]


def test_a_renamed_list_is_the_same_connection() -> None:
    first = connect.join(SPEC)
    second = connect.join(replace(SPEC, list_name="Clients"))
    assert second.connection == first.connection
    assert AppConnection.objects.get().list_name == "Clients"


def test_another_workspace_shares_nothing() -> None:
    first, second = connect.join(SPEC), connect.join(replace(SPEC, workspace="Other"))
    assert rows() == {"Workspace": 2, "Source": 6, "MailjetAccount": 2, "AppConnection": 2, "Destination": 4}
    assert first.http_source.current_key != second.http_source.current_key


def test_the_doors_know_each_source_by_its_own_key() -> None:
    joined = connect.join(SPEC)
    credentials = directory.load_credentials()
    assert {key: ref.kind for key, ref in credentials.by_write_key_digest.items()} == {
        digest(joined.http_source.current_key): "http"
    }
    key, token = joined.connection.authentication_key, joined.account.events_token
    assert {k: ref.id for k, ref in credentials.by_authentication_key_digest.items()} == {
        digest(key): joined.connection.source_id
    }
    assert {k: ref.id for k, ref in credentials.by_events_token_digest.items()} == {
        digest(token): joined.account.event_source_id
    }


def test_a_workspace_made_by_a_command_belongs_to_the_first_owner() -> None:
    elsewhere = Workspace.objects.create(name="Elsewhere")
    first, second = (User.objects.create(email=f"{name}@example.com") for name in ("first", "second"))
    for user in (first, second):
        Membership.objects.create(user=user, workspace=elsewhere, role=Role.OWNER)
    connect.join(SPEC)
    members = connect.join(SPEC).workspace.memberships.all()
    assert [(row.user, row.role) for row in members] == [(first, Role.OWNER)]


def test_a_switched_off_source_has_no_door() -> None:
    connect.join(SPEC)
    Source.objects.update(enabled=False)
    assert directory.load_credentials() == directory.Credentials()


def test_an_account_is_found_by_its_authentication_key_only() -> None:
    joined = connect.join(SPEC)
    found = directory.account_of_authentication_key(digest(joined.connection.authentication_key))
    assert found is not None
    assert found.id == joined.account.id
    assert directory.account_of_authentication_key(digest("public-key")) is None


def test_no_secret_is_readable_in_the_database_or_in_a_repr() -> None:
    joined = connect.join(SPEC)
    secrets = [
        SPEC.secret_key,
        SPEC.segment_write_key,
        joined.connection.authentication_key,
        joined.account.events_token,
    ]
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM control_mailjetaccount, control_appconnection, control_destination")
        stored = json.dumps(cursor.fetchall(), default=str)
    shown = repr(
        [
            SPEC,
            joined,
            *directory.load_destinations(),
            *directory.load_accounts(),
            directory.load_credentials(),
        ]
    )
    assert [secret for secret in secrets if secret in stored or secret in shown] == []
