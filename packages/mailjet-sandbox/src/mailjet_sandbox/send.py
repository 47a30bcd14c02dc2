"""The Send API in both versions: every message is delivered at once and emits a ``sent`` event."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from starlette.responses import Response

from mailjet_sandbox import errors, wire
from mailjet_sandbox.contacts import is_email
from mailjet_sandbox.events import EmailEvent
from mailjet_sandbox.model import Campaign, Message
from mailjet_sandbox.requests import lowered, parse_object, rows_of
from mailjet_sandbox.state import Call, State
from mailjet_sandbox.wire import Row

_MAX_MESSAGES = 50  # [D] per call
_MAX_RECIPIENTS = 50  # over all messages of a call [S, mailjet-apiv3-java]
_RECIPIENTS = ("to", "cc", "bcc")
#: In the order in which ErrorRelatedTo names them [R].
_PARTS = ("TextPart", "HTMLPart", "TemplateID")


@dataclass(frozen=True)
class Mail:
    """The parts of a message that the account keeps."""

    subject: str
    custom_id: str = ""
    payload: str = ""
    campaign: str = ""


def deliver(state: State, email: str, mail: Mail) -> Message:
    """Send one message to one address, who becomes a contact if unknown [D]."""
    store = state.store
    contact = store.contact_by_email(email) or store.add_contact(email)
    message = store.add_message(contact, mail.subject, _campaign_id(state, mail))
    message.custom_id, message.payload = mail.custom_id, mail.payload
    reply = f"250 2.0.0 OK {message.uuid[:8]} - gsmtp"
    details = {"mj_message_id": str(message.id), "smtp_reply": reply}
    state.callbacks.emit(EmailEvent("sent", message, details))
    return message


def _campaign_id(state: State, mail: Mail) -> int:
    """Group transactional messages by their CustomCampaign tag."""
    if not mail.campaign:
        return 0
    store = state.store
    campaign = next((row for row in store.campaigns.values() if row.custom_value == mail.campaign), None)
    if campaign is None:
        campaign = Campaign(store.new_id("campaign"), 0, 0, mail.subject, store.now(), title=mail.campaign)
        campaign.custom_value, campaign.campaign_type = mail.campaign, 1
        store.campaigns[campaign.id] = campaign
    return campaign.id


class SendV31:
    def __init__(self, state: State) -> None:
        self._state = state

    def handle(self, call: Call) -> Response:
        if call.method != "POST":
            return wire.newer_error(405, "Method not allowed")
        try:
            body = lowered(parse_object(call.body))
        except errors.MailjetError:
            text = "Malformed JSON, please review the syntax and properties types."
            return wire.newer_error(400, text, code="mj-0002")
        shared = body.get("globals")
        shared = lowered(shared) if isinstance(shared, dict) else {}
        messages = [{**shared, **row} for row in rows_of(body.get("messages"))]  # its own value wins [D]
        if not 0 < len(messages) <= _MAX_MESSAGES:
            return wire.newer_error(400, f"Property Messages must hold 1 to {_MAX_MESSAGES} messages.")
        if sum(len(_emails(row.get(name))) for row in messages for name in _RECIPIENTS) > _MAX_RECIPIENTS:
            text = f"Total number of recipients exceeded. Max allowed - {_MAX_RECIPIENTS}"
            return wire.newer_error(400, text)
        results = [self._send(row, pretend=body.get("sandboxmode") is True) for row in messages]
        failed = any(row["Status"] == "error" for row in results)
        return wire.newer({"Messages": results}, 400 if failed else 200)

    def _send(self, message: Row, *, pretend: bool) -> Row:
        """Send to all recipients, or to none if something is invalid. SandboxMode only checks [D]."""
        required = ["to"] if message.get("templateid") else ["from", "to"]
        problems = [
            _problem("mj-0003", f'Mandatory property "{name.capitalize()}" is missing', name.capitalize())
            for name in required
            if not _emails(message.get(name))
        ]
        problems += [
            _problem("mj-0013", f'"{email}" is an invalid email address.', place)
            for place, email in _addresses(message)
            if not is_email(email)
        ]
        if not any(message.get(part.lower()) for part in _PARTS):
            text = 'At least "HTMLPart", "TextPart" or "TemplateID" must be provided.'
            problems.append(_problem("send-0003", text, *_PARTS))
        if problems:
            return {"Status": "error", "Errors": problems}
        mail = Mail(
            str(message.get("subject", "")),
            str(message.get("customid", "")),
            str(message.get("eventpayload", "")),
            str(message.get("customcampaign", "")),
        )
        result: Row = {"Status": "success", "CustomID": mail.custom_id}
        for name in _RECIPIENTS:
            emails = _emails(message.get(name))
            result[name.capitalize()] = [self._deliver(email, None if pretend else mail) for email in emails]
        return result

    def _deliver(self, email: str, mail: Mail | None) -> Row:
        """Send one mail, or pretend to: then there are no identifiers [S, mailjet-apiv3-java]."""
        message = deliver(self._state, email, mail) if mail else None
        message_id = message.id if message else 0
        return {
            "Email": email,
            "MessageUUID": message.uuid if message else "",
            "MessageID": message_id,
            "MessageHref": f"https://api.mailjet.com/v3/REST/message/{message_id}",
        }


class SendV3:
    """The older call: one subject, ``Recipients`` or a ``To`` line, and the plain answer of the legacy server."""

    def __init__(self, state: State) -> None:
        self._state = state

    def handle(self, call: Call) -> Response:
        if call.method != "POST":
            raise errors.method_not_allowed()
        body = lowered(parse_object(call.body))
        if not body.get("fromemail"):
            return wire.empty(400)  # [S] mailjet-gem
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
        sent = [(email, deliver(self._state, email, mail)) for email in emails]
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


def _addresses(message: Row) -> Iterator[tuple[str, str]]:
    """Every address of a message with its place, as ErrorRelatedTo names it: ``To[0].Email``."""
    for name in ("From", "Sender", "ReplyTo", "To", "Cc", "Bcc"):
        value = message.get(name.lower())
        for number, email in enumerate(_emails(value)):
            yield f"{name}[{number}].Email" if isinstance(value, list) else f"{name}.Email", email


def _problem(code: str, message: str, *fields: str) -> Row:
    return {
        "ErrorIdentifier": str(uuid4()),
        "ErrorCode": code,
        "StatusCode": 400,
        "ErrorMessage": message,
        "ErrorRelatedTo": list(fields),
    }
