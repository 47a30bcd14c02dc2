"""Every endpoint: what it keeps to itself, what it writes down, and how often it asks the database."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from jetbridge.console.api.endpoint import Endpoint
from jetbridge.console.api.routes import ENDPOINTS
from jetbridge.control.models import Workspace
from jetbridge.control.people import AuditEntry, Membership, Role, User
from jetbridge.delivery import ledger
from jetbridge.eventlog.sqlite import SqliteEventLog

from .filled import Filled, fill, token_of

CALL = {"type": "identify", "userId": "u", "traits": {"email": "u@example.com"}}
#: What is sent to each endpoint that takes something: it means the things of this workspace.
BODIES: dict[str, Callable[[Filled], Any]] = {
    "rename_workspace": lambda of: {"name": f"{of.workspace} 2"},
    "create_workspace": lambda of: {"name": f"{of.workspace} 3"},
    "create_source": lambda _: {"name": "Website"},
    "change_a_source": lambda _: {"name": "Taken over"},
    "create_mailjet_account": lambda _: {"api_key": "public", "secret_key": "private"},
    "change_mailjet_account": lambda _: {"name": "Taken over"},
    "connect_list": lambda of: {"new_list": f"Newcomers of {of.workspace}"},
    "choose_list": lambda of: {"new_list": f"Guests of {of.workspace}"},
    "rotate_key": lambda _: {},
    "align_destination": lambda of: {"destination": of.ids["destination"]},
    "change_email_events": lambda _: {"enabled": True, "write_key": "k"},
    "confirm_settings": lambda _: {"kind": "segment", "settings": {}},
    "confirm_changed_settings": lambda _: {},
    "create_destination": lambda of: {
        "kind": "segment",
        "settings": {"writeKey": "k"},
        "sources": [of.ids["source"]],
    },
    "change_destination": lambda _: {"name": "Taken over"},
    "preview_call": lambda of: {"position": of.ids["position"]},
    "try_filter": lambda _: {"name": "F", "conditions": [{"field": "event", "operator": "exists"}]},
    "test_call": lambda of: {"call": CALL, "source": of.ids["source"]},
    "send_test": lambda of: {"call": CALL, "source": of.ids["source"]},
    "retry_failures": lambda _: {"all": True},
    "ask_task": lambda of: {"kind": "verify"},
    "ask_replay": lambda of: {"task": of.ids["count"]},
    "forget_person": lambda _: {"name": "ada@example.com"},
    "change_member": lambda _: {"role": "editor"},
    "create_invitation": lambda _: {"email": "ada@example.com"},
    "create_token": lambda _: {"name": "nightly"},
    "create_alert_rule": lambda _: {"kind": "hold", "webhook_url": "http://127.0.0.1:9/"},
    "change_alert_rule": lambda _: {"enabled": False},
}
#: They take something, and change nothing.
ASKING = {"confirm_settings", "confirm_changed_settings", "preview_call", "try_filter", "test_call"}
#: They cannot answer without Mailjet.
ASKS_MAILJET = {"list_contacts_lists", "list_event_callbacks"}

#: They look at each destination of the workspace, in its own tables.
OF_EACH = {"get_status", "get_message", "get_trace"}

READING = [each for each in ENDPOINTS if each.method == "GET"]
CHANGING = [each for each in ENDPOINTS if each.method != "GET"]
name_of: Callable[[Endpoint], str] = lambda each: each.name  # noqa: E731


def body_of(each: Endpoint, of: Filled) -> Any:
    return BODIES[each.name](of) if each.name in BODIES else None


def query_of(each: Endpoint) -> dict[str, str]:
    return {"person": "u-elsewhere"} if each.name == "get_trace" else {}


def test_everything_that_takes_a_body_is_sent_one() -> None:
    assert {each.name for each in ENDPOINTS if each.body} == set(BODIES)


@pytest.mark.parametrize("each", [each for each in ENDPOINTS if each.numbers], ids=name_of)
def test_things_of_another_workspace_are_not_there(shop: Filled, elsewhere: Filled, each: Endpoint) -> None:
    """Neither all of them together, nor any of them among things of ours."""
    for theirs in (set(each.numbers), *({name} for name in each.numbers)):
        ids = shop.ids | {name: elsewhere.ids[name] for name in theirs}
        answer = shop.call(each.method, each.template[1:].format(**ids), body_of(each, shop))
        assert answer.status_code == 404, (theirs, answer.content)
        assert "There is no" in answer.json()["error"]
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "destinations", {"kind": "segment", "settings": {"writeKey": "k"}, "sources": ["$source"]}),
        ("PATCH", "destinations/{destination}", {"sources": ["$source"]}),
        ("POST", "destinations/{destination}/tasks", {"kind": "count", "source": "$source"}),
        ("POST", "destinations/{destination}/replays", {"task": "$count"}),
        ("POST", "destinations/{destination}/test", {"call": CALL, "source": "$source"}),
        ("POST", "destinations/{destination}/test/send", {"call": CALL, "source": "$source"}),
        ("POST", "mailjet-accounts/{account}/app-connections/{connection}/align", {"destination": "$destination"}),
        ("POST", "alert-rules", {"kind": "hold", "destination": "$destination", "webhook_url": "http://a.b"}),
        ("PATCH", "alert-rules/{rule}", {"destination": "$destination"}),
        ("POST", "alert-rules", {"kind": "silence", "source": "$source", "webhook_url": "http://a.b"}),
    ],
)  # fmt: skip
def test_a_body_that_names_things_of_another_workspace_is_refused(
    shop: Filled, elsewhere: Filled, method: str, path: str, body: Any
) -> None:
    ids = {f"${name}": elsewhere.ids[name] for name in ("source", "destination", "count")}
    theirs = json.loads(json.dumps(body), object_hook=lambda row: {k: _named(v, ids) for k, v in row.items()})
    assert theirs != body
    answer = shop.call(method, path, theirs)
    assert answer.status_code in {404, 422}, answer.content
    assert "no" in answer.json()["error"]
    assert not AuditEntry.objects.exists()


def _named(value: Any, ids: dict[str, int]) -> Any:
    if isinstance(value, list):
        return [_named(each, ids) for each in value]
    return ids.get(value, value) if isinstance(value, str) else value


def test_a_message_of_another_workspace_is_not_previewed(shop: Filled, elsewhere: Filled) -> None:
    for choice in ({"position": elsewhere.ids["position"]}, {"message_id": "m-elsewhere"}):
        answer = shop.call("POST", "destinations/{destination}/preview", choice).json()
        assert (answer["preview"], answer["trouble"]) == (None, "There is no such message among the newest.")


@pytest.mark.parametrize("each", READING, ids=name_of)
def test_nothing_of_another_workspace_and_no_secret_is_told(
    shop: Filled, elsewhere: Filled, each: Endpoint
) -> None:
    answer = shop.call("GET", each.template[1:], **query_of(each))
    assert answer.status_code == (503 if each.name in ASKS_MAILJET else 200), answer.content
    told = answer.content.decode()
    assert "elsewhere" not in told.lower()
    # The page of a rule shows both to editors, too.
    own = shop.secrets if each.name != "get_alert_rule" else []
    assert [secret for secret in own + elsewhere.secrets if secret in told] == []


@pytest.mark.parametrize("each", [each for each in READING if each.name not in OF_EACH], ids=name_of)
def test_an_answer_asks_as_often_for_many_as_for_few(
    shop: Filled, event_log: SqliteEventLog, queries: Callable[[], Any], each: Endpoint
) -> None:
    shop.get("sources")  # from here on the token's use is noted

    def asked() -> list[str]:
        with queries() as seen:
            shop.call("GET", each.template[1:], **query_of(each))
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
    ledger.hold(ledger.destination_reader(of.ids["destination"]), "FORBIDDEN", "The keys are refused.")
    return of


def misaligned(of: Filled) -> Filled:
    of.call("PATCH", "destinations/{destination}", {"settings": {"listId": "1"}})
    return of


def apart(of: Filled) -> Filled:
    """The destination gets nothing of the source."""
    for row in of.workspace.destinations.all():
        row.sources.clear()
    return of


#: What has to be so for a change to be one.
BEFORE: dict[str, Callable[[Filled], Filled]] = {
    "delete_workspace": bare,
    "create_mailjet_account": bare,
    "release_destination": held,
    "connect_source": apart,
    "align_destination": misaligned,
}


def test_every_change_is_written_down_under_the_name_of_the_token(
    people: Any, event_log: SqliteEventLog, sandbox: str
) -> None:
    for each in CHANGING:
        workspace = Workspace.objects.create(name=f"For-{each.name}".replace("_", "-"))
        Membership.objects.create(user=people.owner, workspace=workspace, role=Role.OWNER)
        of = fill(event_log, workspace, people.owner, (sandbox, "public", "private"))
        of = BEFORE.get(each.name, lambda same: same)(of)
        body = body_of(each, of)
        if each.name == "create_mailjet_account":
            body["api_url"] = sandbox
        before = AuditEntry.objects.count()
        answer = of.call(each.method, each.template[1:], body)
        assert answer.status_code == each.status, (each.name, answer.content)
        written = AuditEntry.objects.order_by("-id")[: AuditEntry.objects.count() - before]
        assert bool(written) == (each.name not in ASKING), each.name
        assert {row.who for row in written} <= {"deploy, a token of olga@example.com"}
        told = str([(row.thing, row.details) for row in written])
        assert [secret for secret in of.secrets if secret in told] == [], each.name
