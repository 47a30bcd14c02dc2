"""A person who is forgotten here is deleted at the receiver, whoever asked for it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jetbridge.control.models import Destination, Workspace
from jetbridge.delivery import ledger
from jetbridge.delivery.base import DeliveryItem
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.testing import AT, RecordedProgress, Response, StubService, serving
from jetbridge.integrations.webhook.definition import WEBHOOK
from jetbridge.integrations.webhook.models import Deletion
from jetbridge.privacy import erasure
from jetbridge.privacy.erasure import Eraser
from jetbridge.privacy.models import Erasure
from jetbridge.spec.message import Message
from jetbridge.spec.person import Identity

Step = Callable[[], bool]


@pytest.fixture
def service() -> Iterator[StubService]:
    with serving(StubService(response=Response(200))) as service:
        yield service


@pytest.fixture
def row(event_log: SqliteEventLog, service: StubService) -> Destination:
    workspace = Workspace.objects.create(name="Main")
    row = Destination.objects.create(
        workspace=workspace,
        name="CRM",
        kind="webhook",
        secrets=json.dumps({"url": service.url}),
        settings={"map": {"mail": "traits.email"}},
    )
    ledger.begin_destination(row.id, [], event_log.counts())
    return row


@pytest.fixture
def step(row: Destination, event_log: SqliteEventLog) -> Step:
    eraser = Eraser(event_log, WEBHOOK.erasure_handlers)
    return lambda: eraser.step(Erasure.objects.get(workspace_id=row.workspace_id))


def test_the_receiver_gets_a_delete_call_and_the_receipt_says_so(
    row: Destination, service: StubService, step: Step
) -> None:
    erasure.request(row.workspace_id, Identity.of(["ada"], ["ada@example.com"]))
    assert step()
    (request,) = service.requests
    call = json.loads(request.body)
    assert (call["type"], call["userId"]) == ("delete", "ada")
    assert call["messageId"].startswith("delete-")
    assert "CRM: the receiver took a delete call for each userId." in Erasure.objects.get().receipt
    assert [deletion.user_id for deletion in Deletion.objects.all()] == [""]


def test_it_is_tried_until_the_receiver_takes_it(row: Destination, service: StubService, step: Step) -> None:
    service.response = Response(503)
    erasure.request(row.workspace_id, Identity.of(["ada"], []))
    assert not step()
    assert not step()
    assert len(service.requests) == 1, "not more often than every 30 s"
    waits_for = Erasure.objects.get().waits_for
    assert waits_for.startswith("CRM has not taken the delete call")
    assert "ada" not in waits_for
    Deletion.objects.update(next_attempt_at=AT)
    service.response = Response(200)
    assert step()
    ids = {json.loads(request.body)["messageId"] for request in service.requests}
    assert len(ids) == 1


def test_a_disabled_webhook_holds_up_no_erasure(row: Destination, service: StubService, step: Step) -> None:
    service.response = Response(503)
    erasure.request(row.workspace_id, Identity.of(["ada"], []))
    assert not step()
    Destination.objects.update(enabled=False)
    assert step()
    assert any("it is disabled" in line for line in Erasure.objects.get().receipt)
    assert not Deletion.objects.exists()


def test_a_person_without_user_id_is_named_on_the_receipt(
    row: Destination, service: StubService, step: Step
) -> None:
    erasure.request(row.workspace_id, Identity.of([], ["ada@example.com"]))
    assert step()
    assert service.requests == []
    assert any("no userId is known" in line for line in Erasure.objects.get().receipt)


def test_a_delete_call_asks_for_the_erasure_and_is_pending_until_it_is_done(
    row: Destination, service: StubService, step: Step
) -> None:
    from jetbridge.control import directory  # noqa: PLC0415 - models need a started Django

    ref = directory.destination(row.id)
    assert ref
    sink, progress = WEBHOOK.open(ref), RecordedProgress()
    message: Any = Message(type="delete", message_id="d1", user_id="ada", timestamp=AT, received_at=AT)
    sink.deliver([DeliveryItem(1, message)], progress)
    assert (progress.counts.in_flight, progress.counts.delivered) == (1, 0)
    assert service.requests == []
    assert step()
    assert json.loads(service.requests[0].body)["userId"] == "ada"


def test_whoever_asks_again_has_it_sent_again(row: Destination, service: StubService, step: Step) -> None:
    erasure.request(row.workspace_id, Identity.of(["ada"], []))
    assert step()
    Erasure.objects.all().delete()
    erasure.request(row.workspace_id, Identity.of(["ada"], []))
    assert step()
    assert len(service.requests) == 2, (
        "whoever asks again is sent again: the receiver may have learned the person since"
    )
