"""What people change: the switch, definitions and their keys, and where they are sent."""

from pathlib import Path
from typing import Any

import pytest

from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination, SourceKind, Workspace
from jetbridge.control.people import AuditEntry
from jetbridge.delivery.models import SourceOffset
from jetbridge.engage import configuration, queries
from jetbridge.engage.definition import DefinitionError
from jetbridge.engage.models import Activation, Computation, ComputationClass, Space
from jetbridge.errors import ConfigurationError, ConflictError
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import accounts
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.contacts.contact import Contact, save_merged
from jetbridge.services import computations, new_destinations

from .stored import Store

AUDIENCE, TRAIT = ComputationClass.AUDIENCE, ComputationClass.TRAIT
ORDERED = {"event": "Order Completed", "within": "30d"}
SPENT = {"computed": "sum", "event": "Order Completed", "property": "total"}


def audience(actor: Actor, name: str, definition: object = None, **options: Any) -> Computation:
    return computations.create(actor, AUDIENCE, name, definition or ORDERED, **options).row


def trait(actor: Actor, name: str, definition: object = None) -> Computation:
    return computations.create(actor, TRAIT, name, definition or SPENT).row


def destination(log: SqliteEventLog, workspace: Workspace, name: str = "Elsewhere") -> Destination:
    return new_destinations.add(log, workspace, "segment", name, {"writeKey": "k"}, sources=[])


def mailjet(
    log: SqliteEventLog, workspace: Workspace, name: str, list_id: int = 1, url: str = "http://127.0.0.1:9"
) -> Destination:
    """At `url`, where nobody answers unless a sandbox is given."""
    account = workspace.mailjet_accounts.first() or accounts.add_account(workspace, url, "public", "private")
    connection = accounts.connect_list(account, list_id, f"List {list_id}")
    values = {"apiKey": connection.authentication_key, "listId": str(list_id)}
    return new_destinations.add(log, workspace, "mailjet", name, values, sources=[])


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


# ---- the switch


def test_the_first_audience_switches_engage_on(actor: Actor) -> None:
    first = computations.create(actor, AUDIENCE, "Ordered, last 30 days", ORDERED)
    second = computations.create(actor, AUDIENCE, "Others", {"not": ORDERED})
    assert (first.switched_on, second.switched_on) == (True, False)
    assert first.row.key == "ordered_last_30_days"
    space = Space.objects.get()
    assert (space.source.kind, space.source.name) == (SourceKind.ENGAGE, "Engage")
    assert not space.source.destinations.exists()
    assert actions() == ["engage.enabled", "audience.added", "audience.added"]
    version = first.row.versions.get()
    assert (version.version, version.definition, version.written_by) == (1, ORDERED, "a test")


def test_a_refused_audience_does_not_switch_it_on(actor: Actor) -> None:
    with pytest.raises(DefinitionError):
        audience(actor, "Ordered", {"event": "Order Completed", "within": "4000d"})
    with pytest.raises(DefinitionError, match="no audience with the key nobody"):
        audience(actor, "Ordered", {"audience": "nobody"})
    assert not Space.objects.exists()
    assert actions() == []


def test_off_and_on_again_keeps_what_there_is(actor: Actor) -> None:
    row = audience(actor, "Ordered")
    computations.switch(actor, enabled=False)
    computations.switch(actor, enabled=False)
    assert queries.computation(row).state == "disabled"
    assert not Space.objects.get().source.enabled
    space = computations.switch(actor, enabled=True)
    assert space
    assert space.source.enabled
    assert queries.computation(row).state == "computing"
    assert actions()[2:] == ["engage.disabled", "engage.enabled"]


def test_switching_off_what_was_never_on_makes_nothing(actor: Actor) -> None:
    assert computations.switch(actor, enabled=False) is None
    assert not Space.objects.exists()


def test_the_source_gets_a_name_that_is_free(actor: Actor) -> None:
    actor.workspace.sources.create(kind="http", name="Engage")
    audience(actor, "Ordered")
    assert Space.objects.get().source.name == "Engage 2"


# ---- retention, sources, history


def test_no_window_may_be_longer_than_the_retention(actor: Actor) -> None:
    row = audience(actor, "Ordered this year", {"event": "Order Completed", "within": "365d"})
    audience(actor, "Ever ordered", {"event": "Order Completed"})
    space = Space.objects.get()
    with pytest.raises(ConflictError, match="Ordered this year"):
        computations.set_retention(actor, space, 364)
    assert computations.set_retention(actor, space, 365)
    assert not computations.set_retention(actor, space, 365)
    with pytest.raises(DefinitionError, match="longer than possible"):
        computations.change(actor, row, definition={"event": "Order Completed", "within": "366d"})
    assert actions()[-1] == "engage.retention-changed"


