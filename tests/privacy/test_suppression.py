"""Who is suppressed is recognised by every name, and known by digests only."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jetbridge.privacy import suppression
from jetbridge.privacy.models import Suppression
from jetbridge.privacy.suppression import WorkspaceSuppressed
from jetbridge.spec.message import Message
from jetbridge.spec.person import Identity

MOMENT = datetime(2026, 11, 1, tzinfo=UTC)


def message(**fields: Any) -> Message:
    return Message(type="identify", message_id="1", timestamp=MOMENT, received_at=MOMENT, **fields)


@pytest.fixture
def suppressed(home: Path) -> WorkspaceSuppressed:
    suppression.suppress(1, Identity(frozenset({"ada"}), frozenset({"ada@b.com"})))
    suppressed = WorkspaceSuppressed(1)
    suppressed.refresh()
    return suppressed


@pytest.mark.parametrize(
    "fields",
    [
        {"user_id": "ada"},
        {"anonymous_id": "ada"},
        {"user_id": "x", "previous_id": "ada"},
        {"user_id": "x", "traits": {"email": " Ada@B.com"}},
        {"user_id": "x", "properties": {"email": "ada@b.com"}},
        {"user_id": "x", "context": {"traits": {"email": "ada@b.com"}}},
        {"anonymous_id": "ada@b.com"},
        {"user_id": "x", "traits": {"E-Mail": "ada@b.com"}},
        {"user_id": "x", "traits": {"email": "a\u200bda@b.com"}},
        {"user_id": "x", "traits": {"email": "\uff41da@b.com"}},
    ],
)
def test_every_name_of_the_person_is_recognised(
    suppressed: WorkspaceSuppressed, fields: dict[str, Any]
) -> None:
    assert suppressed.covers(message(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"user_id": "adam"},
        {"user_id": "x", "traits": {"email": "ada@c.com"}},
        {"user_id": "x", "traits": {"email": 1}, "context": {"traits": ["ada@b.com"]}},
    ],
)
def test_nobody_else_is(suppressed: WorkspaceSuppressed, fields: dict[str, Any]) -> None:
    assert not suppressed.covers(message(**fields))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("asked", ["ada@m\u00fcnchen.de", "ada@xn--mnchen-3ya.de"])
def test_who_asked_under_one_spelling_is_recognised_under_the_other(asked: str) -> None:
    """The digest alone is kept, as versions made it that told the two spellings apart."""
    Suppression.objects.create(workspace_id=1, digest=suppression.digest_of_email(asked))
    suppressed = WorkspaceSuppressed(1)
    suppressed.refresh()
    for email in ("Ada@M\u00dcNCHEN.de", "ada@XN--mnchen-3ya.de"):
        assert suppressed.covers(message(user_id="x", traits={"email": email}))
    assert suppressed.covers_email("ada@xn--mnchen-3ya.de")
    assert suppression.lift(1, Identity.of_name("ada@xn--mnchen-3ya.de")) == 1


def test_each_workspace_has_its_own(suppressed: WorkspaceSuppressed) -> None:
    other = WorkspaceSuppressed(2)
    other.refresh()
    assert not other.covers(message(user_id="ada"))


def test_suppressing_twice_and_lifting_are_seen_at_the_next_refresh(suppressed: WorkspaceSuppressed) -> None:
    suppression.suppress(1, Identity(frozenset({"ada", "bob"})))
    assert not suppressed.covers(message(user_id="bob"))
    suppressed.refresh()
    assert suppressed.covers(message(user_id="bob"))
    assert suppression.lift(1, Identity(frozenset({"ada", "eve"}))) == 1
    suppressed.refresh()
    assert not suppressed.covers(message(user_id="ada"))
    assert suppressed.covers(message(user_id="bob"))


def test_the_table_does_not_tell_who_they_are(home: Path) -> None:
    # By chance a digest may spell "ada", but no "grace".
    suppression.suppress(1, Identity(frozenset({"grace"}), frozenset({"grace@b.com"})))
    rows = repr(list(Suppression.objects.values()))
    assert "digest" in rows
    assert "grace" not in rows
