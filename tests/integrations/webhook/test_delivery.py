"""Order for each person, at least once, and nobody waits for another one's trouble: with the real consumer and a real receiver."""

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections

from jetbridge.control.models import Destination, Source, Workspace
from jetbridge.delivery import ledger
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.models import DeliveryRecordRow, RetryEntry
from jetbridge.delivery.report import DestinationReport, report
from jetbridge.delivery.retry import RetryDeadline
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.testing import AT, Request, Response, StubService, ref_of, serving
from jetbridge.integrations.webhook import client
from jetbridge.integrations.webhook import destination as engine
from jetbridge.integrations.webhook.definition import WEBHOOK
from jetbridge.integrations.webhook.models import Cut
from jetbridge.privacy import suppression
from jetbridge.spec.message import Message, encode
from jetbridge.spec.person import Identity

from .conftest import SIGNING

if TYPE_CHECKING:
    from collections.abc import Sequence

Eventually = Callable[..., None]


class Receiver(StubService):
    """Answers what `decide` says; remembers what it took, message by message, and every request's webhook-id."""

    decide: Callable[["Sequence[dict[str, Any]]"], Response] = staticmethod(lambda _: Response(200))

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[str, str]] = []
        self.ids: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        self._lock = threading.Lock()

    def respond(self, request: Request) -> Response:
        body = json.loads(request.body)
        calls = body if isinstance(body, list) else [body]
        with self._lock:
            self.ids[request.headers["webhook-id"]].add(tuple(call["messageId"] for call in calls))
        response = self.decide(calls)
        with self._lock:
            if response.status < 300:
                self.taken += [(call["userId"], call["messageId"]) for call in calls]
        return response


