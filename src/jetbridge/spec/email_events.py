"""Email events in Segment's words: event names and the properties each may carry, all of them strings.

Source: Segment docs, "Email spec" (every name but one), and the catalogue page of Segment's own Mailjet
source, which uses the same names except "Email Unsubscribed". We follow the spec; see docs/mailjet-events.md.
"""

from typing import Final

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
