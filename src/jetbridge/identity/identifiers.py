"""The identifiers of a message: whose it is. The one that decides comes first.

Segment's default identifiers and its order: user_id, then email, then the others by name. Sources: Segment docs, "Identity
Resolution Settings", "Identity Resolution Onboarding", and "ExternalIDs" for where in a call each stands.

- `traits.email` counts in an identify, `context.traits.email` in every call, `properties.email` in none. An address is
  looked for in every spelling of its trait's name, as everywhere (`spec.person`), and has one spelling itself.
- An email event of Mailjet without a userId has the address as anonymousId: that is the email, and no second identifier.
- `groupId` identifies an account, not a person. `cross_domain_id` and `braze_id` need products of others and are left out.
- An alias makes its previousId an anonymous_id (Segment's own does nothing with it).
- Engage's calls (`context.personas`) have identifiers like others; `resolve` only looks them up.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from jetbridge.spec.emails import normalise
from jetbridge.spec.message import Message
from jetbridge.spec.person import address_in

USER_ID: Final = "user_id"
EMAIL: Final = "email"
ANONYMOUS_ID: Final = "anonymous_id"

#: Values that identify nobody, as Segment suggests them: zeros and dashes, and what libraries send instead of nothing. The
#: whole value has to be equal, in its case.
_ZEROS: Final = re.compile(r"[0-]*")
_BLOCKED: Final = frozenset({"-1", "null", "anonymous"})
#: A longer value is blocked. Ids and tokens are shorter; each is a key of two indexes.
MAX_CHARACTERS: Final = 512
#: No database compares them as they are: SQLite's JSON ends a text at the first, and halves of surrogate pairs have no UTF-8.
_NOT_STORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")

#: Entries of `context.externalIds` that are read, and the types that they may have.
MAX_EXTERNAL_IDS: Final = 20
_EXTERNAL_TYPE: Final = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,63}")
#: An account's, and the name of a profile itself.
_NO_PERSON: Final = frozenset({"group_id", "segment_id"})

_NOTHING: Final[dict[str, Any]] = {}


class Identifier(NamedTuple):
    type: str
    value: str


class Identifiers(NamedTuple):
    """Those of one message: `usable` with the highest priority first, and the values that identify nobody."""

    usable: tuple[Identifier, ...]
    blocked: tuple[Identifier, ...] = ()


def identifiers_of(message: Message, blocked: Collection[str] = frozenset()) -> Identifiers:
    """`blocked`: further values that identify nobody. An email is blocked as it was sent and in its one spelling.

    A `delete` has none: it asks for an erasure.
    """
    if message.type == "delete":
        return Identifiers(())
    usable: dict[Identifier, None] = {}
    unusable: dict[Identifier, None] = {}
    for type_, sent in _values(message):
        value = normalise(sent) if type_ == EMAIL else sent
        if value is None:
            continue
        identifier = Identifier(type_, value)
        identifies_nobody = (
            value in _BLOCKED
            or _ZEROS.fullmatch(value) is not None
            or len(value) > MAX_CHARACTERS
            or not is_storable(value)
            or value in blocked
            or sent in blocked
        )
        (unusable if identifies_nobody else usable)[identifier] = None
    by_priority = sorted(usable, key=lambda identifier: (_FIRST.get(identifier.type, 2), identifier.type))
    return Identifiers(tuple(by_priority), tuple(unusable))


_FIRST: Final = {USER_ID: 0, EMAIL: 1}


def is_storable(value: str) -> bool:
    return _NOT_STORABLE.search(value) is None


def is_from_engage(message: Message) -> bool:
    """Whether Engage, ours or Segment's, has sent the call. It reports a profile to destinations, and changes none."""
    return message.context is not None and "personas" in message.context


def _values(message: Message) -> Iterator[tuple[str, str]]:
    context = message.context or _NOTHING
    if message.user_id is not None:
        yield USER_ID, message.user_id
    emails = []
    for traits in (message.traits if message.type == "identify" else None, context.get("traits")):
        address = address_in(traits) if isinstance(traits, dict) else None
        if address and isinstance(address[1], str):
            emails.append(address[1])
            yield EMAIL, address[1]
    if message.type == "alias" and message.previous_id:
        yield ANONYMOUS_ID, message.previous_id
    if message.anonymous_id is not None and not ("mailjet" in context and message.anonymous_id in emails):
        yield ANONYMOUS_ID, message.anonymous_id
    if "device" in context:
        yield from _device_ids(context["device"])
    if "externalIds" in context:
        yield from _external_ids(context["externalIds"])
    integrations = context.get("integrations")
    google = integrations.get("Google Analytics") if isinstance(integrations, dict) else None
    if isinstance(google, dict) and isinstance(client_id := google.get("clientId"), str):
        yield "ga_client_id", client_id


def _device_ids(device: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(device, dict):
        return
    system = device.get("type")
    if system not in ("android", "ios"):
        return
    fields = {"id": "id", "push_token": "token"}
    if device.get("adTrackingEnabled") is True:
        fields["idfa"] = "advertisingId"
    for name, field in fields.items():
        if isinstance(value := device.get(field), str):
            yield f"{system}.{name}", value


def _external_ids(entries: Any) -> Iterator[tuple[str, str]]:
    """All four fields are required; one that is not of a person, or encoded, is no identifier here."""
    if not isinstance(entries, list):
        return
    for entry in entries[:MAX_EXTERNAL_IDS]:
        if not isinstance(entry, dict) or (entry.get("collection"), entry.get("encoding")) != (
            "users",
            "none",
        ):
            continue
        type_, value = entry.get("type"), entry.get("id")
        if not (isinstance(type_, str) and isinstance(value, str)) or type_ in _NO_PERSON:
            continue
        if _EXTERNAL_TYPE.fullmatch(type_):
            yield type_, value