class Setup:
    """One webhook with its consumer, as the worker runs it."""

    def __init__(self, event_log: SqliteEventLog, receiver: Receiver, **values: Any) -> None:
        self.log, self.receiver = event_log, receiver
        workspace = Workspace.objects.create(name="Main")
        self.source: Source = workspace.sources.create(name="Website", kind="http")
        self.row: Destination = workspace.destinations.create(name="Webhook", kind="webhook")
        self.row.sources.add(self.source)
        self.change(**values)
        ledger.begin_destination(self.row.id, [self.source.id], self.log.counts())
        self.sent: list[tuple[str, str]] = []
        self._stop: threading.Event | None = None

    def change(self, **values: Any) -> None:
        settings = {"url": self.receiver.url, "signingSecret": SIGNING, **values}
        self.ref = ref_of(WEBHOOK, settings, id_=self.row.id, workspace=self.row.workspace_id)

    def send(self, *people: str) -> None:
        entries = []
        for person in people:
            id_ = f"m{len(self.sent)}"
            self.sent.append((person, id_))
            message = Message(
                type="track", message_id=id_, event="E", timestamp=AT, received_at=AT, user_id=person
            )
            entries.append(Entry(self.source.id, "track", 1_000, encode(message)))
        self.log.append(entries)

    def start(self, retry_seconds: float = 3_600) -> None:
        self._stop = stop = threading.Event()

        def body() -> None:
            try:
                route = WEBHOOK.route(self.ref)
                sink = WEBHOOK.open(self.ref)
                sink.retry_deadline = RetryDeadline(retry_seconds)
                Consumer(
                    event_log=self.log, destination_id=self.row.id, destination=sink,
                    route=route, retry_deadline=RetryDeadline(retry_seconds),
                ).run(stop)  # fmt: skip
            finally:
                connections.close_all()

        self._thread = threading.Thread(target=body)
        self._thread.start()

    def stop(self) -> None:
        if self._stop:
            self._stop.set()
            self._thread.join()
            self._stop = None

    def report(self) -> DestinationReport:
        (row,) = report(self.log.counts)
        assert row.balanced
        return row


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with serving(receiver):
        yield receiver


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between two tries are short."""
    monkeypatch.setattr(engine, "LONGEST_WAIT_SECONDS", 0.05)


@pytest.fixture
def webhook(event_log: SqliteEventLog, receiver: Receiver) -> Iterator[Callable[..., Setup]]:
    made: list[Setup] = []

    def make(**values: Any) -> Setup:
        made.append(Setup(event_log, receiver, **values))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def by_person(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    """First times only: at least once is promised."""
    found: dict[str, list[str]] = defaultdict(list)
    for person, id_ in pairs:
        if id_ not in found[person]:
            found[person].append(id_)
    return found


@pytest.mark.usefixtures("_quick")
def test_others_go_on_while_one_persons_call_is_retried(
    webhook: Any,
    receiver: Receiver,
    eventually: Eventually,
) -> None:
    bridge = webhook()
    receiver.decide = lambda calls: Response(500 if calls[0]["userId"] == "ada" else 200)
    bridge.send("bob", "ada", "bob", "ada", "eve")
    bridge.start()
    eventually(lambda: bridge.report().delivered == 3, "the others")
    bridge.send(*[f"u{number}" for number in range(1_500)], "ada")
    eventually(
        lambda: bridge.report().delivered == 1_503,
        "those that came later, more than one batch of them",
        seconds=200,
    )
    assert bridge.report().pending == 3
    assert not any(person == "ada" for person, _ in receiver.taken)
    eventually(lambda: "some messages wait: The webhook cannot" in bridge.report().last_error, "it says why")
    assert bridge.report().stopped_at
    receiver.decide = lambda _: Response(200)
    eventually(lambda: bridge.report().delivered == 1_506, "all")
    eventually(lambda: not bridge.report().last_error, "nothing waits any more")
    assert by_person(receiver.taken) == by_person(bridge.sent)


@pytest.mark.usefixtures("_quick")
def test_the_order_of_a_person_survives_a_restart(
    webhook: Any,
    receiver: Receiver,
    eventually: Eventually,
) -> None:
    bridge = webhook()
    receiver.decide = lambda calls: Response(500 if calls[0]["messageId"] == "m0" else 200)
    bridge.send("ada", "bob")
    bridge.start()
    eventually(lambda: RetryEntry.objects.count() == 1, "ada waits")
    bridge.stop()
    bridge.send("ada", "bob")
    bridge.start()
    eventually(lambda: bridge.report().delivered == 2, "bob's")
    assert by_person(receiver.taken) == {"bob": ["m1", "m3"]}
    receiver.decide = lambda _: Response(200)
    eventually(lambda: bridge.report().delivered == 4, "all")
    assert by_person(receiver.taken)["ada"] == ["m0", "m2"]


def test_where_nothing_gets_through_nothing_leaves_its_place(
    webhook: Any, receiver: Receiver, eventually: Eventually
) -> None:
    bridge = webhook()
    receiver.decide = lambda _: Response(503)
    bridge.send(*[f"u{number}" for number in range(50)])
    bridge.start()
    eventually(lambda: len(receiver.ids) >= 4, "it tries")
    assert (bridge.report().unread, RetryEntry.objects.count()) == (50, 0)
    receiver.decide = lambda _: Response(200)
    eventually(lambda: bridge.report().delivered == 50, "all")


def test_a_pause_that_is_asked_for_is_everybodys(
    webhook: Any, receiver: Receiver, eventually: Eventually
) -> None:
    bridge = webhook()
    receiver.headers = {"Retry-After": "2"}
    receiver.decide = lambda calls: Response(
        429 if calls[0]["messageId"] == "m1" and len(receiver.ids) < 3 else 200
    )
    bridge.send("ada", "bob", "eve", "joe")
    bridge.start()
    eventually(lambda: len(receiver.ids) == 2, "the second is told to wait")
    assert [id_ for _, id_ in receiver.taken] == ["m0"]
    receiver.decide = lambda _: Response(200)
    eventually(lambda: bridge.report().delivered == 4, "all, after the pause")
    assert sorted(id_ for _, id_ in receiver.taken) == ["m0", "m1", "m2", "m3"]


@pytest.mark.usefixtures("_quick")
def test_a_message_that_never_gets_through_fails_alone_out_of_its_batch(
    webhook: Any,
    receiver: Receiver,
    eventually: Eventually,
) -> None:
    bridge = webhook(batchSize=10)
    receiver.decide = lambda calls: Response(500 if any(call["messageId"] == "m3" for call in calls) else 200)
    bridge.send(*[f"u{number}" for number in range(20)])
    bridge.start(retry_seconds=2)
    eventually(lambda: bridge.report().delivered + bridge.report().failed == 20, "all is settled")
    (failed,) = DeliveryRecordRow.objects.all()
    assert (failed.message_id, failed.reason) == ("m3", "RETRIES_EXHAUSTED")
    assert [len(batch) for batch in batches_of(receiver, "m3")] == [10, 5, 3, 2, 1]
    assert sorted(id_ for _, id_ in receiver.taken) == sorted({f"m{number}" for number in range(20)} - {"m3"})


@pytest.mark.usefixtures("_quick")
def test_a_half_of_a_batch_does_not_overtake_the_other_for_any_person(
    webhook: Any,
    receiver: Receiver,
    eventually: Eventually,
) -> None:
    bridge = webhook(batchSize=4)
    seen: list[list[str]] = []

    def decide(calls: Any) -> Response:
        seen.append([call["messageId"] for call in calls])
        return Response(500 if "m0" in seen[-1] else 200)

    receiver.decide = decide
    bridge.send("ada", "bob", "ada", "eve", *[f"u{number}" for number in range(8)])
    bridge.start(retry_seconds=0.5)
    eventually(lambda: bridge.report().delivered == 11, "all but ada's first")
    (failed,) = DeliveryRecordRow.objects.all()
    assert (failed.message_id, failed.reason) == ("m0", "RETRIES_EXHAUSTED")
    whole, tried = seen.index(["m0", "m1", "m2", "m3"]), [ids for ids in seen if "m0" in ids]
    assert whole == 0
    assert seen.index(["m2"]) > len(seen) - 1 - seen[::-1].index(["m0"]), (
        "her second call waits for the end of the first"
    )
    assert tried.count(["m0"]) == engine.LEAST_FAILURES


@pytest.mark.usefixtures("_quick")
def test_the_same_batch_has_the_same_id_and_another_one_another(
    webhook: Any,
    receiver: Receiver,
    eventually: Eventually,
) -> None:
    bridge = webhook(batchSize=5)
    seen: Counter[str] = Counter()

    def twice_bad(calls: Any) -> Response:
        seen[calls[0]["messageId"]] += 1
        return Response(500 if seen[calls[0]["messageId"]] <= 2 and calls[0]["messageId"] != "m0" else 200)

    receiver.decide = twice_bad
    bridge.send(*[f"u{number}" for number in range(15)])
    bridge.start()
    eventually(lambda: bridge.report().delivered == 15, "all")
    assert all(len(batches) == 1 for batches in receiver.ids.values())
    assert len(receiver.ids) == 3


@pytest.mark.usefixtures("_quick")
def test_a_batch_keeps_its_id_over_a_restart_whatever_came_meanwhile(
    webhook: Any, receiver: Receiver, eventually: Eventually
) -> None:
    bridge = webhook(batchSize=5)
    receiver.decide = lambda _: Response(503)
    bridge.send("u0", "u1", "u2")
    bridge.start()
    eventually(lambda: receiver.ids, "it is tried")
    bridge.stop()
    assert Cut.objects.get().positions == [1, 2, 3]
    bridge.send(*[f"u{number}" for number in range(3, 20)])
    receiver.decide = lambda _: Response(200)
    bridge.start()
    eventually(lambda: bridge.report().delivered == 20, "all")
    bridge.stop()
    assert [ids for ids in receiver.ids.values() if any("m0" in each for each in ids)] == [
        {("m0", "m1", "m2")}
    ]
    assert len(receiver.ids) == 1 + 4
    assert not Cut.objects.exists(), "nothing is kept of what is settled"


def batches_of(receiver: Receiver, message_id: str) -> list[tuple[str, ...]]:
    """The different requests in which a message was sent; each has its own webhook-id, always."""
    assert all(len(batches) == 1 for batches in receiver.ids.values())
    return [batch for batches in receiver.ids.values() for batch in batches if message_id in batch]


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("way", ["500", "503", "no response"])
def test_no_error_of_the_receiver_changes_a_batch(
    webhook: Any, receiver: Receiver, eventually: Eventually, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Was halved after three. What the receiver has taken without saying so came again under another id."""
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.3)
    bridge, tries, answers = webhook(batchSize=5), Counter[str](), threading.Event()

    def decide(calls: Any) -> Response:
        tries[calls[0]["messageId"]] += 1
        if calls[0]["messageId"] == "m5" and not answers.is_set():
            if way == "no response":
                answers.wait(5)
            return Response(int(way) if way.isdigit() else 500)
        return Response(200)

    receiver.decide = decide
    bridge.send(*[f"u{number}" for number in range(15)])
    bridge.start()
    eventually(lambda: bridge.report().delivered == 10, "the others")
    eventually(lambda: tries["m5"] >= 7, "it is tried again and again")
    answers.set()
    eventually(lambda: bridge.report().delivered == 15, "all")
    assert batches_of(receiver, "m5") == [("m5", "m6", "m7", "m8", "m9")]
    assert len(receiver.ids) == 3


