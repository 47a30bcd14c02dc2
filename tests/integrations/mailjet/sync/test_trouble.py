"""When Mailjet rejects, stumbles or forgets: nothing is lost, and one bad thing spoils only itself."""

import time
from pathlib import Path
from typing import Any

import mailjet_rest
import pytest

from jetbridge.control.models import MailjetAccount
from jetbridge.delivery.threads import Threads
from jetbridge.errors import PermanentError
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.properties import MAX_PROPERTIES
from jetbridge.integrations.mailjet.models import Contact, Job, RejectedValue
from jetbridge.integrations.mailjet.sync import account as account_
from jetbridge.integrations.mailjet.sync import bulk_jobs
from jetbridge.integrations.mailjet.sync.account import PROPERTY_LIMIT_REACHED, PropertyTypes
from mailjet_sandbox.settings import Settings

from .conftest import Bridge, bridge_at


def people(bridge: Bridge, total: int, **traits: Any) -> list[Any]:
    return [bridge.identify(f"u{n}", {"email": f"p{n}@b.com", "n": n, **traits}) for n in range(total)]


def restart(bridge: Bridge) -> None:
    bridge.threads.stop()
    bridge.threads = Threads()
    bridge.start()


def test_wrong_keys_hold_the_destination_and_nothing_is_lost(bridge: Any, eventually: Any) -> None:
    account = MailjetAccount.objects.get()
    account.secret_key = "wrong"
    account.save()
    bridge.start()
    bridge.send("u1", {"email": "a@b.com"})
    eventually(lambda: bridge.report().state == "paused", "the destination is held")
    assert (bridge.report().pause_code, bridge.report().pending) == ("INVALID_AUTHENTICATION", 1)
    assert "wrong" not in bridge.report().pause_reason
    account.secret_key = "private"
    account.save()
    restart(bridge)
    assert bridge.settle().delivered == 1
    assert bridge.report().state == "running"


def test_a_deleted_list_holds_the_destination(bridge: Any, eventually: Any) -> None:
    client = mailjet_rest.Client(auth=("public", "private"), api_url=bridge.url + "/")
    client.contactslist.update(id=bridge.list_id, data={"IsDeleted": True})
    client.close()
    bridge.start()
    bridge.send("u1", {"email": "a@b.com"})
    eventually(lambda: bridge.report().state == "paused", "the destination is held")
    assert (bridge.report().pause_code, bridge.report().pending) == ("LIST_NOT_FOUND", 1)


def test_rows_that_a_job_refuses_are_told_singly_and_keep_their_good_values(bridge: Any) -> None:
    bridge.log.append(people(bridge, 30))
    bridge.start()
    bridge.settle()
    client = mailjet_rest.Client(auth=("public", "private"), api_url=bridge.url + "/")
    client.contactmetadata.update(id="static|n", data={"Datatype": "bool"})
    client.close()
    bridge.log.append(
        [bridge.identify(f"v{n}", {"email": f"q{n}@b.com", "n": n + 2, "ok": 1}) for n in range(30)]
    )
    report = bridge.settle()
    assert (report.delivered, report.failed) == (60, 0)
    assert bridge.properties("q29@b.com") == {"ok": 1}
    assert [(row.property, row.total) for row in RejectedValue.objects.all()] == [("n", 30)]


def test_a_rate_limit_slows_down_and_loses_nothing(home: Path) -> None:
    settings = Settings(api_key="public", secret_key="private", job_delay_seconds=0.05, rate_limit=8)
    with bridge_at(home, settings) as bridge:
        bridge.start()
        for number in range(20):
            bridge.send(f"u{number}", {"email": f"p{number}@b.com"})
            time.sleep(0.02)
        assert bridge.settle(40).delivered == 20


def test_a_job_that_never_ends_is_given_up_and_its_contacts_arrive(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_jobs, "ABANDON_MS", 100)
    settings = Settings(api_key="public", secret_key="private", job_delay_seconds=3_600)
    with bridge_at(home, settings) as bridge:
        bridge.log.append(people(bridge, 15))
        bridge.start()
        assert bridge.settle(40).delivered == 15
        assert bridge.calls()["POST contactslist/managecontact"] == 15


def test_a_restart_follows_the_jobs_it_finds(home: Path, eventually: Any) -> None:
    settings = Settings(api_key="public", secret_key="private", job_delay_seconds=2)
    with bridge_at(home, settings) as bridge:
        bridge.log.append(people(bridge, 50))
        bridge.start()
        eventually(Job.objects.exists, "a job is open")
        restart(bridge)
        assert bridge.settle().delivered == 50
        assert bridge.calls()["POST contactslist/managemanycontacts"] == 1


