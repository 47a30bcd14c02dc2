"""The actions that write contacts: managecontact, managemanycontacts, managecontactslists, importlist, and job monitoring."""

from typing import Any

from starlette.responses import Response

from mailjet_sandbox import clock, contacts, errors, properties, wire
from mailjet_sandbox.contacts import email_problem, update_contact
from mailjet_sandbox.jobs import error_text
from mailjet_sandbox.model import Contact, ContactsList, Job, ListAction
from mailjet_sandbox.requests import as_id, as_int, lowered, parse_object, rows_of
from mailjet_sandbox.state import Call, State
from mailjet_sandbox.store import Store

#: Contacts in one body. Users report that 10,000 work and that 50,000 break the connection. [I] mailjet-apiv3-nodejs#292
MAX_CONTACTS_PER_BODY = 10_000

_IMPORT_ACTIONS = ("addforce", "addnoforce", "unsub", "duplicate-override", "duplicate-no-override")  # [S]


def manage_contact(state: State, row: ContactsList, call: Call, _rest: list[str]) -> Response:
    """Create or update one contact, then put it on the list: all of it, or a 400 and nothing [D]."""
    _reject_deleted(row)
    body = lowered(parse_object(call.body))
    action = body.get("action")
    info = {"Email": email_problem(body.get("email")), "Action": _action_problem(action)}
    if any(info.values()):
        raise errors.invalid_properties({name: text for name, text in info.items() if text})
    values, problems = properties.check(state.store.static_properties, body.get("properties"))
    if problems:
        raise errors.invalid_properties({"Properties": problems})
    contact = state.store.contact_by_email(body["email"]) or state.store.add_contact(body["email"])
    update_contact(state.store, contact, name=body.get("name"), values=values)
    contacts.ACTIONS[str(action)](state.store, row, contact)
    managed = {
        "ContactID": contact.id,
        "Email": contact.email,
        "Action": action,
        "Name": contact.name,
        "Properties": dict(contact.data),  # Every one of the contact, sent or not. [S] mailjet-apiv3-go
    }
    return wire.envelope([managed], 201)


def manage_many_on_list(state: State, row: ContactsList, call: Call, _rest: list[str]) -> Response:
    _reject_deleted(row)
    body = lowered(parse_object(call.body))
    problem = _action_problem(body.get("action"))
    if problem:
        raise errors.invalid_properties({"Action": problem})
    return _accept(state, [ListAction(row.id, body["action"])], body, call)


def manage_many(state: State, _row: None, call: Call, _rest: list[str]) -> Response:
    body = lowered(parse_object(call.body))
    return _accept(state, list_actions(state.store, body.get("contactslists") or []), body, call)


def _accept(state: State, lists: list[ListAction], body: dict[str, Any], call: Call) -> Response:
    """Answer 201 without having looked at any contact; what is wrong with them only the job tells [R]."""
    contacts = body.get("contacts")
    if not isinstance(contacts, list) or not contacts:
        raise errors.invalid_properties({"Contacts": f"MJ08 Property contacts is invalid: {errors.REQUIRED}"})
    if len(contacts) > MAX_CONTACTS_PER_BODY:
        raise errors.TooLarge
    job = state.jobs.submit("json", lists, contacts, call.path)
    return wire.envelope([{"JobID": job.id}], 201)


def job_status(state: State, row: ContactsList | None, call: Call, rest: list[str]) -> Response:
    job = state.store.jobs.get(as_id(rest[0]) or 0) if rest else None
    if job is None or (row is not None and row.id not in (item.list_id for item in job.lists)):
        raise errors.not_found()
    return wire.envelope([render_job(state, job, call.base_url)])


def render_job(state: State, job: Job, base_url: str) -> wire.Row:
    """Count is the rows handled so far, rejected ones included [X]."""
    error_file = f"{base_url}/v3/DATA/batchjob/{job.id}/JSONError/application:json/LAST" if job.errors else ""
    return {
        "ContactsLists": [{"Action": item.action, "ListID": item.list_id} for item in job.lists],
        "Count": job.count,
        "Error": error_text(job) if job.ended_at else "",
        "ErrorFile": error_file if job.ended_at else "",
        "JobEnd": clock.rfc3339(job.ended_at),
        "JobStart": clock.rfc3339(job.started_at),
        "Status": state.jobs.status(job),
    }


def manage_lists(state: State, contact: Contact, call: Call, _rest: list[str]) -> Response:
    body = lowered(parse_object(call.body))
    lists = list_actions(state.store, body.get("contactslists") or [])
    for item in lists:
        contacts.ACTIONS[item.action](state.store, state.store.lists[item.list_id], contact)
    echo = [{"Action": item.action, "ListID": item.list_id} for item in lists]
    return wire.envelope([{"ContactsLists": echo}], 201)


def get_lists(state: State, contact: Contact, _call: Call, _rest: list[str]) -> Response:
    rows = [
        {
            "IsActive": member.active,
            "IsUnsub": member.unsubscribed,
            "ListID": member.list_id,
            "SubscribedAt": clock.rfc3339(member.subscribed_at),
        }
        for member in state.store.memberships_of(contact)
        if not state.store.lists[member.list_id].deleted
    ]
    return wire.envelope(rows)


def import_list(state: State, row: ContactsList, call: Call, _rest: list[str]) -> Response:
    """Copy another list's members here; the ``duplicate-`` actions copy their status too."""
    _reject_deleted(row)
    body = lowered(parse_object(call.body))
    action, source = body.get("action"), state.store.active_list(as_int(body.get("listid")))
    if action not in _IMPORT_ACTIONS:
        raise errors.invalid_properties({"Action": f"Invalid action: {action or ''}"})
    if source is None:
        raise errors.invalid_properties({"ListID": f"List ID {body.get('listid')} is invalid or deleted"})
    members = state.store.members[source.id].values()
    rows = [[member.contact_id, member.unsubscribed] for member in members]
    job = state.jobs.submit("importlist", [ListAction(row.id, str(action))], rows, call.path)
    return wire.envelope([{"JobID": job.id}], 201)


def list_actions(store: Store, items: Any) -> list[ListAction]:
    """Read ``[{"ListID": .., "Action": ..}]``; one invalid item rejects all [R, wout/mailjet.cr]."""
    actions, problems = [], []
    for item in rows_of(items):
        list_id, action = as_int(item.get("listid")), item.get("action")
        problem = _action_problem(action)
        if store.active_list(list_id) is None:
            problem = f"List ID {item.get('listid')} is invalid or deleted"
        if problem or list_id is None:
            problems.append({"ListID": item.get("listid"), "Action": action, "Error": problem})
        else:
            actions.append(ListAction(list_id, str(action)))
    if problems:
        raise errors.invalid_properties({"ContactsLists": problems})
    return actions


def _action_problem(action: Any) -> str | None:
    if isinstance(action, str) and action in contacts.ACTIONS:
        return None
    return f"Invalid action: {action or ''}"


def _reject_deleted(row: ContactsList) -> None:
    """A deleted list takes no contact; that it responds like a missing one is the sandbox's guess [X]."""
    if row.deleted:
        raise errors.not_found()