@pytest.mark.usefixtures("_quick")
def test_an_error_of_the_receiver_after_a_part_was_refused_changes_no_part(
    webhook: Any, receiver: Receiver, eventually: Eventually
) -> None:
    bridge, tries = webhook(batchSize=8), Counter[str]()

    def decide(calls: Any) -> Response:
        ids = [call["messageId"] for call in calls]
        tries[ids[0]] += 1
        if "m3" in ids and len(ids) > 1:
            return Response(422)
        return Response(500 if ids == ["m2"] and tries["m2"] < 5 else 400 if ids == ["m3"] else 200)

    receiver.decide = decide
    bridge.send(*[f"u{number}" for number in range(16)])
    bridge.start()
    eventually(lambda: bridge.report().delivered + bridge.report().failed == 16, "all")
    (failed,) = DeliveryRecordRow.objects.all()
    assert failed.message_id == "m3"
    assert [len(batch) for batch in batches_of(receiver, "m2")] == [8, 4, 2, 1]
    assert Counter(id_ for _, id_ in receiver.taken) == dict.fromkeys(
        {f"m{n}" for n in range(16)} - {"m3"}, 1
    )
    assert not Cut.objects.exists()


@pytest.mark.usefixtures("_quick")
def test_a_large_batch_in_the_retry_queue_keeps_its_id_over_a_restart(
    webhook: Any, receiver: Receiver, eventually: Eventually
) -> None:
    """Was cut anew: the queue brings 500 at once. And it never came where some of the last ones were of one person."""
    bridge, tries = webhook(batchSize=600), Counter[str]()

    def decide(calls: Any) -> Response:
        tries[calls[0]["messageId"]] += 1
        return Response(500 if calls[0]["messageId"] == "m0" else 200)

    receiver.decide = decide
    people = [f"u{number % 550}" for number in range(600)]
    bridge.send(*people[:-2], "ada", "ada", *[f"v{number}" for number in range(400)])
    bridge.start()
    eventually(lambda: tries["m0"] >= 5, "the queue has brought the last hundred, too")
    assert (bridge.report().delivered, bridge.report().awaiting_retry) == (400, 600)
    bridge.stop()
    tried = len(receiver.taken)
    bridge.send("eve")
    receiver.decide = lambda _: Response(200)
    bridge.start()
    eventually(lambda: bridge.report().delivered == 1_001, "all")
    bridge.stop()
    assert len(receiver.taken) == tried + 601, "each once"
    assert [len(batch) for batch in batches_of(receiver, "m0")] == [600]
    assert (RetryEntry.objects.count(), Cut.objects.count()) == (0, 0)
    assert by_person(receiver.taken) == by_person(bridge.sent)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(
    ("values", "batches"),
    [
        ({"map": {"messageId": "messageId", "userId": "userId"}}, [5]),
        ({"headers": {"Authorization": "Bearer 1"}, "gzip": True, "method": "PUT"}, [5]),
        ({"batchSize": 100}, [5]),
        ({"batchSize": 2}, [5, 2]),
        ({"batchSize": 1}, [5, 1]),
    ],
    ids=repr,
)
def test_a_batch_keeps_its_id_over_other_settings_while_it_can_stay_as_it_is(
    webhook: Any, receiver: Receiver, eventually: Eventually, *, values: dict[str, Any], batches: list[int]
) -> None:
    bridge = webhook(batchSize=5)
    receiver.decide = lambda calls: Response(500 if calls[0]["messageId"] == "m0" else 200)
    bridge.send(*[f"u{number}" for number in range(10)])
    bridge.start()
    eventually(lambda: bridge.report().delivered == 5, "the others")
    bridge.stop()
    bridge.change(**{"batchSize": 5, **values})
    receiver.decide = lambda _: Response(200)
    bridge.start()
    eventually(lambda: bridge.report().delivered == 10, "all")
    assert [len(batch) for batch in batches_of(receiver, "m0")] == batches


