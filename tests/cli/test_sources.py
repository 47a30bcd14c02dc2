"""`jetbridge sources`: add them, rotate keys, delete them, and block what no destination gets."""

from typing import TYPE_CHECKING

import pytest

from jetbridge.control.models import Source, Workspace
from jetbridge.control.people import AuditEntry
from jetbridge.source_schema.models import NameRow

if TYPE_CHECKING:
    from conftest import Jetbridge


@pytest.fixture
def source(home: object) -> Source:
    return Workspace.objects.create(name="Shop").sources.create(kind="http", name="Website")


def test_events_properties_and_traits_are_blocked_and_unblocked(
    jetbridge: "Jetbridge", source: Source
) -> None:
    assert jetbridge("sources", "blocks", "Website").out == "Website blocks nothing.\n"
    jetbridge("sources", "block", "Website", "track", "--event", "Order", "--property", "total")
    jetbridge("sources", "block", "Website", "track", "--event", "Order")
    found = jetbridge("sources", "block", str(source.id), "identify", "--trait", "phone", "--json").json
    total = {"type": "track", "event": "Order", "name": "total"}
    order = {"type": "track", "event": "Order", "name": ""}
    phone = {"type": "identify", "event": "", "name": "phone"}
    assert found == {"source": source.id, "blocks": [total, order, phone]}
    undone = jetbridge("sources", "unblock", "Website", "track", "--event", "Order")
    assert undone.out == "Website blocks for all destinations:\ntrack 'Order' total\nidentify phone\n"
    entries = list(AuditEntry.objects.order_by("id").values_list("who", "action"))
    assert entries == [("jetbridge sources block", "source.blocked")] * 3 + [
        ("jetbridge sources unblock", "source.unblocked")
    ]


def test_a_source_is_added_listed_given_a_new_key_and_deleted(jetbridge: "Jetbridge", source: Source) -> None:
    app = jetbridge("sources", "add", "App", "--json").json["source"]
    assert (app["name"], app["workspace"], app["kind"], app["enabled"]) == ("App", "Shop", "http", True)
    listed = jetbridge("sources", "list", "--json").json["sources"]
    assert [row["name"] for row in listed] == ["Website", "App"]
    assert listed[1] == app
    assert f"App (http), write key {app['write_key']}" in jetbridge("sources", "list").out
    rotated = jetbridge("sources", "rotate-key", "App", "--json", "--yes").json["source"]
    assert rotated["write_key"] not in {app["write_key"], source.current_key}
    assert Source.objects.get(name="App").current_key == rotated["write_key"]
    assert jetbridge("sources", "rotate-key", "App", "--grace-hours", "1", "--yes").status == 0
    assert jetbridge("sources", "rotate-key", "App", "--end-grace", "--json").json == {"ended": True}
    assert jetbridge("sources", "rotate-key", "App", "--end-grace", "--json").json == {"ended": False}
    assert jetbridge("sources", "delete", "App").status == 2  # nobody is asked without a terminal
    assert jetbridge("sources", "delete", "App", "--yes").out == "App is deleted.\n"
    assert [row["name"] for row in jetbridge("sources", "list", "--json").json["sources"]] == ["Website"]


def test_only_a_source_of_libraries_has_a_write_key(jetbridge: "Jetbridge", source: Source) -> None:
    engage = source.workspace.sources.create(kind="engage", name="Engage")
    assert "It has no write key" in jetbridge("sources", "rotate-key", str(engage.id), "--yes").err
    assert [row["write_key"] is None for row in jetbridge("sources", "list", "--json").json["sources"]] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("block", "Website", "identify"), "identify calls cannot be blocked as a whole"),
        (
            ("block", "Website", "identify", "--trait", "unsubscribed"),
            "unsubscribed says whether a person has",
        ),
        (("block", "Website", "track"), "Track calls are blocked by their event: name it."),
        (("block", "Website", "track", "--property", "x"), "Track calls are blocked by their event: name"),
        (("block", "Website", "page", "--event", "Home"), "page calls have no event: 'Home' cannot be"),
        (("block", "Website", "alias", "--property", "x"), "'alias' cannot be blocked: it is none of "),
        (("unblock", "Website", "page"), "That is not blocked at Website: `jetbridge sources blocks"),
        (("blocks", "Shop"), "There is no source Shop; there are "),
    ],
)
def test_what_cannot_be_done_is_one_clear_sentence(
    jetbridge: "Jetbridge", source: Source, arguments: tuple[str, ...], sentence: str
) -> None:
    result = jetbridge("sources", *arguments)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"Error: {sentence}")


def test_names_that_are_there_twice_are_told_apart(jetbridge: "Jetbridge", source: Source) -> None:
    twin = Workspace.objects.create(name="Other").sources.create(kind="http", name="Website")
    assert jetbridge("sources", "blocks", "Website").err == (
        f"Error: Several sources are named Website. Give an id: {source.id} (Shop), {twin.id} (Other).\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("page", "--property", "a", "--property", "b"), "Name one property or trait at a time."),
        (("identify", "--property", "a", "--trait", "b"), "Name one property or trait at a time."),
        (("identify", "--property", "a"), "identify calls have traits: say --trait a."),
        (("track", "--event", "Order", "--trait", "a"), "track calls have properties: say --property a."),
        (("page", "--property", ""), "The name of the property or trait is empty."),
    ],
)
def test_a_property_or_trait_that_is_not_clear_is_a_usage_error(
    jetbridge: "Jetbridge", source: Source, arguments: tuple[str, ...], message: str
) -> None:
    for verb in ("block", "unblock"):
        result = jetbridge("sources", verb, "Website", *arguments)
        assert (result.status, result.out) == (2, "")
        assert f"Error: {message}" in result.err
    assert not source.blocks.exists()


def test_what_was_never_seen_is_blocked_with_a_hint(jetbridge: "Jetbridge", source: Source) -> None:
    NameRow.objects.create(
        source_id=source.id, type="track", event="Order", name="", kinds=0, total=1, first_at=1, last_at=1
    )
    assert jetbridge("sources", "block", "Website", "track", "--event", "Order").err == ""
    result = jetbridge("sources", "block", "Website", "track", "--event", "order")
    assert result.out.endswith("track 'order'\n")
    assert result.err == (
        "The schema of Website has no track 'order' so far. Names are case-sensitive: check the spelling.\n"
    )