@pytest.mark.parametrize("days", [89, 3_651])
def test_retention_has_bounds(actor: Actor, days: int) -> None:
    space = computations.switch(actor, enabled=True)
    assert space
    with pytest.raises(ConfigurationError, match="90 to 3,650"):
        computations.set_retention(actor, space, days)


def test_events_are_kept_for_the_longest_window(actor: Actor) -> None:
    row = audience(actor, "Ordered")
    space = Space.objects.get()
    assert queries.days_kept(space) == 90
    computations.change(actor, row, definition={"event": "Order Completed", "between": ["1d", "120d"]})
    assert queries.days_kept(space) == 120
    trait(actor, "Spent")
    assert queries.days_kept(space) == 1_095


def test_sources_can_be_left_out(actor: Actor) -> None:
    space = computations.switch(actor, enabled=True)
    assert space
    website = actor.workspace.sources.create(kind="http", name="Website")
    elsewhere = Workspace.objects.create(name="Elsewhere").sources.create(kind="http", name="Theirs")
    assert computations.exclude_sources(actor, space, [website.id])
    assert not computations.exclude_sources(actor, space, [website.id])
    assert list(space.excluded_sources.all()) == [website]
    for other in (elsewhere.id, space.source_id):
        with pytest.raises(ConfigurationError, match="no source"):
            computations.exclude_sources(actor, space, [other])
    assert actions()[-1] == "engage.sources-changed"


def test_history_is_loaded_once(actor: Actor) -> None:
    space = computations.switch(actor, enabled=True)
    assert space
    computations.load_history(actor, space)
    assert space.history_requested_at
    with pytest.raises(ConflictError, match="once"):
        computations.load_history(actor, space)


# ---- keys


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Ordered", "has the key ordered"),
        ("ordered!", "has the key ordered"),
        ("gone", "deleted"),
        ("2026", "no letter"),
        ("Ω", "no letter"),
        ("x" * 201, "1 to 200"),
        ("", "1 to 200"),
    ],
)
def test_a_key_is_used_once(actor: Actor, name: str, problem: str) -> None:
    audience(actor, "Ordered")
    computations.delete(actor, trait(actor, "Gone"))
    for computation_class, definition in ((AUDIENCE, ORDERED), (TRAIT, SPENT)):
        with pytest.raises(ConfigurationError, match=problem):
            computations.create(actor, computation_class, name, definition)


def test_a_key_is_free_in_another_workspace(actor: Actor) -> None:
    audience(actor, "Ordered")
    elsewhere = Actor(Workspace.objects.create(name="Elsewhere"), None, "a test")
    assert audience(elsewhere, "Ordered").key == "ordered"


def test_a_computed_trait_hides_no_trait_that_is_read(actor: Actor) -> None:
    audience(actor, "Rich", {"trait": "lifetime_value", "op": ">", "value": 100})
    with pytest.raises(ConflictError, match="Rich reads the trait lifetime_value"):
        trait(actor, "Lifetime value")


def test_a_key_that_means_something_to_a_chosen_destination_is_refused(
    actor: Actor, event_log: SqliteEventLog
) -> None:
    contacts = mailjet(event_log, actor.workspace, "Contacts")
    with pytest.raises(ConflictError, match="email cannot be sent to Contacts"):
        audience(actor, "Email", destinations=[contacts])
    assert not Space.objects.exists()
    row = audience(actor, "Email")
    with pytest.raises(ConflictError, match="email cannot be sent to Contacts"):
        computations.activate(actor, row, contacts)
    preview = computations.preview_activation(row, contacts)
    assert "holds the contact's address" in preview.problem
    assert (preview.property, preview.value_type, preview.people, preview.calls) == ("email", "boolean", 0, 0)
    assert (preview.has_contacts, preview.adds_members) == (True, True)
    assert not Activation.objects.exists()


@pytest.mark.parametrize("name", ["Email", "Audience key", "Trait key"])
def test_a_key_that_stands_in_every_call_is_sent_nowhere(actor: Actor, name: str) -> None:
    hook = Destination.objects.create(workspace=actor.workspace, kind="webhook", name="Hook")
    row = audience(actor, name)
    assert (
        f"carry the {'address' if name == 'Email' else 'key'}"
        in computations.preview_activation(row, hook).problem
    )
    with pytest.raises(ConflictError, match=f"{row.key} cannot be sent to Hook"):
        computations.activate(actor, row, hook)


