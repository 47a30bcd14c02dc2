from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jetbridge.control.directory import DestinationRef
from jetbridge.delivery import ledger, pauses
from jetbridge.delivery.base import DeliveryCounts, DeliveryItem
from jetbridge.delivery.circuit_breaker import CircuitBreaker
from jetbridge.delivery.models import destination_consumer
from jetbridge.delivery.retry import RetryDeadline
from jetbridge.errors import PauseError, TransientError
from jetbridge.eventlog.base import Counts
from jetbridge.integrations.segment.client import SegmentClient
from jetbridge.integrations.segment.definition import SEGMENT
from jetbridge.integrations.segment.destination import SegmentDestination
from jetbridge.spec.message import Message

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


class Recorded:
    """Progress that keeps the tallies of what was committed."""

    def __init__(self) -> None:
        self.tallies: list[DeliveryCounts] = []

    def commit(self) -> AbstractContextManager[DeliveryCounts]:
        return self._commit()

    @contextmanager
    def _commit(self) -> Iterator[DeliveryCounts]:
        counts = DeliveryCounts()
        yield counts
        self.tallies.append(counts)


@pytest.fixture
def progress() -> Recorded:
    return Recorded()


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def destination(segment: Any, write_key: str, clock: list[float]) -> SegmentDestination:
    client = SegmentClient(segment.url, write_key, sleep=lambda _: None)
    return SegmentDestination(client, CircuitBreaker(), RetryDeadline(3_600, clock=lambda: clock[0]))


def items(*events: str, size: int = 0) -> list[DeliveryItem]:
    return [
        DeliveryItem(
            number,
            Message(
                type="track",
                message_id=f"m{number}",
                timestamp=AT,
                received_at=AT,
                user_id=f"u{number}",
                event=event,
                properties={"text": "x" * size},
            ),
        )
        for number, event in enumerate(events, start=1)
    ]


def taken(segment: Any) -> list[str]:
    return [call["messageId"] for call in segment.taken]


def test_all_is_delivered_in_order(segment: Any, destination: SegmentDestination, progress: Recorded) -> None:
    destination.deliver(items("A", "B", "C"), progress)
    assert taken(segment) == ["m1", "m2", "m3"]
    assert [counts.delivered for counts in progress.tallies] == [3]


def test_nothing_to_deliver_still_ends_the_batch(
    segment: Any, destination: SegmentDestination, progress: Recorded
) -> None:
    destination.deliver([], progress)
    assert (segment.requests, [counts.delivered for counts in progress.tallies]) == ([], [0])


def test_no_request_has_more_than_2500_calls(
    segment: Any, destination: SegmentDestination, progress: Recorded
) -> None:
    destination.deliver(items(*["A"] * 5_000), progress)
    assert [len(request["batch"]) for request in segment.requests] == [2_500, 2_500]


def test_no_request_is_larger_than_segment_takes(
    segment: Any, destination: SegmentDestination, progress: Recorded
) -> None:
    destination.deliver(items(*["A"] * 100, size=30_000), progress)
    assert progress.tallies[0].delivered == 100
    assert max(segment.sizes) <= 475_000 + 200
    assert len(segment.sizes) == 7


def test_a_call_of_more_than_32_kb_fails_alone_with_its_reason(
    segment: Any, destination: SegmentDestination, progress: Recorded
) -> None:
    large = items("A", "B", "C")
    large[1].message.properties = {"text": "x" * 33_000}
    destination.deliver(large, progress)
    [counts] = progress.tallies
    assert taken(segment) == ["m1", "m3"]
    assert (counts.delivered, counts.failed) == (2, Counter(MESSAGE_TOO_LARGE=1))
    [delivery_record] = counts.delivery_records
    assert (delivery_record.message_id, delivery_record.person, delivery_record.position) == ("m2", "u2", 2)
    assert len(delivery_record.request) == 2_000


@pytest.mark.parametrize("bad", [[1], [50], [100], [1, 2, 64, 100]])
def test_a_refused_batch_is_split_until_only_the_bad_calls_fail(
    segment: Any, destination: SegmentDestination, progress: Recorded, bad: list[int]
) -> None:
    events = ["Bad" if number in bad else "Good" for number in range(1, 101)]
    destination.deliver(items(*events), progress)
    [counts] = progress.tallies
    assert (counts.delivered, counts.failed) == (100 - len(bad), Counter(REFUSED=len(bad)))
    assert [delivery_record.message_id for delivery_record in counts.delivery_records] == [
        f"m{number}" for number in bad
    ]
    assert sorted(taken(segment), key=lambda name: int(name[1:])) == [
        f"m{number}" for number in range(1, 101) if number not in bad
    ]


def test_what_was_taken_before_trouble_is_not_sent_again(
    segment: Any, destination: SegmentDestination, progress: Recorded
) -> None:
    wanted = items(*["A"] * 30, size=30_000)
    segment.fail_request = 2
    with pytest.raises(TransientError):
        destination.deliver(wanted, progress)
    destination.deliver(wanted, progress)
    assert sorted(taken(segment)) == sorted(f"m{number}" for number in range(1, 31))
    assert [counts.delivered for counts in progress.tallies] == [30]


