"""Event Delivery: reasons with samples, and trying failures again."""

import json
from collections import Counter
from html import unescape
from typing import Any

import pytest
from django.urls import reverse

from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger
from jetbridge.delivery.base import DeliveryCounts, DeliveryRecord
from jetbridge.delivery.models import DeliveryRecordRow, Outcome, RetryEntry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations import reasons
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.routing.route import FILTERED_BY_DESTINATION_FILTER

from .conftest import OF_A_DESTINATION
from .delivered import Joined, identify, join


@pytest.fixture
def joined(people: Any, event_log: SqliteEventLog) -> Joined:
    return join(people, event_log)


def fail(joined: Joined, event_log: SqliteEventLog, count: int, reason: str = "INVALID_EMAIL") -> None:
    """So many messages that Mailjet refused."""
    start = event_log.counts().end
    event_log.append([identify(joined.source, f"u-{number}", email="a@b.c") for number in range(count)])
    counts = DeliveryCounts(filtered=Counter({"UNSUPPORTED_EVENT_TYPE": 2}))
    for number in range(count):
        counts.fail(
            DeliveryRecord(
                outcome="failed",
                reason=reason,
                detail=f"Mailjet rejects the address of {number}.",
                position=start + number + 1,
                message_id=f"m-{number}",
                person=f"u-{number}",
                request='{"Email": "a@b.c"}',
                response='{"ErrorMessage": "Invalid email"}',
            )
        )
    with ledger.commit(joined.row.id, start + count, {joined.source.id: count + 2}, counts):
        pass


def test_reasons_are_told_with_counts_and_an_example(
    joined: Joined, event_log: SqliteEventLog, client_of: Any
) -> None:
    fail(joined, event_log, 3)
    answer = client_of("viewer").get(joined.url("destination-event-delivery"))
    (failed,) = answer.context["failed"]
    assert (failed.code, failed.total, failed.lately, sum(failed.course)) == ("INVALID_EMAIL", 3, 3, 3)
    assert failed.last.message_id == "m-2"
    assert b'class="chart spark"' in answer.content
    (filtered,) = answer.context["filtered"]
    assert (filtered.code, filtered.total, filtered.last) == ("UNSUPPORTED_EVENT_TYPE", 2, None)
    assert "Mailjet rejects the address of 2." in answer.content.decode()
    assert joined.url("destination-retry") not in answer.content.decode()  # a viewer retries nothing
    assert "Retry all failures" in client_of("editor").get(answer.request["PATH_INFO"]).content.decode()


def test_pages_cost_the_same_however_much_failed(
    joined: Joined, event_log: SqliteEventLog, client_of: Any, queries: Any
) -> None:
    client = client_of("viewer")
    for _ in range(2):
        for reason in ("A", "B", "C"):
            fail(joined, event_log, 60, reason)
        for path, own in (
            (joined.url("destination-event-delivery"), 6),
            (joined.url("destination-reason", "failed", "A"), 3),
        ):
            with queries() as seen:
                assert client.get(path).status_code == 200
            assert len(seen) == OF_A_DESTINATION + own, [each["sql"] for each in seen]


def test_a_reason_lists_its_messages_by_key(
    joined: Joined, event_log: SqliteEventLog, client_of: Any
) -> None:
    fail(joined, event_log, 60)
    client, url = client_of("viewer"), joined.url("destination-reason", "failed", "INVALID_EMAIL")
    first = client.get(url).context["page"]
    assert [row.message_id for row in first.rows] == [f"m-{number}" for number in range(59, 9, -1)]
    second = client.get(url + first.older).context["page"]
    assert [row.message_id for row in second.rows] == [f"m-{number}" for number in range(9, -1, -1)]
    one = client.get(url, {"person": "u-7"}).context["page"]
    assert [row.person for row in one.rows] == ["u-7"]
    routed = client.get(joined.url("destination-reason", "filtered", "UNSUPPORTED_EVENT_TYPE"))
    assert "Counted, not kept one by one" in routed.content.decode()
    assert client.get(joined.url("destination-reason", "lost", "X")).status_code == 404


FILTERS = json.dumps([{"name": "No staff", "if": "traits.staff = true"}])


@pytest.fixture
def filtered(joined: Joined, event_log: SqliteEventLog) -> Joined:
    """Two messages of staff and one of a customer were read, and two were not yet."""
    joined.row.settings["filters"] = FILTERS
    joined.row.save()
    event_log.append([identify(joined.source, f"u-{n}", email="a@b.c", staff=n != 1) for n in range(3)])
    ledger.add(joined.row.id, DeliveryCounts(filtered=Counter({FILTERED_BY_DESTINATION_FILTER: 2})))
    ledger.move(joined.reader, event_log.counts().end)
    event_log.append([identify(joined.source, f"u-{n}", email="a@b.c", staff=True) for n in (3, 4)])
    return joined