def test_no_two_keys_have_one_property_at_a_destination(actor: Actor, event_log: SqliteEventLog) -> None:
    contacts = mailjet(event_log, actor.workspace, "Contacts")
    first, second = (audience(actor, name) for name in ("30 day active", "p 30 day active"))
    computations.activate(actor, first, contacts)
    with pytest.raises(ConflictError, match="p_30_day_active is that of the audience 30 day active"):
        computations.activate(actor, second, contacts)
    computations.delete(actor, first)
    with pytest.raises(ConflictError, match="p_30_day_active is that of the audience 30 day active"):
        computations.activate(actor, second, contacts)
    computations.activate(
        actor, second, Destination.objects.create(workspace=actor.workspace, kind="webhook", name="Hook")
    )


# ---- definitions


def test_a_changed_definition_is_a_new_version(actor: Actor) -> None:
    row = audience(actor, "Ordered")
    assert computations.change(actor, row, definition={**ORDERED, "within": "7d"}, name="Ordered lately")
    assert not computations.change(
        actor, row, definition={"within": "7d", **ORDERED, "count": [">=", 1]} | {"within": "7d"}
    )
    row.refresh_from_db()
    assert (row.name, row.key, row.version) == ("Ordered lately", "ordered", 2)
    assert [version.definition["within"] for version in row.versions.order_by("version")] == ["30d", "7d"]
    assert actions()[-1] == "audience.changed"
    details = AuditEntry.objects.order_by("-id")[0].details
    assert details["definition"] == [
        "Order Completed at least once within 30 days",
        "Order Completed at least once within 7 days",
    ]


def test_disabled_and_enabled(actor: Actor) -> None:
    row = audience(actor, "Ordered")
    assert computations.change(actor, row, enabled=False)
    assert not computations.change(actor, row, enabled=False)
    assert computations.change(actor, row, enabled=True)
    assert actions()[-2:] == ["audience.disabled", "audience.enabled"]
    row.refresh_from_db()
    assert row.version == 1


def test_what_is_enabled_refers_to_nothing_that_is_disabled(actor: Actor) -> None:
    """It would keep for ever those who were members when that was disabled."""
    spent, ordered = trait(actor, "Spent"), audience(actor, "Ordered")
    both = audience(
        actor, "Both", {"all": [{"audience": "ordered"}, {"trait": "spent", "op": ">", "value": 1}]}
    )
    for used in (spent, ordered):
        with pytest.raises(ConflictError, match=f"{used} is in the definition of Both, which would go on"):
            computations.change(actor, used, enabled=False)
    computations.change(actor, both, enabled=False)
    computations.change(actor, ordered, enabled=False)
    computations.change(
        actor, both, name="Both of them", definition={"any": [{"audience": "ordered"}, ORDERED]}
    )
    with pytest.raises(
        ConflictError, match="Both of them refers to Ordered, which is disabled: enable that first"
    ):
        computations.change(actor, both, enabled=True)
    with pytest.raises(ConflictError, match="Third refers to Ordered"):
        audience(actor, "Third", {"audience": "ordered"})
    third = audience(actor, "Third")
    with pytest.raises(ConflictError, match="Third refers to Ordered"):
        computations.change(actor, third, definition={"audience": "ordered"})
    computations.change(actor, ordered, enabled=True)
    computations.change(actor, both, enabled=True)
    assert both.enabled


def test_a_cycle_is_refused_with_the_names(actor: Actor) -> None:
    first = audience(actor, "First")
    audience(actor, "Second", {"all": [{"audience": "first"}, ORDERED]})
    audience(actor, "Third", {"not": {"audience": "second"}})
    with pytest.raises(ConflictError) as refused:
        computations.change(actor, first, definition={"any": [ORDERED, {"audience": "third"}]})
    for name in ("First", "Second", "Third"):
        assert name in str(refused.value)
    first.refresh_from_db()
    assert first.version == 1
    with pytest.raises(ConflictError, match="Itself"):
        audience(actor, "Itself", {"audience": "itself"})


