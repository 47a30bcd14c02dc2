"""Sources: the list, adding one, its pages, and what may be changed there."""

from typing import Any

import pytest
from tests.pages import collapsed

from jetbridge.control.models import Source
from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger
from jetbridge.delivery.models import source_consumer
from jetbridge.eventlog.base import Counts
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.connect import ConnectionSpec
from jetbridge.source_schema import volumes
from jetbridge.source_schema.models import MetricBucket, NameRow
from jetbridge.source_schema.names import Kind

from .conftest import OF_EVERY_PAGE


@pytest.fixture
def source(people: Any) -> Source:
    source: Source = people.workspace.sources.create(name="Website", kind="http")
    return source


@pytest.fixture
def at(people: Any) -> str:
    return f"/w/{people.workspace.id}/sources/"


def text(answer: Any) -> str:
    assert answer.status_code == 200, answer
    return str(answer.content.decode())


def said() -> list[tuple[str, str, dict[str, Any]]]:
    return [(row.action, row.thing, row.details) for row in AuditEntry.objects.order_by("id")]


def test_an_empty_list_says_what_to_do_first(client_of: Any, at: str) -> None:
    assert "Add source" in text(client_of("editor").get(at))
    assert "An editor can add one" in text(client_of("viewer").get(at))


def test_the_list_says_how_much_came_lately_and_where_it_goes(
    client_of: Any, people: Any, source: Source, at: str, queries: Any
) -> None:
    people.workspace.destinations.create(name="Mailjet (Customers)", kind="mailjet").sources.add(source)
    now = volumes.now()
    for ago, messages in ((0, 1_200), (120, 34)):
        MetricBucket.objects.create(
            source_id=source.id,
            minute=now - ago,
            messages=messages,
            invalid=0,
            first=1,
            last=200 - ago,
            last_at=60_000,
        )
    client = client_of("viewer")
    page = text(client.get(at))
    for part in ("Website", "Mailjet (Customers)", ">1,200<", ">1,234<", 'datetime="1970-01-01'):
        assert part in page
    for number in range(5):
        people.workspace.sources.create(name=f"Other {number}", kind="http")
    with queries() as many:
        client.get(at)
    assert len(many) == OF_EVERY_PAGE + 4


def test_an_http_source_is_added_with_a_write_key_of_its_own(client_of: Any, people: Any, at: str) -> None:
    answer = client_of("editor").post(f"{at}add", {"name": " Shop backend "}, follow=True)
    row = people.workspace.sources.get()
    assert (row.name, row.kind, len(row.current_key)) == ("Shop backend", "http", 32)
    page = text(answer)
    assert page.count(row.current_key) == 5  # the key, and in four snippets
    assert "It accepts messages now" in page
    assert row.current_key not in answer.request["PATH_INFO"]
    assert said() == [("source.added", "Shop backend", {})]


@pytest.mark.parametrize(
    ("name", "sentence"), [("", "required"), ("x" * 201, "200"), ("Website", "Another source")]
)
def test_a_name_that_cannot_be_is_refused_and_said_why(
    client_of: Any, source: Source, at: str, name: str, sentence: str
) -> None:
    for page in ("add", f"{source.id}/settings"):
        Source.objects.get_or_create(workspace=source.workspace, name="Other", kind="http")
        if page == "add" or name != "Website":
            answer = client_of("editor").post(at + page, {"name": name})
            assert answer.status_code == 422
            assert sentence in answer.content.decode()
    answer = client_of("editor").post(f"{at}{source.id}/settings", {"name": "Other"})
    assert "Another source is named Other" in answer.content.decode()
    assert "<h1>Website</h1>" in collapsed(answer.content.decode())
    assert said() == []


def test_a_source_is_renamed_and_disabled_and_enabled(client_of: Any, source: Source, at: str) -> None:
    client = client_of("editor")
    client.post(f"{at}{source.id}/settings", {"name": "Shop"})
    client.post(f"{at}{source.id}/settings", {"name": "Shop"})
    page = text(client.post(f"{at}{source.id}/enable", {"enabled": "no"}, follow=True))
    assert "is disabled. Its senders get 401." in page
    assert "This source is disabled" in text(client.get(f"{at}{source.id}/"))
    client.post(f"{at}{source.id}/enable", {"enabled": "yes"})
    assert said() == [
        ("source.renamed", "Shop", {"before": "Website"}),
        ("source.disabled", "Shop", {}),
        ("source.enabled", "Shop", {}),
    ]
    source.refresh_from_db()
    assert source.enabled


def test_destinations_are_connected_and_disconnected_those_of_others_are_not(
    client_of: Any, people: Any, source: Source, at: str
) -> None:
    mine = people.workspace.destinations.create(name="Mailjet", kind="mailjet")
    theirs = people.elsewhere.destinations.create(name="Secret", kind="mailjet")
    client, page = client_of("editor"), f"{at}{source.id}/connect"
    assert "Secret" not in text(client.get(f"{at}{source.id}/"))
    client.post(page, {"destination": mine.id, "connected": "yes"})
    answer = client.post(page, {"destination": theirs.id, "connected": "yes"}, follow=True)
    assert "that destination was removed" in text(answer)
    assert list(source.destinations.all()) == [mine]
    client.post(page, {"destination": mine.id, "connected": "no"})
    assert list(source.destinations.all()) == []
    assert said() == [
        ("source.connected", "Website", {"destination": "Mailjet"}),
        ("source.disconnected", "Website", {"destination": "Mailjet"}),
    ]


