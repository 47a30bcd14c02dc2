"""Pages of a destination in whose names, values and reasons stands HTML, and ten thousand characters of anything."""

import json
from collections import Counter
from typing import Any

import pytest
from django.urls import reverse

from jetbridge.delivery import ledger, pauses
from jetbridge.delivery.base import DeliveryCounts, DeliveryRecord
from jetbridge.delivery.models import DeliveryRecordRow
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.contacts import state
from jetbridge.integrations.mailjet.contacts.state import Delivered, Desired
from jetbridge.integrations.mailjet.models import Contact, RejectedValue, TraitName
from jetbridge.routing.fql.nodes import Comparison, Literal, Path, to_text, write_path

from .delivered import Joined, identify, join

HTML = '"><script>alert(1)</script>'
LONG = "x" * 10_000
#: With 500 properties, each of 10,000 characters.
MOST_BYTES = 1_500_000


@pytest.fixture
def joined(people: Any, event_log: SqliteEventLog) -> Joined:
    joined = join(people, event_log)
    joined.row.name = HTML
    joined.row.settings["filters"] = json.dumps(
        [
            {"name": HTML, "if": to_text(Comparison("=", Path(("traits", HTML)), Literal(HTML)))},
            {
                "name": f"{HTML}2",
                "if": f"length({to_text(Literal(HTML))}) > 1 and {write_path(['traits', HTML])} in [1]",
            },
            {
                "name": f"{HTML}3",
                "if": "all",
                "action": {"type": "DROP_PROPERTIES", "fields": {write_path(["traits", HTML]): [HTML]}},
            },
        ]
    )
    joined.row.save()
    event_log.append([identify(joined.source, HTML, email=HTML, **{HTML: HTML, "long": LONG})])
    delivery_record = DeliveryRecord(
        "failed",
        HTML,
        HTML + LONG,
        1,
        message_id=HTML,
        person=HTML,
        request=HTML + LONG,
        response=HTML + LONG,
    )
    ledger.add(joined.row.id, DeliveryCounts(delivery_records=[delivery_record], failed=Counter({HTML: 1})))
    ledger.move(joined.reader, 1)
    TraitName.objects.create(destination_id=joined.row.id, trait=HTML, property="p")
    RejectedValue.objects.create(
        account_id=joined.account.id, property=HTML, message=HTML, email=HTML, at="2026-11-01T12:00:00Z"
    )
    values = {HTML: HTML} | {f"p{number}": LONG for number in range(500)}
    Contact.objects.create(
        account_id=joined.account.id,
        email="a@b.c",
        desired=state.encode(Desired(time=1, values=values, users={HTML: 1})),
        delivered=state.encode(Delivered({HTML: HTML})),
        next_attempt_at=1,
    )
    return joined


PAGES = (
    ("destination", [], {}),
    ("destination-event-delivery", [], {}),
    ("destination-reason", ["failed", HTML], {}),
    ("destination-reason", ["filtered", "FILTERED_BY_DESTINATION_FILTER"], {}),
    ("destination-retry", [], {"reason": HTML}),
    ("destination-mapping", [], {"preview": "1", "q": HTML}),
    ("destination-filters", [], {}),
    ("destination-filters-edit", [], {"filter": HTML}),
    ("destination-tester", [], {"tested": "1"}),
    ("destination-tester", [], {"message_id": HTML}),
    ("destination-contacts", [], {}),
    ("destination-contacts", [], {"which": "due"}),
    ("destination-contacts", [], {"q": "a@b.c"}),
    ("destination-contacts", [], {"q": HTML}),
    ("destination-forget", [], {"person": HTML}),
    ("destination-sync", [], {}),
    ("destination-settings", [], {}),
    ("destination-head", [], {"tab": HTML}),
)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("standing", ["running", "paused", "in trouble"])
def test_what_others_wrote_is_text_and_no_more_of_it_than_a_person_reads(
    joined: Joined, client_of: Any, page: tuple[str, list[str], dict[str, str]], standing: str
) -> None:
    name, more, query = page
    if standing == "paused":
        pauses.pause(joined.reader, "CIRCUIT_OPEN", HTML + LONG)
    if standing == "in trouble":
        pauses.record_error([joined.reader], HTML + LONG)
    answer = client_of("owner").get(joined.url(name, *more), query)
    text = answer.content.decode()
    assert (answer.status_code, "alert(1)" in text, "<script>alert" in text) == (200, True, False)
    assert len(text) < MOST_BYTES


def test_the_sample_of_a_failure_is_text_too(joined: Joined, client_of: Any) -> None:
    page = (
        client_of("owner")
        .get(joined.url("destination-sample", DeliveryRecordRow.objects.get().id))
        .content.decode()
    )
    assert "<script>alert" not in page


def test_lists_of_destinations_are_text_too(joined: Joined, client_of: Any) -> None:
    pauses.pause(joined.reader, "CIRCUIT_OPEN", HTML)
    page = client_of("owner").get(reverse("destinations", args=[joined.row.workspace_id])).content.decode()
    assert ("alert(1)" in page, "<script>alert" in page) == (True, False)