@pytest.mark.usefixtures("_quick")
def test_nobody_who_was_forgotten_is_in_a_request_that_is_tried_again(
    webhook: Any, receiver: Receiver, eventually: Eventually
) -> None:
    """Was sent with the others of the batch, after the receiver had been told to delete the person."""
    bridge = webhook(batchSize=5)
    receiver.decide = lambda calls: Response(500 if calls[0]["messageId"] in {"m0", "m1"} else 200)
    bridge.send("ada", "bob", "eve", *[f"u{number}" for number in range(7)])
    bridge.start()
    eventually(lambda: bridge.report().awaiting_retry == 5, "a batch is tried again")
    suppression.suppress(bridge.row.workspace_id, Identity.of(["eve"], []))
    eventually(lambda: bridge.report().filtered == 1, "her call is filtered")
    receiver.decide = lambda _: Response(200)
    eventually(lambda: bridge.report().delivered == 9, "the others")
    eventually(lambda: not bridge.report().last_error, "nothing waits any more")
    assert "eve" not in {person for person, _ in receiver.taken}
    assert [len(batch) for batch in batches_of(receiver, "m0")] == [5, 4]


def test_a_batch_keeps_its_id_over_a_kill(
    webhook: Any, receiver: Receiver, eventually: Eventually, start_jetbridge: Any
) -> None:
    """The receiver has taken it, and nobody here ever knows."""
    bridge = webhook(batchSize=5)
    bridge.row.settings = bridge.ref.settings
    bridge.row.secrets = json.dumps(bridge.ref.secrets)
    bridge.row.save()
    killed = threading.Event()

    def kill_and_take(_: Any) -> Response:
        if not killed.is_set():
            worker.popen.kill()
            worker.popen.wait(60)
            killed.set()
        return Response(200)

    receiver.decide = kill_and_take
    bridge.send("u0", "u1", "u2")
    worker = start_jetbridge("worker")
    eventually(killed.is_set, "the worker is killed with a request under way")
    bridge.send(*[f"u{number}" for number in range(3, 20)])
    start_jetbridge("worker")
    eventually(lambda: bridge.report().delivered == 20, "all")
    assert [ids for ids in receiver.ids.values() if any("m0" in each for each in ids)] == [
        {("m0", "m1", "m2")}
    ]
    assert [id_ for _, id_ in receiver.taken].count("m0") == 2


