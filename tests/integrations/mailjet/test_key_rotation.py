"""The grace time of authentication keys, at the endpoints and in the settings of destinations."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from jetbridge.control import credentials, directory
from jetbridge.control.models import AppConnection, Credential, Destination, Workspace
from jetbridge.control.secret_field import digest
from jetbridge.integrations.mailjet import connect, key_rotation
from jetbridge.integrations.mailjet.connect import ConnectionSpec, Joined

DAY = timedelta(hours=24)


@pytest.fixture
def joined(home: Path) -> Joined:
    return connect.join(ConnectionSpec("Main", "http://mailjet.example", "public", "private", 7, "Customers"))


def known_at_the_endpoints() -> set[str]:
    return set(directory.load_credentials().by_authentication_key_digest)


def test_both_keys_are_good_until_the_grace_time_ends(joined: Joined) -> None:
    connection, old = joined.connection, joined.connection.authentication_key
    key_rotation.rotate(connection, DAY)
    new = AppConnection.objects.get().authentication_key
    assert new != old
    assert known_at_the_endpoints() == {digest(old), digest(new)}
    assert directory.load_credentials().authentication_keys == {connection.source_id: [new, old]}
    for key in (old, new):
        account = directory.account_of_authentication_key(digest(key))
        assert account is not None
        assert account.id == joined.account.id
    Credential.objects.exclude(expires_at=None).update(expires_at=timezone.now())
    assert known_at_the_endpoints() == {digest(new)}
    assert directory.load_credentials().authentication_keys == {connection.source_id: [new]}
    assert directory.account_of_authentication_key(digest(old)) is None


def test_a_leaked_key_ends_at_once(joined: Joined) -> None:
    old = joined.connection.authentication_key
    key_rotation.rotate(joined.connection, timedelta())
    assert known_at_the_endpoints() == {digest(AppConnection.objects.get().authentication_key)}
    assert directory.account_of_authentication_key(digest(old)) is None


def test_a_grace_time_can_be_ended(joined: Joined) -> None:
    key_rotation.rotate(joined.connection, DAY)
    credentials.end_grace(joined.connection.source)
    assert known_at_the_endpoints() == {digest(joined.connection.authentication_key)}


def test_the_key_before_the_previous_one_is_good_no_more(joined: Joined) -> None:
    oldest = joined.connection.authentication_key
    key_rotation.rotate(joined.connection, DAY)
    key_rotation.rotate(joined.connection, DAY)
    assert digest(oldest) not in known_at_the_endpoints()
    assert len(known_at_the_endpoints()) == 2


def test_destinations_of_the_workspace_get_the_new_key_and_of_others_do_not(joined: Joined) -> None:
    secrets = json.dumps({"apiKey": joined.connection.authentication_key})
    other = Workspace.objects.create(name="Other")
    elsewhere = Destination.objects.create(workspace=other, kind="mailjet", name="M", secrets=secrets)
    assert key_rotation.rotate(joined.connection, DAY) == [joined.to_mailjet]
    row = Destination.objects.get(id=joined.to_mailjet.id)
    assert json.loads(row.secrets) == {"apiKey": joined.connection.authentication_key}
    assert Destination.objects.get(id=elsewhere.id).secrets == secrets


def test_no_previous_key_opens_nothing(joined: Joined) -> None:
    assert directory.account_of_authentication_key("") is None
    assert directory.account_of_authentication_key(digest("")) is None
