"""The settings of a Mailjet destination: the fields, what is accepted, and what they mean when read.

The first two fields are those of Segment's catalogue entry for Mailjet.
"""

from collections.abc import Callable, Sequence

from jetbridge.control.directory import (
    CONSENT_SETTING,
    AccountRef,
    DestinationRef,
    account_of_authentication_key,
)
from jetbridge.control.secret_field import digest
from jetbridge.errors import MessageRejected, PauseError
from jetbridge.integrations.filters import FILTERS
from jetbridge.integrations.mailjet.contacts.mapping import Mapping, Place, WrongMapping, parse_mapping
from jetbridge.integrations.mailjet.contacts.traits import list_id_of
from jetbridge.integrations.setting import Choice, Secret, Text
from jetbridge.spec.person import UNSUBSCRIBED

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
    return str(ref.settings.get(CONSENT_SETTING) or UNSUBSCRIBED)


def mapping_of(ref: DestinationRef, noticed: Callable[[Sequence[Place]], None] | None = None) -> Mapping:
    """Raises WrongMapping."""
    rules = parse_mapping(str(ref.settings.get("mapping") or "")).rules
    return Mapping(rules, only_listed=ref.settings.get("properties") == LISTED, noticed=noticed)


def check(ref: DestinationRef) -> AccountRef:
    """The account of a destination whose settings are in order. Raises PauseError."""
    account = account_behind(ref)
    if account is None:
        raise PauseError("INVALID_AUTHENTICATION", _UNKNOWN_KEY)
    for setting in (*SETTINGS, FILTERS):
        if problem := setting.problem(ref.settings.get(setting.name)):
            raise PauseError("INVALID_SETTINGS", f"{setting.label}: {problem}")
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


def _wrong_mapping(text: str) -> str:
    try:
        parse_mapping(text)
    except WrongMapping as error:
        return str(error)
    return ""


def _notes_on_mapping(text: str) -> list[str]:
    return parse_mapping(text).notes


KEY = Secret(
    name="apiKey",
    label="Authentication key",
    help="Your Mailjet Authentication key, from Account → App Connections → Segment.",
    error=_wrong_key,
)

SETTINGS = (
    Text(
        name="listId",
        label="List ID",
        help="The default list id for which contacts will be associated with.",
        error=_wrong_list,
        change_notes=(
            "Who is on the former list stays there.",
            "What still waits for it goes to the new one if that list is gone.",
        ),
    ),
    Choice(
        name="properties",
        label="Properties",
        help="Which traits become contact properties: all, or only those that the Mapping lists.",
        required=False,
        group="Mapping",
        tab="destination-mapping",
        default=ALL,
        choices={ALL: "All", LISTED: "Listed"},
    ),
    Text(
        name="mapping",
        label="Mapping",
        help="One trait per line: `firstName = first_name` renames, `password =` blocks, `plan` alone lists it. "
        "Nested traits have dots: `address.city`. Comments begin with #.",
        required=False,
        multiline=True,
        group="Mapping",
        tab="destination-mapping",
        error=_wrong_mapping,
        notes=_notes_on_mapping,
    ),
    Text(
        name=CONSENT_SETTING,
        label="Unsubscribed trait",
        help="The trait that says, with true, yes, 1 or the like, that a person has unsubscribed from the list.",
        required=False,
        group="Consent",
        default=UNSUBSCRIBED,
    ),
    Choice(
        name="formerContact",
        label="Former contact",
        help="What becomes of the old contact when somebody's address changes: it leaves the list and is kept, or is "
        "deleted in Mailjet.",
        required=False,
        group="Consent",
        default=KEEP,
        choices={KEEP: "Keep", DELETE: "Delete"},
    ),
)
