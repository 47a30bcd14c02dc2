"""The workspace's own page and the audit log."""

from typing import Any

from tests.pages import collapsed

from jetbridge.control.audit import Actor
from jetbridge.control.models import SourceKind, Workspace
from jetbridge.control.people import ApiToken, AuditEntry, Membership, Role
from jetbridge.delivery.models import ConsumerOffset, destination_consumer, source_consumer

from .conftest import OF_EVERY_PAGE


def page(people: Any, path: str) -> str:
    return f"/w/{people.workspace.id}/settings/{path}"


def write(people: Any, number: int, **more: Any) -> AuditEntry:
    values = {
        "user": people.editor,
        "who": "emil@example.com",
        "action": "destination.changed",
        "thing": f"Thing {number}",
    }
    return AuditEntry.objects.create(workspace=people.workspace, **(values | more))


class TestWorkspace:
    def test_an_owner_renames_it(self, people: Any, client_of: Any) -> None:
        client = client_of("owner")
        zone = {"time_zone": "UTC"}
        assert client.post(page(people, "workspace/"), {"name": "Elsewhere", **zone}).status_code == 422
        assert client.post(page(people, "workspace/"), {"name": "Store", **zone}).status_code == 302
        assert Workspace.objects.get(id=people.workspace.id).name == "Store"
        (entry,) = AuditEntry.objects.all()
        assert (entry.action, entry.thing, entry.details) == (
            "workspace.renamed",
            "Store",
            {"before": "Shop"},
        )
        assert client_of("editor").post(page(people, "workspace/"), {"name": "Mine"}).status_code == 403

    def test_an_owner_sets_its_time_zone(self, people: Any, client_of: Any) -> None:
        client, here = client_of("owner"), page(people, "workspace/")
        refused = client.post(here, {"name": "Shop", "time_zone": "paris"})
        assert refused.status_code == 422
        assert "Do you mean Europe/Paris?" in refused.content.decode()
        changed = client.post(here, {"name": "Shop", "time_zone": "Europe/Paris"}, follow=True)
        assert "The time zone is Europe/Paris now." in changed.content.decode()
        assert Workspace.objects.get(id=people.workspace.id).time_zone == "Europe/Paris"
        (entry,) = AuditEntry.objects.all()
        assert (entry.action, entry.details) == (
            "workspace.time-zone-changed",
            {"before": "UTC", "after": "Europe/Paris"},
        )

    def test_an_owner_adds_another_and_owns_it(self, people: Any, client_of: Any) -> None:
        client = client_of("owner")
        answer = client.post(page(people, "workspace/new"), {"name": "Second"})
        second = Workspace.objects.get(name="Second")
        assert answer.headers["location"] == f"/w/{second.id}/checklist/"
        assert [(row.user, row.role) for row in second.memberships.all()] == [(people.owner, "owner")]
        assert f'href="/w/{second.id}/"' in client.get(page(people, "workspace/")).content.decode()

    def test_it_goes_when_nothing_is_enabled_and_its_name_was_typed(
        self, people: Any, client_of: Any
    ) -> None:
        client, path = client_of("owner"), page(people, "workspace/delete")
        Membership.objects.create(user=people.owner, workspace=people.elsewhere, role=Role.OWNER)
        source = people.workspace.sources.create(kind=SourceKind.HTTP, name="Website")
        destination = people.workspace.destinations.create(kind="mailjet", name="Mailjet")
        ConsumerOffset.objects.create(consumer=destination_consumer(destination.id), position=0)
        text = client.post(path, {"typed": "Shop"}).content.decode()
        assert "The source Website is enabled." in text
        assert "The destination Mailjet is enabled." in text
        people.workspace.sources.update(enabled=False)
        people.workspace.destinations.update(enabled=False)
        ConsumerOffset.objects.create(consumer=source_consumer(source.id), position=0)
        assert client.post(path, {"typed": "shop"}).status_code == 422
        assert client.post(path, {"typed": "Shop"}).headers["location"] == f"/w/{people.elsewhere.id}/"
        assert not Workspace.objects.filter(name="Shop").exists()
        assert not ConsumerOffset.objects.exists()
        (entry,) = AuditEntry.objects.all()
        assert (entry.workspace, entry.action, entry.thing) == (people.elsewhere, "workspace.deleted", "Shop")

    def test_the_only_one_of_a_person_stays(self, people: Any, client_of: Any) -> None:
        answer = client_of("owner").post(page(people, "workspace/delete"), {"typed": "Shop"})
        assert answer.status_code == 422
        assert "the only workspace that you are in" in answer.content.decode()

    def test_an_editor_deletes_nothing(self, people: Any, client_of: Any) -> None:
        answer = client_of("editor").post(page(people, "workspace/delete"), {"typed": "Shop"})
        assert answer.status_code == 403