def test_what_others_refer_to_is_not_deleted(actor: Actor) -> None:
    first, spent = audience(actor, "First"), trait(actor, "Spent")
    second = audience(actor, "Second", {"audience": "first"})
    third = audience(actor, "Third", {"trait": "spent", "op": ">", "value": 1})
    with pytest.raises(ConflictError, match="First is in the definition of Second"):
        computations.delete(actor, first)
    with pytest.raises(ConflictError, match="Spent is in the definition of Third"):
        computations.delete(actor, spent)
    for row in (second, third, first, spent):
        computations.delete(actor, row)
    assert not [row for row in Computation.objects.all() if row.deleted_at is None]
    with pytest.raises(ConflictError, match="was deleted"):
        computations.delete(actor, first)


@pytest.mark.parametrize(
    ("computation_class", "definition"),
    [(TRAIT, {"sql": "SELECT 1"}), (AUDIENCE, {"account": {"all": []}}), (AUDIENCE, {"group": "x"})],
)
def test_what_is_not_in_this_version_is_named(
    actor: Actor, computation_class: ComputationClass, definition: Any
) -> None:
    with pytest.raises(DefinitionError, match="not in this version"):
        computations.create(actor, computation_class, "Unknown", definition)


# ---- destinations


def connected(row: Destination) -> bool:
    return row.sources.filter(kind=SourceKind.ENGAGE).exists()


def test_activations_connect_and_disconnect(actor: Actor, event_log: SqliteEventLog) -> None:
    there = destination(event_log, actor.workspace)
    first, second = audience(actor, "First"), trait(actor, "Second")
    for row in (first, second, first):
        computations.activate(actor, row, there)
    assert Activation.objects.count() == 2
    assert connected(there)
    reading = SourceOffset.objects.get(destination_id=there.id)
    assert (reading.kind, reading.ended_total) == (SourceKind.ENGAGE, None)
    assert computations.deactivate(actor, first, there)
    assert not computations.deactivate(actor, first, there)
    assert connected(there)
    computations.delete(actor, second)
    assert not connected(there)
    assert [action for action in actions() if "activated" in action] == [
        "audience.activated",
        "computed-trait.activated",
        "audience.deactivated",
    ]


def test_a_deletion_that_clears_keeps_the_connection_until_that_is_done(
    actor: Actor, event_log: SqliteEventLog
) -> None:
    there = destination(event_log, actor.workspace)
    row = audience(actor, "First", destinations=[there])
    computations.delete(actor, row, members="false")
    row.refresh_from_db()
    assert (row.clears_members, row.deleted_at is not None, connected(there)) == (True, True, True)
    configuration.end_activations(row)
    assert not connected(there)


def test_members_are_added_by_default_where_engage_alone_is_connected(
    actor: Actor, event_log: SqliteEventLog
) -> None:
    row = audience(actor, "First")
    website = actor.workspace.sources.create(kind="http", name="Website")
    own = mailjet(event_log, actor.workspace, "Own")
    shared = mailjet(event_log, actor.workspace, "Shared", 2)
    shared.sources.add(website)
    without_contacts = destination(event_log, actor.workspace)
    added = [
        computations.activate(actor, row, there).adds_members for there in (own, shared, without_contacts)
    ]
    assert added == [True, False, False]
    # A second audience: Engage itself is no source that brings people.
    assert computations.activate(actor, audience(actor, "Second"), own).adds_members
    assert not computations.activate(actor, row, own, adds_members=False).adds_members
    assert not computations.activate(actor, row, own).adds_members
    with pytest.raises(ConfigurationError, match="no contacts"):
        computations.activate(actor, row, without_contacts, adds_members=True)
    assert actions()[-1] == "audience.activation-changed"


def test_a_contacts_list_is_made_for_an_audience(
    actor: Actor, event_log: SqliteEventLog, sandbox: str
) -> None:
    there = mailjet(event_log, actor.workspace, "Contacts", url=sandbox)
    row = audience(actor, "Big spenders", destinations=[there])
    client = MailjetClient(sandbox, "public", "private", timeout_seconds=10)
    activation = computations.activate(actor, row, there, contacts_list=True)
    assert [made.id for made in client.contactslists() if made.name == "Big spenders"] == [activation.list_id]
    # It is made once, and no longer follows the members when that is switched off.
    assert computations.activate(actor, row, there, contacts_list=True).list_id == activation.list_id
    assert computations.activate(actor, row, there).list_id == activation.list_id
    assert computations.activate(actor, row, there, contacts_list=False).list_id is None
    for other, refused in ((trait(actor, "Spent"), there), (row, destination(event_log, actor.workspace))):
        with pytest.raises(ConfigurationError, match="lists"):
            computations.activate(actor, other, refused, contacts_list=True)


