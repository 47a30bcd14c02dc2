"""A job that was given up may run all the same; then it writes what is old."""

from typing import Any

import pytest

from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import Job
from jetbridge.integrations.mailjet.sync import bulk_jobs

from .conftest import Bridge
from .test_retry_deadline import fault, mend
from .test_trouble import people


@pytest.fixture
def given_up(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> Bridge:
    """Fifteen people were told by a job that is stuck, and then once more; of five there is news since."""
    monkeypatch.setattr(bulk_jobs, "ABANDON_MS", 100)
    monkeypatch.setattr(bulk_jobs, "ABANDONED_POLL_MS", 100)
    fault(bridge, "job_stuck", endpoint="POST contactslist/*/managemanycontacts", times=1)
    bridge.log.append(people(bridge, 15, plan="old"))
    bridge.start()
    bridge.settle(40)
    bridge.log.append(people(bridge, 5, plan="new"))
    bridge.rest(40)
    return bridge


def test_what_it_writes_late_does_not_stay(given_up: Bridge, eventually: Any) -> None:
    assert given_up.properties("p0@b.com")["plan"] == "new"
    mend(given_up)
    eventually(lambda: not Job.objects.exists(), "its end is noticed")
    given_up.rest()
    assert [given_up.properties(f"p{n}@b.com")["plan"] for n in range(15)] == ["new"] * 5 + ["old"] * 10
    assert given_up.report().failed == 0


def test_it_subscribes_nobody_again_who_has_unsubscribed_since(given_up: Bridge, eventually: Any) -> None:
    """Although an addforce was confirmed before, and nobody has told us of the unsubscribe yet."""
    given_up.send("u0", {}, integrations={"Mailjet": {"action": "addforce"}})
    given_up.rest()
    given_up.mailjet.managecontactslists("p0@b.com", {given_up.list_id: "unsub"})
    mend(given_up)
    eventually(lambda: not Job.objects.exists(), "its end is noticed")
    given_up.rest()
    assert given_up.subscriptions("p0@b.com") == {given_up.list_id: False}
    assert given_up.properties("p0@b.com")["plan"] == "new"


def test_it_is_no_open_job_any_more_and_is_forgotten_after_a_week(
    given_up: Bridge, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact_queries = MAILJET.contact_queries(given_up.destination)
    assert contact_queries is not None
    assert (contact_queries.open_jobs(), Job.objects.count()) == ([], 1)
    monkeypatch.setattr(bulk_jobs, "MAX_ABANDONED_MS", 0)
    eventually(lambda: not Job.objects.exists(), "nobody looks at it any more")
