"""The records of the account, one type per Mailjet object. Times are Unix seconds, 0 for never."""

from typing import Any

import msgspec

#: A stored property value. A datetime is kept as the text in which it is returned.
Value = str | int | float | bool

#: The numbers that Mailjet uses for event types in filters and error texts. [S] mailjet-apiv3-nodejs Webhook.ts
EVENT_TYPES = {"click": 1, "bounce": 2, "spam": 3, "blocked": 4, "unsub": 5, "open": 6, "sent": 7}


class Property(msgspec.Struct, gc=False):
    """A contactmetadata row: the definition of a contact property."""

    id: int
    name: str
    datatype: str = "str"
    namespace: str = "static"


class Contact(msgspec.Struct, gc=False):
    id: int
    email: str
    name: str = ""
    created_at: int = 0
    updated_at: int = 0
    last_activity_at: int = 0
    excluded: bool = False
    excluded_at: int = 0
    complaining: bool = False
    delivered: int = 0
    anonymized: bool = False
    #: Property values by property name; only those that are set.
    data: dict[str, Value] = {}


class ContactsList(msgspec.Struct, gc=False):
    id: int
    name: str
    address: str
    created_at: int
    deleted: bool = False
    #: Members who have not unsubscribed. The real figure may lag; this one does not.
    subscribers: int = 0


class Membership(msgspec.Struct, gc=False):
    """A listrecipient row: one contact on one list."""

    id: int
    contact_id: int
    list_id: int
    subscribed_at: int
    unsubscribed: bool = False
    unsubscribed_at: int = 0
    active: bool = True


class ListAction(msgspec.Struct, frozen=True, gc=False):
    """What is to happen to a contact's membership of one list."""

    list_id: int
    action: str


class Job(msgspec.Struct):
    """An asynchronous import: managemanycontacts, importlist or csvimport."""

    id: int
    kind: str
    lists: list[ListAction]
    created_at: float
    #: Handed over in pieces and dropped at the end.
    rows: list[Any] = []
    started_at: int = 0
    ended_at: int = 0
    count: int = 0
    errors: list[dict[str, Any]] = []
    #: How it ended if not Completed, and the ``Error`` that it then has.
    ending: str = ""
    failure: str = ""
    #: For csvimport: its Method, its ImportOptions and the id of the uploaded text.
    method: str = ""
    options: str = ""
    data_id: int = 0
    error_threshold: int = 0


class Callback(msgspec.Struct):
    """An eventcallbackurl row."""

    id: int
    event_type: str
    url: str
    is_backup: bool = False
    version: int = 1
    status: str = "alive"


class Sender(msgspec.Struct):
    """An address that mail may come from."""

    id: int
    email: str
    name: str = ""
    created_at: int = 0
    status: str = "Inactive"
    is_default: bool = False


class Filter(msgspec.Struct):
    """A contactfilter row; its expression is kept, not evaluated."""

    id: int
    name: str
    expression: str
    description: str = ""
    status: str = "unused"


class Campaign(msgspec.Struct):
    id: int
    newsletter_id: int
    list_id: int
    subject: str
    created_at: int
    title: str = ""
    from_email: str = ""
    from_name: str = ""
    custom_value: str = ""
    campaign_type: int = 2
    first_message_id: int = 0


class MessageEvent(msgspec.Struct, gc=False):
    """A messagehistory row."""

    type: str
    at: int
    comment: str = ""
    state: str = ""
    agent: str = ""
    #: Of a click; ``/clickstatistics`` has it, the history has not.
    url: str = ""


class Message(msgspec.Struct):
    id: int
    uuid: str
    contact_id: int
    arrived_at: int
    subject: str = ""
    campaign_id: int = 0
    custom_id: str = ""
    payload: str = ""
    status: str = "queued"
    state_id: int = 0
    history: list[MessageEvent] = []