def test_no_two_have_one_name(actor: Actor) -> None:
    first, second = audience(actor, "Buyers"), audience(actor, "Spenders")
    with pytest.raises(ConflictError, match="an audience Buyers"):
        computations.change(actor, second, name="buyers")
    assert computations.change(actor, first, name="BUYERS")
    computations.change(actor, first, name="Former buyers")
    assert computations.change(actor, second, name="Buyers"), "the name is free"
    with pytest.raises(ConflictError, match="an audience Former buyers"):
        trait(actor, "FORMER buyers")


def test_nothing_is_sent_to_another_workspace(actor: Actor, event_log: SqliteEventLog) -> None:
    row = audience(actor, "First")
    theirs = destination(event_log, Workspace.objects.create(name="Elsewhere"))
    with pytest.raises(ConfigurationError, match="no destination"):
        computations.activate(actor, row, theirs)
    with pytest.raises(ConfigurationError, match="no destination"):
        audience(actor, "Second", destinations=[theirs])
    assert not connected(theirs)


def test_a_workspace_goes_with_its_store(actor: Actor, home: Path, stored: Store) -> None:
    audience(actor, "First")
    stored.close()
    assert list(home.glob("engage-*"))
    computations.remove_space(actor.workspace)
    assert not Space.objects.exists()
    assert not list(home.glob("engage-*"))


def test_an_activation_preview_counts_who_is_no_contact_yet(
    actor: Actor, event_log: SqliteEventLog, stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = mailjet(event_log, actor.workspace, "Contacts")
    account = actor.workspace.mailjet_accounts.get()
    row = audience(actor, "Buyers")
    people = [
        stored.person("user_id:u1", "email:ada@example.com", "email:countess@example.com"),
        stored.person("user_id:u2", "email:bob@example.com"),
        stored.person("user_id:u3"),
    ]
    stored.members("buyers", *people)
    stored.computed("buyers", size=3)
    contact = Contact("countess@example.com")
    contact.desired.named_at = 1
    save_merged(account.id, [contact])
    preview = computations.preview_activation(row, there)
    assert (preview.people, preview.without_contact, preview.without_address) == (3, 1, 1)
    assert preview.calls == 2, "nothing is sent of people without an address"
    # Of more people some are looked at, and the figures are in proportion.
    more = [stored.person(f"user_id:v{n}", f"email:v{n}@example.com") for n in range(400)]
    stored.members("buyers", *more)
    stored.connection.execute("UPDATE definition SET size = 403")
    monkeypatch.setattr(computations, "SAMPLED", 100)
    preview = computations.preview_activation(row, there)
    assert preview.without_contact
    assert 380 < preview.without_contact <= 403
    elsewhere = destination(event_log, actor.workspace)
    assert computations.preview_activation(row, elsewhere).without_contact is None


def test_an_activation_preview_counts_who_would_join_the_list(
    actor: Actor, event_log: SqliteEventLog, stored: Store
) -> None:
    there = mailjet(event_log, actor.workspace, "Second", list_id=2)
    account = actor.workspace.mailjet_accounts.get()
    row = audience(actor, "Buyers")
    on_another, on_it, unsubscribed = (
        Contact("ada@example.com"),
        Contact("bob@example.com"),
        Contact("cy@example.com"),
    )
    on_another.desired.apply_list_action(1, "addnoforce", 1)
    on_it.desired.apply_list_action(2, "addnoforce", 1)
    unsubscribed.desired.apply_list_action(1, "unsub", 1)
    save_merged(account.id, [on_another, on_it, unsubscribed])
    addresses = ["ada@example.com", "bob@example.com", "cy@example.com", "new@example.com"]
    stored.members(
        "buyers", *[stored.person(f"user_id:{n}", f"email:{each}") for n, each in enumerate(addresses)]
    )
    stored.computed("buyers", size=4)
    preview = computations.preview_activation(row, there)
    # Who is a contact by another list joins this one, too; who has unsubscribed anywhere does not.
    assert (preview.without_contact, preview.can_join) == (2, 2)


def test_the_definition_of_a_computed_trait_makes_no_audience(actor: Actor) -> None:
    with pytest.raises(DefinitionError, match="this is the definition of a computed trait"):
        audience(actor, "Spent", {"computed": "sum", "event": "Order Completed", "property": "total"})
