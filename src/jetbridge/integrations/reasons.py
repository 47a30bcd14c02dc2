"""What reasons mean and what to do about them: those that every destination may have, and whose word counts.

Pages, API and commands ask here. docs/operating.md has the pauses as a table.
"""

from dataclasses import replace

from jetbridge.control.directory import DestinationRef
from jetbridge.delivery.base import FAILED, FILTERED, NOT_REPLAYED
from jetbridge.delivery.isolation import INTERNAL_ERROR
from jetbridge.delivery.log_reader import LOG_BEHIND, LOG_REPLACED
from jetbridge.delivery.log_recovery import LOST
from jetbridge.delivery.pauses import CIRCUIT_OPEN
from jetbridge.delivery.retry import RETRIES_EXHAUSTED
from jetbridge.eventlog.base import LOG_DAMAGED
from jetbridge.integrations.base import (
    EVENT_DELIVERY_PAGE,
    SETTINGS_PAGE,
    Destination,
    Link,
    PauseReason,
    Reason,
)
from jetbridge.routing import route

INVALID_SETTINGS = "INVALID_SETTINGS"

_LOG_CHANGED = PauseReason(
    "",
    "the event log is not the one that it was read in",
    "Who operates Jetbridge decides: put the earlier file back, or let the readers start in this one.",
    EVENT_DELIVERY_PAGE,
    "Look again",
)

PAUSE_REASONS = {
    reason.code: reason
    for reason in (
        PauseReason(
            "INVALID_AUTHENTICATION", "its credentials are refused", "Enter them again in the settings."
        ),
        PauseReason(
            "FORBIDDEN",
            "its credentials do not allow this",
            "Give them the right to it at the other side, or enter others in the settings.",
        ),
        PauseReason(INVALID_SETTINGS, "a setting leads nowhere", "Correct the setting that is named."),
        PauseReason("INVALID_URL", "an address leads nowhere", "Correct the address that is named."),
        PauseReason(
            "ADDRESS_NOT_ALLOWED",
            "an address is not public",
            "Correct the address that is named. Who operates Jetbridge can allow it.",
        ),
        PauseReason(
            CIRCUIT_OPEN,
            "nearly everything is refused",
            "The first message that gets through ends it. After Try now, messages may fail until then.",
            EVENT_DELIVERY_PAGE,
            "Try now and accept failures",
        ),
        PauseReason(
            INTERNAL_ERROR,
            "Jetbridge has a bug that stops it here",
            "Please report it, with the trace that the worker's log has. Nothing is lost; it goes on trying.",
            EVENT_DELIVERY_PAGE,
            "Try now",
        ),
        replace(_LOG_CHANGED, code=LOG_REPLACED),
        replace(_LOG_CHANGED, code=LOG_BEHIND),
        PauseReason(
            LOG_DAMAGED,
            "a part of the event log cannot be read",
            "Who operates Jetbridge saves what can be read, with the command that the reason names, or restores a backup.",
            EVENT_DELIVERY_PAGE,
            "Look again",
        ),
        PauseReason(
            RETRIES_EXHAUSTED,
            "nothing has gone through for hours",
            "Look at the last error, and at the other side. Nothing has to be done here.",
            EVENT_DELIVERY_PAGE,
            "Try now",
        ),
    )
}
_OTHER_PAUSE = PauseReason("", "it cannot go on", "Remove the cause, then try now.")

REASONS = {
    reason.code: reason
    for reason in (
        Reason(
            route.UNSUPPORTED_EVENT_TYPE,
            "The destination takes other types of calls. Nothing has to be done.",
        ),
        Reason(
            route.FOR_ANOTHER_DESTINATION,
            "Engage has sent them to another destination. Nothing has to be done.",
        ),
        Reason(
            route.BLOCKED_AT_SOURCE,
            "The event is blocked on the schema page of its source, for all destinations. Once it is allowed, a replay reads "
            "them again.",
        ),
        Reason(
            route.FILTERED_BY_INTEGRATIONS_OBJECT,
            "The integrations object of the call leaves this destination out. It is made where the call is made.",
        ),
        Reason(
            route.ALREADY_PASSED,
            "They have passed this destination before and came back, by way of Segment or another tool. Nothing has to be "
            "done: a loop ends here.",
        ),
        Reason(
            route.EVENT_TYPE_DISABLED,
            "This type of email event is not chosen in the settings.",
            SETTINGS_PAGE,
        ),
        Reason(
            route.USER_SUPPRESSED, "The person was forgotten: no destination gets messages of them any more."
        ),
        Reason(
            route.FILTERED_BY_DESTINATION_FILTER,
            "A filter of this destination keeps them away. Once it is changed, a replay reads them again.",
            Link("destination-filters", "Open the filters"),
        ),
        Reason(
            route.DESTINATION_FILTER_ERROR,
            "The expression of a filter makes no sense of them, so they are kept away; a sample says why. Once the filter is "
            "changed, a replay reads them again.",
            Link("destination-filters", "Open the filters"),
        ),
        Reason(NOT_REPLAYED, "A replay forgets nobody again. Nothing has to be done."),
        Reason(RETRIES_EXHAUSTED, "They did not get through for hours, while others did. Try them again."),
        Reason(
            LOST,
            "The event log was damaged before they were read, so nobody has them any more. Have the sources send them "
            "again.",
        ),
        Reason(
            INTERNAL_ERROR,
            "Jetbridge has a bug that these messages meet. A sample names its place: please report it, and retry them "
            "with a newer version.",
        ),
    )
}
_OTHERS = {
    FAILED: "The response says why. Fix that, then try again: a sample shows what was sent.",
    FILTERED: "They are not meant for this destination.",
}


def codes(destination: Destination) -> frozenset[str]:
    """All reasons for which its messages may be filtered or fail, as far as they are known beforehand."""
    return frozenset(REASONS) | {reason.code for reason in destination.reasons}


def reason(destination: Destination, outcome: str, code: str) -> Reason:
    """What it means that messages were filtered or have failed for this reason."""
    own = {reason.code: reason for reason in destination.reasons}
    return own.get(code) or REASONS.get(code) or Reason(code, _OTHERS[outcome])


def pause_reason(destination: Destination, ref: DestinationRef, code: str, message: str) -> PauseReason:
    """What a pause means, and where it is fixed. Its `message` may begin with the label of a setting."""
    if own := destination.pause_reason(ref, code, message):
        return own
    reason = PAUSE_REASONS.get(code, replace(_OTHER_PAUSE, code=code))
    if code == INVALID_SETTINGS:
        label = message.partition(":")[0]
        tabs = {setting.label: setting.tab for setting in destination.settings if setting.tab}
        if label in tabs:
            return replace(reason, link=Link(tabs[label], f"Open the {label.lower()}"))
    return reason