def test_refused_credentials_hold_the_destination(segment: Any, progress: Recorded) -> None:
    destination = SegmentDestination(SegmentClient(segment.url, "wrong"), CircuitBreaker(), RetryDeadline())
    with pytest.raises(PauseError) as caught:
        destination.deliver(items("A"), progress)
    assert (caught.value.code, progress.tallies) == ("INVALID_AUTHENTICATION", [])


def test_when_everything_is_refused_the_fault_is_not_the_messages(
    segment: Any, destination: SegmentDestination, progress: Recorded
) -> None:
    with pytest.raises(PauseError) as caught:
        destination.deliver(items(*["Bad"] * 40), progress)
    assert (caught.value.code, progress.tallies) == ("CIRCUIT_OPEN", [])


def test_after_such_a_hold_nothing_was_given_up(
    segment: Any, destination: SegmentDestination, progress: Recorded
) -> None:
    wanted = items(*["Bad"] * 40)
    for _ in range(2):
        with pytest.raises(PauseError):
            destination.deliver(wanted, progress)
    for item in wanted:
        item.message.event = "Good"
    destination.deliver(wanted, progress)
    assert (len(segment.taken), progress.tallies[0].delivered) == (40, 40)


def tried_for_an_hour(
    destination: SegmentDestination, wanted: list[DeliveryItem], progress: Recorded, clock: list[float]
) -> None:
    with pytest.raises(TransientError):
        destination.deliver(wanted, progress)
    clock[0] += 3_600


@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_call_that_alone_gets_no_answer_fails_after_the_limit_and_the_others_arrive(
    segment: Any, destination: SegmentDestination, progress: Recorded, clock: list[float], at: int
) -> None:
    wanted = items(*("Silent" if number == at else "A" for number in range(1, 6)))
    tried_for_an_hour(destination, wanted, progress, clock)
    destination.deliver(wanted, progress)
    [counts] = progress.tallies
    assert (counts.delivered, counts.failed) == (4, Counter(RETRIES_EXHAUSTED=1))
    [delivery_record] = counts.delivery_records
    assert delivery_record.message_id == f"m{at}"
    assert delivery_record.detail.partition(" (")[0] == (
        "Tried for 1 h without success, while others went through. "
        "The last error: Segment cannot take calls at the moment."
    )
    assert sorted(taken(segment)) == sorted(f"m{number}" for number in range(1, 6) if number != at)


def test_before_the_limit_nothing_fails(
    segment: Any, destination: SegmentDestination, progress: Recorded, clock: list[float]
) -> None:
    wanted = items("A", "Silent", "A")
    for _ in range(3):
        with pytest.raises(TransientError):
            destination.deliver(wanted, progress)
        clock[0] += 1_199
    assert (segment.taken, progress.tallies) == ([], [])


def test_when_nobody_gets_through_nobody_fails_and_few_are_bothered(
    segment: Any, destination: SegmentDestination, progress: Recorded, clock: list[float]
) -> None:
    wanted = items(*["Silent"] * 100)
    tried_for_an_hour(destination, wanted, progress, clock)
    with pytest.raises(TransientError):
        destination.deliver(wanted, progress)
    assert (len(segment.requests), progress.tallies) == (1 + 1 + 20, [])
    for item in wanted:
        item.message.event = "Good"
    destination.deliver(wanted, progress)
    assert (len(segment.taken), progress.tallies[0].delivered) == (100, 100)


def test_a_released_hold_lets_the_refused_fail(
    segment: Any, write_key: str, progress: Recorded, home: Path
) -> None:
    reader = destination_consumer(1)
    ledger.begin(reader, Counts(0, {}))
    breaker = CircuitBreaker(lambda: [reader])
    client = SegmentClient(segment.url, write_key, sleep=lambda _: None)
    destination = SegmentDestination(client, breaker, RetryDeadline())
    wanted = items(*["Bad"] * 40, "Good")
    with pytest.raises(PauseError) as caught:
        destination.deliver(wanted, progress)
    pauses.pause(reader, caught.value.code, str(caught.value))
    pauses.resume_by_hand(reader)
    destination.deliver(wanted, progress)
    assert (progress.tallies[0].delivered, progress.tallies[0].failed) == (1, Counter(REFUSED=40))


def ref(**changes: Any) -> DestinationRef:
    wanted = {"settings": {"endpoint": "http://127.0.0.1:1"}, "secrets": {"writeKey": "w"}} | changes
    return DestinationRef(
        id=1, workspace=1, kind="segment", name="Segment", source_kinds={1: "mailjet"}, **wanted
    )


def test_the_definition_opens_a_destination() -> None:
    assert isinstance(SEGMENT.open(ref()), SegmentDestination)
    assert isinstance(SEGMENT.open(ref(settings={"endpoint": "api.segment.io"})), SegmentDestination)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"settings": {"endpoint": "ftp://api.segment.io"}}, "INVALID_URL"),
        ({"secrets": {}}, "INVALID_AUTHENTICATION"),
    ],
)
def test_settings_that_lead_nowhere_hold_it(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(PauseError) as caught:
        SEGMENT.open(ref(**changes))
    assert caught.value.code == code


def test_the_endpoint_defaults_to_segments_own() -> None:
    assert repr(SEGMENT.open(ref(settings={}))._client) == "SegmentClient(api.segment.io)"


def test_it_takes_every_call_type_but_delete() -> None:
    assert SEGMENT.accepts == {"identify", "track", "page", "screen", "group", "alias"}
