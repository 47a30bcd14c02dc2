from typing import TYPE_CHECKING

import pytest

from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger, pauses
from jetbridge.delivery.models import ConsumerOffset, destination_consumer
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.connect import ConnectionSpec

if TYPE_CHECKING:
    from conftest import Jetbridge

SPEC = ConnectionSpec(
    "Main", "http://127.0.0.1:1", "public", "private", 1, "Customers", "http://127.0.0.1:1", "w"
)
NO_WORKER = "No worker is running: it goes on with the next `jetbridge serve`."


@pytest.fixture
def ids(event_log: SqliteEventLog) -> list[int]:
    """A Mailjet and a Segment destination."""
    joined = connect.join(SPEC)
    found = [row.id for row in joined.destinations]
    for id_ in found:
        ledger.begin_destination(id_, [joined.http_source.id], event_log.counts())
    return found


def pause(destination: int) -> None:
    pauses.pause(destination_consumer(destination), "CIRCUIT_OPEN", "Nearly all is refused.")


def held() -> list[str]:
    return list(
        ConsumerOffset.objects.exclude(pause_code="").order_by("consumer").values_list("consumer", flat=True)
    )


def test_one_destination_is_released_and_the_other_is_not(jetbridge: "Jetbridge", ids: list[int]) -> None:
    for id_ in ids:
        pause(id_)
    result = jetbridge("destinations", "resume", str(ids[0]))
    assert result.out.splitlines() == [
        "Mailjet (Customers) is resumed. It was paused (CIRCUIT_OPEN): Nearly all is refused.",
        NO_WORKER,
    ]
    assert held() == [destination_consumer(ids[1])]
    assert pauses.are_resumed([destination_consumer(ids[0])])


def test_all_that_is_paused_is_resumed(jetbridge: "Jetbridge", ids: list[int]) -> None:
    pause(ids[1])
    assert jetbridge("destinations", "resume", "--all").out.splitlines() == [
        "Segment is resumed. It was paused (CIRCUIT_OPEN): Nearly all is refused.",
        NO_WORKER,
    ]
    assert held() == []


def test_nothing_paused_is_said(jetbridge: "Jetbridge", ids: list[int]) -> None:
    assert jetbridge("destinations", "resume", "--all").out == "Nothing is paused.\n"
    assert jetbridge("destinations", "resume", str(ids[1])).out == "Segment is not paused.\n"


def test_an_unknown_destination_is_one_sentence(jetbridge: "Jetbridge", ids: list[int]) -> None:
    result = jetbridge("destinations", "resume", "99")
    assert (result.status, result.err) == (
        1,
        "Error: There is no destination 99: `jetbridge destinations list` lists them.\n",
    )


@pytest.mark.parametrize("arguments", [(), ("1", "--all")])
def test_it_wants_one_or_all(jetbridge: "Jetbridge", ids: list[int], arguments: tuple[str, ...]) -> None:
    result = jetbridge("destinations", "resume", *arguments)
    assert result.status == 2
    assert "Name one destination by its id or name, or say --all." in result.err


def test_it_says_in_json_what_is_resumed(jetbridge: "Jetbridge", ids: list[int]) -> None:
    pause(ids[1])
    resumed = {"id": ids[1], "name": "Segment", "code": "CIRCUIT_OPEN", "reason": "Nearly all is refused."}
    assert jetbridge("destinations", "resume", "Segment", "--json").json == {"resumed": [resumed]}
    assert jetbridge("destinations", "resume", "--all", "--json").json == {"resumed": []}
    (entry,) = AuditEntry.objects.all()
    assert (entry.who, entry.action) == ("jetbridge destinations resume", "destination.resumed")
