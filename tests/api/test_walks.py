"""Every endpoint: what it keeps to itself, what it writes down, and how often it asks the database."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings

from jetbridge.control.models import Workspace
from jetbridge.control.people import AuditEntry, Membership, Role, User
from jetbridge.delivery import pauses
from jetbridge.delivery.models import destination_consumer
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.models import Backfill
from jetbridge.services import new_destinations

from .calls import CALLS, Call
from .filled import Filled, fill, token_of

MESSAGE = {"type": "identify", "userId": "u", "traits": {"email": "u@example.com"}}
ORDERED = {"event": "Order Completed", "within": "7d"}
SPENT = {"computed": "sum", "event": "Order Completed", "property": "total"}
#: What is sent to each endpoint that takes something: it means the things of this workspace.
BODIES: dict[str, Callable[[Filled], Any]] = {
    "change_workspace": lambda of: {
        "name": f"{of.workspace} 2",
        "time_zone": "Europe/Paris",
        "engage": False,
    },
    "create_workspace": lambda of: {"name": f"{of.workspace} 3"},
    "create_source": lambda _: {"name": "Website"},
    "change_source": lambda _: {"name": "Taken over"},
    "change_block": lambda _: {"type": "track", "event": "Order Completed"},
    "upload_import": lambda _: b"email\nada@example.com\n",
    "read_import_otherwise": lambda _: {"delimiter": ";"},
    "create_mailjet_account": lambda _: {"api_key": "public", "secret_key": "private"},
    "change_mailjet_account": lambda _: {"name": "Taken over"},
    "connect_list": lambda of: {"new_list": f"Newcomers of {of.workspace}"},
    "choose_list": lambda of: {"new_list": f"Guests of {of.workspace}"},
    "rotate_key": lambda _: {},
    "align_destination": lambda of: {"destination": of.ids["destination"]},
    "change_email_events": lambda _: {"enabled": True, "write_key": "k"},
    "confirm_settings": lambda _: {"kind": "segment", "settings": {}},
    "check_connection": lambda of: {"kind": "warehouse", "sources": [of.ids["source"]]},
    "check_changed_connection": lambda _: {},
    "confirm_changed_settings": lambda _: {},
    "create_destination": lambda of: {
        "kind": "segment",
        "settings": {"writeKey": "k"},
        "sources": [of.ids["source"]],
    },
    "change_destination": lambda _: {"name": "Taken over"},
    "preview_call": lambda of: {"position": of.ids["position"]},
    "try_filter": lambda _: {"name": "F", "if": "event != null"},
    "test_call": lambda of: {"call": MESSAGE, "source": of.ids["source"]},
    "call_destination": lambda of: {"call": MESSAGE, "source": of.ids["source"]},
    "send_test": lambda of: {"call": MESSAGE, "source": of.ids["source"]},
    "retry_failures": lambda _: {"all": True},
    "request_task": lambda of: {"kind": "verify"},
    "start_backfill": lambda _: {},
    "request_replay": lambda of: {"task": of.ids["count"]},
    "forget_person": lambda _: {"name": "ada@example.com"},
    "change_member": lambda _: {"role": "editor"},
    "create_invitation": lambda _: {"email": "ada@example.com"},
    "create_token": lambda _: {"name": "nightly"},
    "create_audience": lambda of: {
        "name": "Newcomers",
        "definition": ORDERED,
        "destinations": [of.ids["destination"]],
    },
    "preview_audience": lambda of: {"definition": ORDERED, "audience": of.ids["audience"]},
    "explain_audience_definition": lambda of: {"definition": ORDERED, "person": of.ids["identifier"]},
    "change_audience": lambda _: {"name": "Taken over"},
    "activate_audience": lambda _: {"adds_members": True},
    "create_computed_trait": lambda _: {"name": "Spent", "definition": SPENT},
    "preview_computed_trait": lambda of: {"definition": SPENT, "computed_trait": of.ids["computed_trait"]},
    "explain_computed_trait_definition": lambda of: {"definition": SPENT, "person": of.ids["identifier"]},
    "change_computed_trait": lambda _: {"definition": SPENT},
    "activate_computed_trait": lambda _: {},
    "create_alert_rule": lambda _: {"kind": "pause", "webhook_url": "http://127.0.0.1:9/"},
    "change_alert_rule": lambda _: {"enabled": False},
}
#: They take something, and change nothing.
ASKING = {
    "check_connection",
    "check_changed_connection",
    "confirm_settings",
    "confirm_changed_settings",
    "preview_call",
    "try_filter",
    "test_call",
    "preview_audience",
    "preview_computed_trait",
    "explain_audience_definition",
    "explain_computed_trait_definition",
}
#: They cannot answer without Mailjet.
ASKS_MAILJET = {"list_contacts_lists", "list_event_callbacks", "preview_backfill"}

#: What they answer with is there only when the worker is done.
NOT_YET = {"get_rejected_rows"}

#: They look at each destination of the workspace, in its own tables.
OF_EACH = {"get_status", "get_message", "get_trace"}

READING = [call for call in CALLS if call.method == "GET"]
CHANGING = [call for call in CALLS if call.method != "GET"]
name_of: Callable[[Call], str] = lambda call: call.name  # noqa: E731


def body_of(call: Call, of: Filled) -> Any:
    return BODIES[call.name](of) if call.name in BODIES else None


def query_of(call: Call) -> dict[str, str]:
    queries = {
        "get_trace": {"person": "u-elsewhere"},
        "upload_import": {"name": "people.csv"},
        "explain_audience": {"person": "u-shop"},
        "explain_computed_trait": {"person": "u-shop"},
    }
    return queries.get(call.name, {})


def test_everything_that_takes_a_body_is_sent_one() -> None:
    assert {call.name for call in CALLS if call.has_body} == set(BODIES)


@pytest.mark.parametrize("call", [call for call in CALLS if call.ids], ids=name_of)
def test_things_of_another_workspace_are_not_there(shop: Filled, elsewhere: Filled, call: Call) -> None:
    """Neither all of them together, nor any of them among things of ours."""
    for theirs in (set(call.ids), *({name} for name in call.ids)):
        ids = shop.ids | {name: elsewhere.ids[name] for name in theirs}
        answer = shop.call(call.method, call.at(**ids), body_of(call, shop), **query_of(call))
        assert answer.status_code == 404, (theirs, answer.content)
        assert "There is no" in answer.json()["detail"]
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "destinations", {"kind": "segment", "settings": {"writeKey": "k"}, "sources": ["$source"]}),
        ("PATCH", "destinations/{destination}", {"sources": ["$source"]}),
        ("POST", "destinations/{destination}/tasks", {"kind": "count", "source": "$source"}),
        ("POST", "destinations/{destination}/replays", {"task": "$count"}),
        ("POST", "destinations/{destination}/test", {"call": MESSAGE, "source": "$source"}),
        ("POST", "destinations/{destination}/test/call", {"call": MESSAGE, "source": "$source"}),
        ("POST", "destinations/{destination}/test/send", {"call": MESSAGE, "source": "$source"}),
        ("POST", "mailjet-accounts/{account}/app-connections/{connection}/align", {"destination": "$destination"}),
        ("POST", "alert-rules", {"kind": "pause", "destination": "$destination", "webhook_url": "http://a.b"}),
        ("PATCH", "alert-rules/{rule}", {"destination": "$destination"}),
        ("PATCH", "workspace", {"engage_excluded_sources": ["$source"]}),
        ("POST", "audiences", {"name": "Buyers", "definition": ORDERED, "destinations": ["$destination"]}),
        ("POST", "audiences/preview", {"definition": ORDERED, "audience": "$audience"}),
        ("POST", "computed-traits", {"name": "Spent", "definition": SPENT, "destinations": ["$destination"]}),
        ("POST", "computed-traits/preview", {"definition": SPENT, "computed_trait": "$computed_trait"}),
        ("POST", "alert-rules", {"kind": "silence", "source": "$source", "webhook_url": "http://a.b"}),
    ],
)  # fmt: skip
def test_a_body_that_names_things_of_another_workspace_is_refused(
    shop: Filled, elsewhere: Filled, method: str, path: str, body: Any
) -> None:
    ids = {
        f"${name}": elsewhere.ids[name]
        for name in ("source", "destination", "count", "audience", "computed_trait")
    }
    theirs = json.loads(json.dumps(body), object_hook=lambda row: {k: _named(v, ids) for k, v in row.items()})
    assert theirs != body
    answer = shop.call(method, path, theirs)
    assert answer.status_code in {404, 422}, answer.content
    assert "no" in answer.json()["detail"]
    assert not AuditEntry.objects.exists()


def _named(value: Any, ids: dict[str, int]) -> Any:
    if isinstance(value, list):
        return [_named(each, ids) for each in value]
    return ids.get(value, value) if isinstance(value, str) else value


def test_a_message_of_another_workspace_is_not_previewed(shop: Filled, elsewhere: Filled) -> None:
    for choice in ({"position": elsewhere.ids["position"]}, {"message_id": "m-elsewhere"}):
        answer = shop.call("POST", "destinations/{destination}/preview", choice).json()
        assert (answer["preview"], answer["problem"]) == (None, "There is no such message among the newest.")


@pytest.mark.parametrize("call", READING, ids=name_of)
def test_nothing_of_another_workspace_and_no_secret_is_told(
    shop: Filled, elsewhere: Filled, call: Call
) -> None:
    answer = shop.call("GET", call.path[1:], **query_of(call))
    status = 503 if call.name in ASKS_MAILJET else 404 if call.name in NOT_YET else 200
    assert answer.status_code == status, answer.content
    told = (answer.getvalue() if answer.streaming else answer.content).decode()
    assert "elsewhere" not in told.lower()
    # The page of a rule shows both to editors, too.
    own = shop.secrets if call.name != "get_alert_rule" else []
    assert [secret for secret in own + elsewhere.secrets if secret in told] == []


@pytest.mark.parametrize("call", [call for call in READING if call.name not in OF_EACH], ids=name_of)
def test_an_answer_asks_as_often_for_many_as_for_few(
    shop: Filled, event_log: SqliteEventLog, queries: Callable[[], Any], call: Call
) -> None:
    shop.get("sources")  # from here on the token's use is noted

    def asked() -> list[str]:
        with queries() as seen:
            shop.call("GET", call.path[1:], **query_of(call))
        return [query["sql"] for query in seen]

    few = asked()
    for number in range(2):
        double(shop, event_log, number)
    assert len(asked()) == len(few), few


def double(shop: Filled, log: SqliteEventLog, number: int) -> None:
    """One more of everything, as far as a fresh workspace has it."""
    extra = Workspace.objects.create(name=f"Extra-{number}")
    owner = Membership.objects.filter(workspace=shop.workspace, role=Role.OWNER).get().user
    fill(log, extra, owner)
    for rows in (extra.sources, extra.destinations):
        for row in rows.all():
            row.name = f"{row.name} {number}"
            row.save()
    for name in (
        "sources", "destinations", "mailjet_accounts", "invitations", "api_tokens", "alert_rules", "alerts",
    ):  # fmt: skip
        getattr(extra, name).update(workspace=shop.workspace)
    extra.memberships.exclude(user=owner).update(workspace=shop.workspace)


def bare(of: Filled) -> Filled:
    """Another workspace of the same owner in which there is nothing."""
    owner = User.objects.get(api_tokens__workspace=of.workspace)
    empty = Workspace.objects.create(name=f"Empty beside {of.workspace}")
    Membership.objects.create(user=owner, workspace=empty, role=Role.OWNER)
    token_of(empty, owner, f"token of {empty}")
    return Filled(empty, {}, f"token of {empty}", [])


def held(of: Filled) -> Filled:
    pauses.pause(destination_consumer(of.ids["destination"]), "FORBIDDEN", "The keys are refused.")
    return of


def misaligned(of: Filled) -> Filled:
    of.call("PATCH", "destinations/{destination}", {"settings": {"listId": "1"}, "anyway": True})
    return of


def scheduled(of: Filled) -> Filled:
    rows = of.workspace.destinations
    of.ids["destination"] = rows.create(name="Warehouse", kind="warehouse", settings={"schedule": "daily"}).id
    return of


def apart(of: Filled) -> Filled:
    """The destination gets nothing of the source."""
    for row in of.workspace.destinations.all():
        row.sources.clear()
    return of


def activated(of: Filled) -> Filled:
    for name, path in (("audience", "audiences"), ("computed_trait", "computed-traits")):
        answer = of.call("PUT", f"{path}/{{{name}}}/destinations/{{destination}}", {})
        assert answer.status_code == 200, answer.content
    return of


def without_a_backfill(of: Filled) -> Filled:
    Backfill.objects.filter(account=of.ids["account"]).delete()
    return of


def with_a_source_that_is_off(of: Filled) -> Filled:
    """Nothing stands in the way of its removal."""
    of.ids["source"] = of.workspace.sources.create(name="Old shop", kind="http", enabled=False).id
    return of


def with_a_webhook(of: Filled) -> Filled:
    """Where nobody listens: no response is a result, too."""
    source = of.workspace.sources.get(id=of.ids["source"])
    values = {"url": "http://127.0.0.1:9/in"}
    with closing(SqliteEventLog(settings.CONFIG.log_path)) as log:
        row = new_destinations.add(log, of.workspace, "webhook", "Webhook", values, sources=[source])
    return replace(of, ids={**of.ids, "destination": row.id})


#: What has to be so for a change to be one.
BEFORE: dict[str, Callable[[Filled], Filled]] = {
    "delete_workspace": bare,
    "create_mailjet_account": bare,
    "start_backfill": without_a_backfill,
    "resume_destination": held,
    "sync_destination": scheduled,
    "connect_source": apart,
    "align_destination": misaligned,
    "deactivate_audience": activated,
    "deactivate_computed_trait": activated,
    "remove_source": with_a_source_that_is_off,
    "call_destination": with_a_webhook,
}


#: How many other things a change changes with the one that it is about: each has an entry of its own.
OTHERS = {
    "change_workspace": 2,  # name, time zone and Engage
    "create_workspace": 1,  # a token for it
    "remove_mailjet_account": 1,  # the destination is disabled, here and below
    "remove_app_connection": 1,
    "choose_list": 1,  # and the destination's
    "rotate_key": 1,  # which the destination gets
    "create_audience": 1,  # activated at a destination
}


def test_every_change_is_written_down_once_under_the_name_of_the_token(
    people: Any, event_log: SqliteEventLog, sandbox: str
) -> None:
    for call in CHANGING:
        workspace = Workspace.objects.create(name=f"For-{call.name}".replace("_", "-"))
        Membership.objects.create(user=people.owner, workspace=workspace, role=Role.OWNER)
        of = fill(event_log, workspace, people.owner, (sandbox, "public", "private"))
        of = BEFORE.get(call.name, lambda same: same)(of)
        body = body_of(call, of)
        if call.name == "create_mailjet_account":
            body["api_url"] = sandbox
        before = AuditEntry.objects.count()
        answer = of.call(call.method, call.path[1:], body, **query_of(call))
        assert answer.status_code == call.status, (call.name, answer.content)
        written = AuditEntry.objects.order_by("-id")[: AuditEntry.objects.count() - before]
        expected = 0 if call.name in ASKING else OTHERS.get(call.name, 0) + 1
        assert len(written) == expected, (call.name, [(row.action, row.thing) for row in written])
        assert {row.who for row in written} <= {"deploy, a token of olga@example.com"}
        told = str([(row.thing, row.details) for row in written])
        assert [secret for secret in of.secrets if secret in told] == [], call.name
