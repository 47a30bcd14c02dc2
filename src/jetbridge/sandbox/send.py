"""The Send API in both versions: every message is delivered at once and says so by a ``sent`` event."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from starlette.responses import Response

from jetbridge.sandbox import errors, wire
from jetbridge.sandbox.body import lowered, parse_object, rows_of
from jetbridge.sandbox.events import Occurrence, happen
from jetbridge.sandbox.model import Campaign, Message
from jetbridge.sandbox.upsert import is_email
from jetbridge.sandbox.world import Call, World

_MAX_MESSAGES = 50  # [D] per call


@dataclass(frozen=True)
class Mail:
    """What of a message survives in the account."""

    subject: str
    custom_id: str = ""
    payload: str = ""
    campaign: str = ""


def deliver(world: World, email: str, mail: Mail) -> Message:
    """Send one message to one address, who becomes a contact if unknown [D]."""
    store = world.store
    contact = store.contact_by_email(email) or store.add_contact(email)
    message = store.add_message(contact, mail.subject, _campaign_id(world, mail))
    message.custom_id, message.payload = mail.custom_id, mail.payload
    reply = f"250 2.0.0 OK {message.uuid[:8]} - gsmtp"
    details = {"mj_message_id": str(message.id), "smtp_reply": reply}
    event = happen(store, Occurrence("sent", message, details))
    if event is not None:
        world.callbacks.emit(event)
    return message


def _campaign_id(world: World, mail: Mail) -> int:
    """Group transactional messages by their CustomCampaign tag."""
    if not mail.campaign:
        return 0
    store = world.store
    found = next((row for row in store.campaigns.values() if row.custom_value == mail.campaign), None)
    if found is None:
        found = Campaign(store.new_id("campaign"), 0, 0, mail.subject, store.now(), title=mail.campaign)
        found.custom_value, found.campaign_type = mail.campaign, 1
        store.campaigns[found.id] = found
    return found.id


class SendV31:
    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, call: Call) -> Response:
        if call.method != "POST":
            return wire.newer_error(405, "Method not allowed")
        try:
            body = lowered(parse_object(call.body))
        except errors.MailjetError:
            return wire.newer_error(400, "Malformed JSON, please review the syntax and properties types.")
        messages = rows_of(body.get("messages"))
        if not 0 < len(messages) <= _MAX_MESSAGES:
            return wire.newer_error(400, f"Property Messages must hold 1 to {_MAX_MESSAGES} messages.")
        answers = [self._send(message, pretend=body.get("sandboxmode") is True) for message in messages]
        failed = any(answer["Status"] == "error" for answer in answers)
        return wire.newer({"Messages": answers}, 400 if failed else 200)

    def _send(self, message: dict[str, Any], *, pretend: bool) -> wire.Row:
        """Send to everybody named, or to nobody if something is missing. SandboxMode only checks [D]."""
        problems = [_missing(name) for name in ("From", "To") if not _emails(message.get(name.lower()))]
        problems += [_bad_email(email) for email in _recipients(message) if not is_email(email)]
        if problems:
            return {"Status": "error", "Errors": problems}
        mail = Mail(
            str(message.get("subject", "")),
            str(message.get("customid", "")),
            str(message.get("eventpayload", "")),
            str(message.get("customcampaign", "")),
        )
        answer: wire.Row = {"Status": "success", "CustomID": mail.custom_id}
        for name in ("To", "Cc", "Bcc"):
            emails = _emails(message.get(name.lower()))
            answer[name] = [] if pretend else [self._deliver(email, mail) for email in emails]
        return answer

    def _deliver(self, email: str, mail: Mail) -> wire.Row:
        message = deliver(self._world, email, mail)
        return {
            "Email": email,
            "MessageUUID": message.uuid,
            "MessageID": message.id,
            "MessageHref": f"https://api.mailjet.com/v3/REST/message/{message.id}",
        }


class SendV3:
    """The older call: one subject, ``Recipients`` or a ``To`` line, and the plain answer of the legacy server."""

    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, call: Call) -> Response:
        if call.method != "POST":
            raise errors.method_not_allowed()
        body = lowered(parse_object(call.body))
        line = [part.rpartition("<")[2].strip(" >") for part in str(body.get("to", "")).split(",")]
        emails = _emails(body.get("recipients")) or [email for email in line if email]
        bad = next((email for email in emails if not is_email(email)), None)
        if not emails or bad is not None:
            raise errors.bad_email(bad or "")
        mail = Mail(
            str(body.get("subject", "")),
            str(body.get("mj-customid", "")),
            str(body.get("mj-eventpayload", "")),
            str(body.get("mj-campaign", "")),
        )
        sent = [(email, deliver(self._world, email, mail)) for email in emails]
        rows = [
            {"Email": email, "MessageID": message.id, "MessageUUID": message.uuid} for email, message in sent
        ]
        return wire.legacy({"Sent": rows})


def _emails(value: Any) -> list[str]:
    """Read addresses from one ``{"Email": ..}`` or a list of them."""
    return [
        str(row["email"])
        for row in rows_of(value if isinstance(value, list) else [value])
        if row.get("email")
    ]


def _recipients(message: dict[str, Any]) -> list[str]:
    return [email for name in ("to", "cc", "bcc") for email in _emails(message.get(name))]


def _missing(name: str) -> wire.Row:
    return _problem("mj-0003", f'Mandatory property "{name}" is missing', name)


def _bad_email(email: str) -> wire.Row:
    return _problem("mj-0013", f'"{email}" is an invalid email address.', "To")


def _problem(code: str, message: str, field: str) -> wire.Row:
    return {
        "ErrorIdentifier": str(uuid4()),
        "ErrorCode": code,
        "StatusCode": 400,
        "ErrorMessage": message,
        "ErrorRelatedTo": [field],
    }