def test_a_batch_of_before_is_cut_anew_where_a_persons_calls_would_change_places(
    webhook: Any, receiver: Receiver, eventually: Eventually
) -> None:
    bridge = webhook(batchSize=4)
    Cut.objects.create(destination_id=bridge.row.id, first=1, positions=[1, 4])
    bridge.send("ada", "bob", "eve", "eve")
    bridge.start()
    eventually(lambda: bridge.report().delivered == 4, "all")
    assert by_person(receiver.taken) == by_person(bridge.sent)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_receiver_answers_order_and_count_are_right(
    webhook: Any,
    receiver: Receiver,
    eventually: Eventually,
    seed: int,
    batch_size: int,
) -> None:
    """A receiver that fails by chance, more often for some people, and a worker that is started anew meanwhile."""
    random, tries = Random(seed), [0]
    bad = {f"u{number}": random.choice([0.0, 0.0, 0.3, 0.8]) for number in range(8)}

    def by_chance(calls: Any) -> Response:
        tries[0] += 1
        share = max(bad[call["userId"]] for call in calls)
        return Response(random.choice([500, 502, 408]) if random.random() < share else 200)

    receiver.decide = by_chance
    bridge = webhook(batchSize=batch_size)
    for _ in range(6):
        bridge.send(*random.choices(sorted(bad), k=20))
        bridge.start()
        eventually(lambda: receiver.taken or tries[0] > 5, "something")
        bridge.stop()
    receiver.decide = lambda _: Response(200)
    bridge.start()
    eventually(lambda: bridge.report().delivered == 120, "all")
    assert by_person(receiver.taken) == by_person(bridge.sent)
    assert batches_of(receiver, "m0"), "and no id is of two batches"