class TestAuditLog:
    def test_it_is_filtered_by_person_and_thing(self, people: Any, client_of: Any) -> None:
        write(people, 1, thing_id=3)
        write(people, 2, thing_id=4)
        write(people, 3, action="source.added", thing_id=3, user=people.owner, who="olga@example.com")
        write(people, 4, action="source.renamed", who="export, a token of emil@example.com")
        AuditEntry.objects.create(
            workspace=people.elsewhere, who="otto@example.com", action="x.y", thing="Thing 5"
        )

        def shown(query: str) -> list[int]:
            text = client_of("viewer").get(page(people, f"audit/{query}")).content.decode()
            return [number for number in range(1, 6) if f"Thing {number}" in text]

        assert shown("") == [1, 2, 3, 4]
        assert shown("?who=emil@example.com") == [1, 2, 4]
        assert shown("?thing=destination") == [1, 2]
        assert shown("?thing=destination:3") == [1]
        assert shown("?thing=source&who=olga@example.com") == [3]
        assert shown("?thing=source:99999999999999999999") == [3, 4]

    def test_it_is_paged_by_key(self, people: Any, client_of: Any, queries: Any) -> None:
        rows = [write(people, 1000 + number) for number in range(60)]
        client = client_of("viewer")
        with queries() as seen:
            text = client.get(page(people, "audit/?thing=destination")).content.decode()
        assert len(seen) == OF_EVERY_PAGE + 2, [query["sql"] for query in seen]
        assert f"?thing=destination&amp;before={rows[10].id}" in text
        older = client.get(page(people, f"audit/?thing=destination&before={rows[10].id}")).content.decode()
        assert ("Thing 1009" in older, "Thing 1010" in older) == (True, False)

    def test_nobody_writes_into_it(self, people: Any, client_of: Any) -> None:
        write(people, 1)
        client_of("owner").post(page(people, "audit/"))
        assert AuditEntry.objects.count() == 1


def test_people_and_tokens_ask_a_fixed_number_of_queries(people: Any, client_of: Any, queries: Any) -> None:
    for number in range(3):
        ApiToken.objects.create(
            workspace=people.workspace, user=people.owner, name="t", role="viewer", digest=str(number)
        )
    client = client_of("owner")
    for path, own in (("people/", 2), ("tokens/", 1), ("workspace/", 0)):
        with queries() as seen:
            assert client.get(page(people, path)).status_code == 200
        assert len(seen) == OF_EVERY_PAGE + own, [query["sql"] for query in seen]


def test_the_audit_log_shows_no_python(people: Any, client_of: Any) -> None:
    details = {
        "adds_members": [True, False],
        "list": None,
        "changed": ["a", "b"],
        "destination": "Shop <1>",
        "people": 3,
    }
    Actor(people.workspace, people.editor).audit("audience.activated", "Buyers", details)
    text = collapsed(client_of("viewer").get(page(people, "audit/")).content.decode())
    cell = (
        "adds_members: yes, no<br> list: none<br> changed: a, b<br> destination: Shop &lt;1&gt;<br> people: 3"
    )
    assert cell in text
