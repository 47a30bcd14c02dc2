"""The settings of a Mailjet destination: the fields, what is accepted, and what they mean when read.

The first two fields are those of Segment's catalogue entry for Mailjet.
"""

from collections.abc import Callable, Sequence

from jetbridge.control.directory import AccountRef, DestinationRef, account_of_authentication_key
from jetbridge.control.secret_field import digest
from jetbridge.destinations.field import Field
from jetbridge.destinations.filters import FILTERS
from jetbridge.destinations.mailjet import mapping_text
from jetbridge.destinations.mailjet.mapping import Mapping, Place
from jetbridge.destinations.mailjet.traits import UNSUBSCRIBED, list_id_of
from jetbridge.errors import HoldError, MessageRejected

#: Values of the setting `properties`.
ALL, LISTED = "all", "listed"
#: Values of the setting `formerContact`.
KEEP, DELETE = "keep", "delete"

_UNKNOWN_KEY = "The Authentication key belongs to no app connection here. Copy it again from App Connections."


def account_behind(ref: DestinationRef) -> AccountRef | None:
    """The Mailjet account that the Authentication key belongs to; None if it is not one of ours."""
    return account_of_authentication_key(digest(ref.secrets.get("apiKey", "")))


def default_list(ref: DestinationRef) -> int:
    return list_id_of(ref.settings.get("listId"))


def unsubscribed_trait(ref: DestinationRef) -> str:
    return str(ref.settings.get("unsubscribedTrait") or UNSUBSCRIBED)


def mapping_of(ref: DestinationRef, noticed: Callable[[Sequence[Place]], None] | None = None) -> Mapping:
    """Raises WrongMapping."""
    rules = mapping_text.parse(str(ref.settings.get("mapping") or "")).rules
    return Mapping(rules, only_listed=ref.settings.get("properties") == LISTED, noticed=noticed)


def check(ref: DestinationRef) -> AccountRef:
    """The account of a destination whose settings are in order. Raises HoldError."""
    account = account_behind(ref)
    if account is None:
        raise HoldError("INVALID_AUTHENTICATION", _UNKNOWN_KEY)
    for each in SETTINGS:
        if sentence := each.problem(str(ref.settings.get(each.name) or "")):
            raise HoldError("INVALID_SETTINGS", f"{each.label}: {sentence}")
    return account


def _wrong_key(key: str) -> str:
    known = account_of_authentication_key(digest(key))
    return "" if known else _UNKNOWN_KEY


def _wrong_list(value: str) -> str:
    try:
        list_id_of(value)
    except MessageRejected as error:
        return f"{error} Enter the List ID shown on App Connections."
    return ""


def _notes_on_list(_: str) -> list[str]:
    return [
        "Who is on the former list stays there.",
        "What still waits for it fails if that list is gone; tried again, it goes to the new one.",
    ]


def _wrong_mapping(text: str) -> str:
    try:
        mapping_text.parse(text)
    except mapping_text.WrongMapping as error:
        return str(error)
    return ""


def _notes_on_mapping(text: str) -> list[str]:
    return mapping_text.parse(text).notes


KEY = Field(
    "apiKey",
    "Authentication key",
    "Your Mailjet Authentication key, from Account → App Connections → Segment.",
    secret=True,
    wrong=_wrong_key,
)

SETTINGS = (
    Field(
        "listId",
        "List ID",
        "The default list id for which contacts will be associated with.",
        wrong=_wrong_list,
        notes=_notes_on_list,
    ),
    Field(
        "properties",
        "Properties",
        "Which traits become contact properties: all, or only those that the Mapping lists.",
        required=False,
        group="Mapping",
        default=ALL,
        choices=(ALL, LISTED),
    ),
    Field(
        "mapping",
        "Mapping",
        "One trait per line: `firstName = first_name` renames, `password =` blocks, `plan` alone lists it. "
        "Nested traits have dots: `address.city`. Comments begin with #.",
        required=False,
        multiline=True,
        group="Mapping",
        wrong=_wrong_mapping,
        notes=_notes_on_mapping,
    ),
    FILTERS,
    Field(
        "unsubscribedTrait",
        "Unsubscribed trait",
        "The trait that says, when true, that a person has unsubscribed from the list.",
        required=False,
        group="Consent",
        default=UNSUBSCRIBED,
    ),
    Field(
        "formerContact",
        "Former contact",
        "What becomes of the old contact when somebody's address changes: it leaves the list and is kept, or is "
        "deleted in Mailjet.",
        required=False,
        group="Consent",
        default=KEEP,
        choices=(KEEP, DELETE),
    ),
)
