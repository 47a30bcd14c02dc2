"""What a hold means and where a person mends it, by its code. docs/operating.md has the same table."""

from typing import NamedTuple


class Advice(NamedTuple):
    """`url_name` is the page where it is mended; it takes the destination's id if it begins with "destination"."""

    title: str
    sentence: str
    url_name: str
    action: str


_SETTINGS = ("destination-settings", "Open settings")
_ACCOUNTS = ("app-connections", "Open App Connections")
_DELIVERY = ("destination-event-delivery", "See the reasons")

_ADVICE = {
    "LIST_NOT_FOUND": Advice(
        "the contacts list is gone", "Restore the list in Mailjet, or choose another list.", *_SETTINGS
    ),
    "INVALID_SETTINGS": Advice("a setting leads nowhere", "Correct the setting that is named.", *_SETTINGS),
    "WRONG_ADDRESS": Advice("an address leads nowhere", "Correct the address that is named.", *_SETTINGS),
    "FAILURE_RATIO": Advice(
        "nearly everything is refused",
        "Mend the reason. Releasing says: these messages may fail, until the next success.",
        *_DELIVERY,
    ),
    "RETRIES_EXHAUSTED": Advice(
        "nothing has gone through for hours",
        "It goes on trying. Look at the last trouble, and at the other side.",
        *_DELIVERY,
    ),
}
_REFUSED = {
    "mailjet": Advice(
        "the keys are refused",
        "Check the Authentication key here, and the API key and secret key of the Mailjet account.",
        *_ACCOUNTS,
    ),
    "segment": Advice(
        "the write key is refused", "Enter the write key of a Segment source again.", *_SETTINGS
    ),
}
_OTHER = Advice("it cannot go on", "Remove the cause, then release it.", *_SETTINGS)


def advice(code: str, kind: str) -> Advice:
    if code in {"INVALID_AUTHENTICATION", "FORBIDDEN"}:
        return _REFUSED.get(kind, _OTHER)
    return _ADVICE.get(code, _OTHER)