class TestWhatRoutingFilters:
    def page(self, joined: Joined, client: Any, reason: str = FILTERED_BY_DESTINATION_FILTER) -> str:
        answer = client.get(joined.url("destination-reason", "filtered", reason))
        assert answer.status_code == 200
        return str(answer.content.decode())

    def test_recent_ones_are_shown_with_why(self, filtered: Joined, client_of: Any) -> None:
        page = self.page(filtered, client_of("viewer"))
        assert [name for name in ("m-u-0", "m-u-1", "m-u-2", "m-u-3") if f">{name}<" in page] == [
            "m-u-0",
            "m-u-2",
        ]
        assert "The filter No staff drops it" in page

    def test_it_leads_on(self, filtered: Joined, client_of: Any) -> None:
        page = self.page(filtered, client_of("editor"))
        assert filtered.url("destination-filters") in page
        assert f"{filtered.url('destination-sync')}#replay-form" in page
        debugger = reverse("source-debugger", args=[filtered.row.workspace_id, filtered.source.id])
        assert f"{debugger}?outcome=filtered" in page

    def test_other_reasons_have_others(self, filtered: Joined, client_of: Any) -> None:
        assert "No such message" in self.page(filtered, client_of("viewer"), "USER_SUPPRESSED")

    def test_filters_that_cannot_be_read_hide_no_page(self, filtered: Joined, client_of: Any) -> None:
        filtered.row.settings["filters"] = "["
        filtered.row.save()
        assert "Counted, not kept one by one" in self.page(filtered, client_of("viewer"))


@pytest.mark.parametrize("outcome", ["failed", "filtered"])
def test_every_reason_says_what_to_do(joined: Joined, client_of: Any, outcome: str) -> None:
    own = {reason.code for reason in MAILJET.reasons}
    for code in (*reasons.REASONS, *own, "SOMETHING_NEW"):
        found = reasons.reason(MAILJET, outcome, code)
        answer = client_of("editor").get(joined.url("destination-reason", outcome, code))
        assert found.help in unescape(answer.content.decode())
        assert not found.link or joined.url(found.link.name) in answer.content.decode()


def test_a_sample_shows_what_was_sent_and_what_came_back(
    joined: Joined, event_log: SqliteEventLog, client_of: Any
) -> None:
    fail(joined, event_log, 1)
    row = DeliveryRecordRow.objects.get()
    answer = client_of("viewer").get(joined.url("destination-sample", row.id))
    assert '"email": "a@b.c"' in answer.context["sent"]
    assert answer.context["response_text"] == '{\n  "ErrorMessage": "Invalid email"\n}'
    trace = reverse("source-message", args=[joined.row.workspace_id, joined.source.id, row.position])
    assert answer.context["message_url"] == trace
    assert "Retry this one" not in answer.content.decode()


def test_a_response_of_nothing_but_brackets_is_shown_as_it_came(
    joined: Joined, event_log: SqliteEventLog, client_of: Any
) -> None:
    """Was: a page that broke, for Python reads no JSON that is nested so deep."""
    fail(joined, event_log, 1)
    DeliveryRecordRow.objects.update(response="[" * 2_000)
    answer = client_of("viewer").get(joined.url("destination-sample", DeliveryRecordRow.objects.get().id))
    assert answer.context["response_text"] == "[" * 2_000


def test_a_sample_whose_message_is_gone_says_so(joined: Joined, client_of: Any) -> None:
    counts = DeliveryCounts()
    counts.fail(DeliveryRecord("failed", "X", "Refused.", 77))
    ledger.add(joined.row.id, counts)
    url = joined.url("destination-sample", DeliveryRecordRow.objects.get().id)
    page = client_of("viewer").get(url).content.decode()
    assert "no longer has it" in page


@pytest.mark.parametrize(
    ("asked", "again"), [({"id": 0}, 1), ({"reason": "A"}, 2), ({"reason": "none"}, 0), ({}, 5)]
)
def test_one_a_reason_or_all_are_tried_again_and_the_count_comes_first(
    joined: Joined, event_log: SqliteEventLog, client_of: Any, asked: dict[str, Any], again: int
) -> None:
    fail(joined, event_log, 2, "A")
    fail(joined, event_log, 3, "B")
    data = {"id": DeliveryRecordRow.objects.first().id} if "id" in asked else asked  # type: ignore[union-attr]
    editor, url = client_of("editor"), joined.url("destination-retry")
    assert editor.get(url, data).context["messages_found"] == again
    assert RetryEntry.objects.count() == 0
    assert editor.post(url, data).headers["location"] == joined.url("destination-event-delivery")
    assert RetryEntry.objects.count() == again
    failed = Outcome.objects.filter(outcome="failed")
    assert sum(row.total for row in failed) == 5 - again
    entries = AuditEntry.objects.filter(action="destination.retried")
    assert [row.details["messages"] for row in entries] == ([again] if again else [])


def test_what_is_no_number_is_not_found(joined: Joined, client_of: Any) -> None:
    assert client_of("editor").get(joined.url("destination-retry"), {"id": "1 or 1"}).status_code == 404


def test_a_viewer_and_a_stranger_retry_nothing(
    joined: Joined, event_log: SqliteEventLog, client_of: Any
) -> None:
    fail(joined, event_log, 1)
    assert client_of("viewer").post(joined.url("destination-retry")).status_code == 403
    assert client_of("outsider").post(joined.url("destination-retry")).status_code == 404
    assert RetryEntry.objects.count() == 0


def test_a_sample_of_another_destination_is_not_found(
    joined: Joined, event_log: SqliteEventLog, client_of: Any
) -> None:
    counts = DeliveryCounts()
    counts.fail(DeliveryRecord("failed", "X", "Refused.", 1))
    ledger.add(joined.row.id + 1, counts)
    url = joined.url("destination-sample", DeliveryRecordRow.objects.get().id)
    assert client_of("owner").get(url).status_code == 404
