"""Email events in Segment's words: event names and the properties each may carry, all of them strings.

Source: Segment docs, "Email spec" (every name but one), and the catalogue page of Segment's own Mailjet
source, which uses the same names except "Email Unsubscribed". The event log has those of the spec; a destination
may give others (`integrations/email_event_names.py`). See docs/mailjet-events.md.
"""

from typing import Any, Final

EMAIL_DELIVERED: Final = "Email Delivered"
EMAIL_OPENED: Final = "Email Opened"
EMAIL_LINK_CLICKED: Final = "Email Link Clicked"
EMAIL_BOUNCED: Final = "Email Bounced"
EMAIL_MARKED_AS_SPAM: Final = "Email Marked as Spam"
UNSUBSCRIBED: Final = "Unsubscribed"
#: Ours. The spec has no event for a message that the sending service did not even try to deliver.
EMAIL_BLOCKED: Final = "Email Blocked"

#: The name in the catalogue page of Segment's Mailjet source for what the spec calls UNSUBSCRIBED.
CATALOGUE_UNSUBSCRIBED: Final = "Email Unsubscribed"

#: By the types of Mailjet's events (`mailjet.events.EVENT_TYPES`): the names that the event log has.
EVENT_NAMES: Final = {
    "sent": EMAIL_DELIVERED,  # Mailjet's "sent": the recipient's server has taken the message
    "open": EMAIL_OPENED,
    "click": EMAIL_LINK_CLICKED,
    "bounce": EMAIL_BOUNCED,
    "blocked": EMAIL_BLOCKED,
    "spam": EMAIL_MARKED_AS_SPAM,
    "unsub": UNSUBSCRIBED,
}

#: Characters of a CustomID that can be a userId. Mailjet names no limit.
CUSTOM_ID_CHARACTERS: Final = 200


def user_id_of_custom_id(custom_id: Any) -> str | None:
    """The userId that a sender gave as CustomID, without blanks around it; None for what can be none: nothing, too long a
    text, one with line breaks or invisible characters, a number that is not whole.

    A part of a long one would be somebody else's.
    """
    if isinstance(custom_id, int) and not isinstance(custom_id, bool):
        custom_id = str(custom_id)
    if not isinstance(custom_id, str):
        return None
    text = custom_id.strip()
    return text if 0 < len(text) <= CUSTOM_ID_CHARACTERS and text.isprintable() else None


_MESSAGE = frozenset({"email_id", "email_subject", "campaign_id", "campaign_name"})

PROPERTIES: Final = {
    EMAIL_DELIVERED: _MESSAGE,
    EMAIL_OPENED: _MESSAGE,
    EMAIL_LINK_CLICKED: _MESSAGE | {"link_id", "link_url"},
    EMAIL_BOUNCED: _MESSAGE,
    EMAIL_MARKED_AS_SPAM: _MESSAGE,
    UNSUBSCRIBED: _MESSAGE | {"list_id", "list_name"},
    EMAIL_BLOCKED: _MESSAGE,
}
