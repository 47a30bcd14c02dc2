"""The audit log: it says who, what and to which thing, also when they have gone."""

from pathlib import Path

import pytest
from django.db import transaction

from jetbridge.control.audit import Actor
from jetbridge.control.models import Workspace
from jetbridge.control.people import AuditEntry, User


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace.objects.create(name="Shop")


def test_an_entry_stays_when_the_person_and_the_thing_go(workspace: Workspace) -> None:
    ada = User.objects.create_user("ada@example.com", None, "Ada")
    source = workspace.sources.create(name="Website", kind="http")
    Actor(workspace, ada).audit("source.renamed", source, {"before": "Site"})
    number = source.id
    source.delete()
    ada.delete()
    entry = AuditEntry.objects.get()
    assert (entry.who, entry.action, entry.thing, entry.thing_id) == (
        "ada@example.com",
        "source.renamed",
        "Website",
        number,
    )
    assert (entry.user, entry.details) == (None, {"before": "Site"})
    assert str(entry) == "ada@example.com: source.renamed Website"


def test_a_change_that_is_rolled_back_leaves_no_entry(workspace: Workspace) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        Actor(workspace, None, "jetbridge setup").audit("source.made", "Website")
        raise RuntimeError
    assert not AuditEntry.objects.exists()


def test_a_command_is_named_and_is_no_person(workspace: Workspace) -> None:
    actor = Actor(workspace, None, "jetbridge setup")
    actor.audit("workspace.made")
    entry = AuditEntry.objects.get()
    assert (entry.who, entry.user, entry.thing, entry.thing_id) == ("jetbridge setup", None, "", None)
    with pytest.raises(AssertionError, match="jetbridge setup is no person"):
        _ = actor.user


def test_a_program_is_named_beside_its_person(workspace: Workspace) -> None:
    ada = User.objects.create_user("ada@example.com", None)
    another = Workspace.objects.create(name="Another")
    Actor(workspace, ada, "ada@example.com by CI").elsewhere(another).audit("source.made", "Website")
    entry = AuditEntry.objects.get()
    assert (entry.workspace, entry.user, entry.who) == (another, ada, "ada@example.com by CI")


def test_names_of_any_length_fit(workspace: Workspace) -> None:
    Actor(workspace, None, "w" * 300).audit("source.made", "t" * 500)
    entry = AuditEntry.objects.get()
    assert (entry.who, entry.thing) == ("w" * 254, "t" * 400)
