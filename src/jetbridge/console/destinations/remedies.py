"""What a reason means to a person, and what to do about it, by its code. Samples say the rest."""

from typing import NamedTuple

from jetbridge.delivery import ledger
from jetbridge.delivery.retry import RETRIES_EXHAUSTED
from jetbridge.routing import route


class Remedy(NamedTuple):
    """`url_name` and `action` lead to the page of the destination where it is mended; "": there is none."""

    sentence: str
    url_name: str = ""
    action: str = ""


_MAPPING = ("destination-mapping", "Open the mapping")
_SETTINGS = ("destination-settings", "Open settings")

REMEDIES = {
    route.UNSUPPORTED_EVENT_TYPE: Remedy(
        "The destination takes other types of calls. Nothing has to be done."
    ),
    route.FILTERED_BY_INTEGRATIONS_OBJECT: Remedy(
        "The integrations object of the call leaves this destination out. It is made where the call is made."
    ),
    route.EVENT_TYPE_OFF: Remedy("This type of email event is not chosen in the settings.", *_SETTINGS),
    route.USER_SUPPRESSED: Remedy("The person was forgotten: no destination gets messages of them any more."),
    route.FILTERED_BY_DESTINATION_FILTER: Remedy(
        "A filter of this destination drops them. Once it is changed, a replay reads them again.",
        "destination-filters",
        "Open the filters",
    ),
    "NO_EMAIL": Remedy("The traits are kept, and go to the contact once a call brings the user's address."),
    "NOT_REPLAYED": Remedy("A replay forgets nobody again. Nothing has to be done."),
    "INVALID_EMAIL": Remedy(
        "Correct the address where it comes from: the next Identify call makes the contact. The same message, "
        "tried again, fails again."
    ),
    "LIST_NOT_FOUND": Remedy(
        "Mailjet does not have the list. If the destination was set to it, choose another and try again: they go to "
        "that one. If the call named it, correct the call.",
        *_SETTINGS,
    ),
    "INVALID_SETTINGS": Remedy("Correct the listId or the action where the call is made."),
    "INVALID_PROPERTY": Remedy(
        "Correct the property in Mailjet, or send the trait to another one. Then try again.", *_MAPPING
    ),
    "ACCOUNT_REMOVED": Remedy(
        "The Mailjet account was removed before they were told. With another one in the settings, a replay reads "
        "them again.",
        *_SETTINGS,
    ),
    RETRIES_EXHAUSTED: Remedy("They did not get through for hours, while others did. Try them again."),
}
_OTHER = {
    ledger.FAILED: Remedy("The response says why. Mend that, then try again: a sample shows what was sent."),
    ledger.FILTERED: Remedy("They are not meant for this destination."),
}


def remedy(outcome: str, code: str) -> Remedy:
    return REMEDIES.get(code, _OTHER[outcome])