def test_news_that_come_while_a_job_runs_are_told_after_it(home: Path, eventually: Any) -> None:
    settings = Settings(api_key="public", secret_key="private", job_delay_seconds=1)
    with bridge_at(home, settings) as bridge:
        bridge.log.append(people(bridge, 20, plan="free"))
        bridge.start()
        eventually(Job.objects.exists, "a job is open")
        bridge.send("u3", {"plan": "pro"})
        assert bridge.settle().delivered == 21
        assert bridge.properties("p3@b.com") == {"n": 3, "plan": "pro"}
        assert not Contact.objects.exclude(next_attempt_at=None, job_id=None, pending=None).exists()


@pytest.mark.parametrize("total", [1, 20])
def test_a_property_that_mailjet_will_not_create_spoils_only_itself(
    bridge: Any, monkeypatch: pytest.MonkeyPatch, total: int
) -> None:
    create = MailjetClient.create_contactmetadata

    def refuse(client: MailjetClient, name: str, datatype: str) -> bool:
        if name == "n":
            raise PermanentError("BAD_REQUEST", "no more properties")
        return create(client, name, datatype)

    monkeypatch.setattr(MailjetClient, "create_contactmetadata", refuse)
    bridge.log.append(people(bridge, total, plan="pro"))
    bridge.start()
    assert bridge.settle().delivered == total
    assert bridge.properties("p0@b.com") == {"plan": "pro"}
    (row,) = RejectedValue.objects.all()
    assert (row.property, row.total) == ("n", total)
    assert row.message == "Mailjet does not create the property: no more properties"


def fill_with_properties(bridge: Any, left: int) -> None:
    taken = len(bridge.mailjet.contactmetadata())
    for number in range(taken, MAX_PROPERTIES - left):
        bridge.mailjet.create_contactmetadata(f"other_{number}", "str")


def test_a_property_beyond_the_limit_names_the_limit_and_what_to_do(bridge: Any) -> None:
    fill_with_properties(bridge, left=1)
    bridge.log.append(people(bridge, 1, plan="pro"))
    bridge.start()
    assert bridge.settle().delivered == 1
    (row,) = RejectedValue.objects.all()
    assert row.message == (
        "Mailjet does not create the property: an account has 200 contact properties at most. Send fewer traits (the Mapping "
        "blocks or lists them), or delete properties that nobody uses in Mailjet."
    )
    assert {*bridge.properties("p0@b.com"), row.property} == {"n", "plan"}


def test_what_mailjet_refuses_for_another_reason_says_that_one(
    bridge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the account was nearly full when its properties were read."""
    fill_with_properties(bridge, left=2)
    types = PropertyTypes(bridge.mailjet)
    types.for_values([])

    def refuse(*_: object) -> bool:
        raise PermanentError("BAD_REQUEST", "no such name")

    with monkeypatch.context() as patch:
        patch.setattr(MailjetClient, "create_contactmetadata", refuse)
        types.for_values([{"a": 1}])
    assert types.not_created == {"a": "Mailjet does not create the property: no such name"}
    fill_with_properties(bridge, left=0)  # somebody else needs the last ones
    types.for_values([{"b": 1}])
    assert types.not_created["b"] == PROPERTY_LIMIT_REACHED


def test_a_deleted_list_holds_nobody_who_has_another(
    bridge: Any, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setattr(account_, "PROBE_MS", 200)
    other = bridge.mailjet.create_contactslist("Other").id
    client = mailjet_rest.Client(auth=("public", "private"), api_url=bridge.url + "/")
    client.contactslist.update(id=bridge.list_id, data={"IsDeleted": True})
    elsewhere = {"Mailjet": {"listId": other}}
    bridge.log.append(
        people(bridge, 15)
        + [bridge.identify(f"v{n}", {"email": f"q{n}@b.com"}, integrations=elsewhere) for n in range(15)]
    )
    bridge.start()
    eventually(lambda: bridge.report().delivered == 15, "the others arrive")
    assert (bridge.report().state, bridge.report().pending) == ("paused", 15)
    assert bridge.subscriptions("q0@b.com") == {other: True}
    client.contactslist.update(id=bridge.list_id, data={"IsDeleted": False})
    client.close()
    assert bridge.settle().delivered == 30
    eventually(lambda: bridge.report().state == "running", "it runs again")