def test_a_source_is_removed_once_it_is_disabled_and_its_name_is_typed(
    client_of: Any, people: Any, source: Source, at: str
) -> None:
    client = client_of("editor")
    assert "Website is enabled: disable it" in text(client.get(f"{at}{source.id}/settings"))
    page = text(client.post(f"{at}{source.id}/remove", {"name": "Website"}, follow=True))
    assert "Nothing was removed. Website is enabled" in page
    client.post(f"{at}{source.id}/enable", {"enabled": "no"})

    page = text(client.post(f"{at}{source.id}/remove", {"name": "website"}, follow=True))
    assert "Nothing was removed: type Website" in page
    page = text(client.post(f"{at}{source.id}/remove", {"name": "Website"}, follow=True))

    assert "Website is removed" in page
    assert not people.workspace.sources.exists()
    assert said()[-1] == ("source.removed", "Website", {"kind": "http"})


def test_sources_that_came_with_an_account_go_with_it(client_of: Any) -> None:
    joined = connect.join(ConnectionSpec("Shop", "http://127.0.0.1:1", "public", "private", 1, "Customers"))
    for source, sentence in (
        (joined.connection.source, "remove the app connection"),
        (joined.account.event_source, "remove the account"),
    ):
        page = text(client_of("owner").get(f"/w/{source.workspace_id}/sources/{source.id}/settings"))
        assert sentence in page
        assert "Remove for good" not in page


def test_a_viewer_sees_pages_and_no_buttons(client_of: Any, people: Any, source: Source, at: str) -> None:
    people.workspace.destinations.create(name="Mailjet", kind="mailjet")
    client = client_of("viewer")
    for page in (
        "",
        f"{source.id}/",
        f"{source.id}/settings",
        f"{source.id}/schema",
        f"{source.id}/debugger",
    ):
        assert 'method="post"' not in text(client.get(at + page)).replace(
            'method="post" action="/logout"', ""
        )
    assert [
        client.post(f"{at}{source.id}/{page}").status_code
        for page in ("connect", "enable", "remove", "settings")
    ] == [403] * 4


def test_sources_of_another_workspace_are_not_there(client_of: Any, people: Any, source: Source) -> None:
    at = f"/w/{people.elsewhere.id}/sources/{source.id}"
    for page in ("/", "/settings", "/schema", "/debugger", "/debugger/live", "/debugger/1"):
        assert client_of("outsider").get(at + page).status_code == 404


def test_sources_that_came_with_an_account_lead_there_and_show_no_write_key(
    client_of: Any, people: Any
) -> None:
    joined = connect.join(ConnectionSpec("Shop", "http://127.0.0.1:1", "public", "private", 1, "Customers"))
    for source in (joined.connection.source, joined.account.event_source):
        page = text(client_of("owner").get(f"/w/{people.workspace.id}/sources/{source.id}/"))
        assert f"/app-connections/{joined.account.id}/" in page
        assert source.current_key not in page
        assert joined.connection.authentication_key not in page


def test_the_schema_shows_events_and_the_properties_of_each(
    client_of: Any, source: Source, at: str, queries: Any
) -> None:
    client = client_of("viewer")
    empty = text(client.get(f"{at}{source.id}/schema"))
    assert "Nothing seen yet" in empty

    def seen(type_: str, event: str, name: str, total: int, kinds: int = 0) -> None:
        NameRow.objects.create(
            source_id=source.id,
            type=type_,
            event=event,
            name=name,
            total=total,
            kinds=kinds,
            first_at=0,
            last_at=0,
        )

    seen("track", "Order & <Pay>", "", 200)
    seen("track", "Order & <Pay>", "total", 50, Kind.NUMBER | Kind.NULL)
    seen("identify", "", "", 7)
    with queries() as asked:
        page = text(client.get(f"{at}{source.id}/schema?period=days"))
    assert len(asked) == OF_EVERY_PAGE + 5
    assert "?type=track&amp;event=Order%20%26%20%3CPay%3E" in page
    assert "Order &amp; &lt;Pay&gt;" in page
    one = text(client.get(f"{at}{source.id}/schema?type=track&event=Order %26 <Pay>"))
    for part in ("<code>total</code>", ">number<", ">null<", "25 %"):
        assert part in one
    found = text(client.get(f"{at}{source.id}/schema?q=order"))
    assert "identify</a>" not in found
    assert "No such event" in text(client.get(f"{at}{source.id}/schema?q=nothing"))
    assert "Not seen" in text(client.get(f"{at}{source.id}/schema?type=page"))


def test_the_chart_tells_its_numbers_to_those_who_do_not_see_it(
    client_of: Any, source: Source, at: str
) -> None:
    MetricBucket.objects.create(
        source_id=source.id, minute=volumes.now(), messages=9, invalid=2, first=1, last=11, last_at=0
    )
    page = text(client_of("viewer").get(f"{at}{source.id}/"))
    assert "one per hour: 9 messages in all, 9 in the busiest hour; 2 more failed on ingest" in page
    assert page.count('<rect class="series"') == page.count('<rect fill="url(#hatch-volumes)"') == 1


def test_email_events_that_mailjet_sent_again_are_counted(people: Any, client_of: Any) -> None:
    source = people.workspace.sources.create(name="Mailjet events", kind="mailjet")
    page = f"/w/{people.workspace.id}/sources/{source.id}/"
    assert "Sent again by Mailjet" not in client_of("viewer").get(page).content.decode()
    ledger.begin(source_consumer(source.id), Counts(0, {}))
    ledger.count_events(source_consumer(source.id), repeated=1234, failed=0, retried=0, made_upto=1)
    assert "1,234 became no second call" in client_of("viewer").get(page).content.decode()
