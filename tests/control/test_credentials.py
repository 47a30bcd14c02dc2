"""Every key and token is rotated with a grace period, and its bearers are known by digests alone."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from jetbridge.control import credentials, directory
from jetbridge.control.audit import Actor
from jetbridge.control.models import Credential, CredentialKind, Source, SourceKind, Workspace
from jetbridge.control.people import AuditEntry
from jetbridge.control.secret_field import digest
from jetbridge.errors import ConfigurationError
from jetbridge.services import sources

DAY = timedelta(hours=24)
KINDS = [SourceKind.HTTP, SourceKind.SEGMENT, SourceKind.MAILJET]


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace.objects.create(name="Shop")


@pytest.fixture(params=KINDS)
def source(request: pytest.FixtureRequest, workspace: Workspace) -> Source:
    return workspace.sources.create(kind=request.param, name="Website")


def accepted(source: Source) -> set[str]:
    """Digests that the endpoints take for this source."""
    known = directory.load_credentials()
    by_kind = {
        SourceKind.HTTP: known.by_write_key_digest,
        SourceKind.SEGMENT: known.by_authentication_key_digest,
        SourceKind.MAILJET: known.by_events_token_digest,
    }
    others = {key for kind, keys in by_kind.items() if kind != source.kind for key in keys}
    assert not others
    return {key for key, ref in by_kind[SourceKind(source.kind)].items() if ref.id == source.id}


def test_each_kind_of_source_has_a_credential_of_its_kind(source: Source) -> None:
    row = source.credentials.get()
    assert (
        row.kind
        == {
            SourceKind.HTTP: CredentialKind.WRITE_KEY,
            SourceKind.SEGMENT: CredentialKind.AUTHENTICATION_KEY,
            SourceKind.MAILJET: CredentialKind.EVENTS_TOKEN,
        }[SourceKind(source.kind)]
    )
    assert accepted(source) == {digest(source.current_key)} == {row.digest}


def test_engage_has_none(workspace: Workspace) -> None:
    source = workspace.sources.create(kind=SourceKind.ENGAGE, name="Engage")
    assert (source.credentials.count(), source.current_key) == (0, "")


def test_both_are_valid_until_the_grace_period_ends(source: Source) -> None:
    old = source.current_key
    new = credentials.rotate(source, DAY)
    assert source.current_key == new != old
    assert source.previous
    assert source.previous.secret == old
    assert accepted(source) == {digest(old), digest(new)}
    Credential.objects.exclude(expires_at=None).update(expires_at=timezone.now())
    assert accepted(source) == {digest(new)}
    assert source.previous is None


def test_without_a_grace_period_the_old_one_ends_at_once(source: Source) -> None:
    new = credentials.rotate(source, timedelta())
    assert accepted(source) == {digest(new)}


def test_the_one_before_the_previous_one_is_valid_no_more(source: Source) -> None:
    oldest = source.current_key
    credentials.rotate(source, DAY)
    credentials.rotate(source, DAY)
    assert digest(oldest) not in accepted(source)
    assert len(accepted(source)) == 2


def test_a_grace_period_can_be_ended(source: Source) -> None:
    assert not credentials.end_grace(source)
    new = credentials.rotate(source, DAY)
    assert credentials.end_grace(source)
    assert accepted(source) == {digest(new)}


def test_a_disabled_source_has_none_that_is_accepted(source: Source) -> None:
    source.enabled = False
    source.save()
    assert accepted(source) == set()
    assert directory.load_credentials() == directory.Credentials()


def test_secrets_are_encrypted_in_the_table(source: Source) -> None:
    with_secret = Credential.objects.extra(select={"stored": "secret"}).get()
    assert source.current_key not in with_secret.stored


def test_rotations_are_in_the_audit_log(workspace: Workspace) -> None:
    actor = Actor(workspace, None, "a test")
    for kind in (SourceKind.HTTP, SourceKind.MAILJET):
        source = workspace.sources.create(kind=kind, name=kind)
        sources.rotate_key(actor, source, hours=1)
        assert sources.end_grace(actor, source)
        assert not sources.end_grace(actor, source)
        entries = AuditEntry.objects.filter(thing_id=source.id).order_by("id")
        assert [(row.action, row.details) for row in entries] == [
            ("source.key-rotated", {"grace hours": 1}),
            ("source.old-key-ended", {}),
        ]
        assert all(
            row.secret not in str(entry.details) for row in source.credentials.all() for entry in entries
        )


@pytest.mark.parametrize(("kind", "message"), [("segment", "app connection"), ("engage", "no write key")])
def test_a_key_that_others_hold_is_rotated_where_they_get_it(
    workspace: Workspace, kind: str, message: str
) -> None:
    source = workspace.sources.create(kind=kind, name="It")
    with pytest.raises(ConfigurationError, match=message):
        sources.rotate_key(Actor(workspace, None, "a test"), source)
