"""The settings of a schedule, which a kind of destination has that says `can_be_scheduled`: see `delivery.syncs`."""

import re
from collections.abc import Mapping
from typing import Any, Final

from jetbridge.delivery.syncs import DAY_MINUTES, Schedule
from jetbridge.integrations.setting import Choice, Text

CONTINUOUS: Final = "continuous"
#: Minutes between two syncs, by value of the setting.
_MINUTES: Final = {
    "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "3h": 180, "6h": 360, "12h": 720, "daily": DAY_MINUTES,
}  # fmt: skip
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def _time_problem(text: str) -> str:
    return "" if _TIME.fullmatch(text) else f"{text[:20]!r} is no time of day such as 03:00."


SCHEDULE = Choice(
    name="schedule",
    label="Schedule",
    help="How often it syncs. On a schedule it reads nothing in between, and then all that waits; Sync now is always possible.",
    required=False,
    default=CONTINUOUS,
    choices={
        CONTINUOUS: "Continuously, within seconds",
        **{name: f"Every {minutes} minutes" for name, minutes in _MINUTES.items() if minutes < 60},
        "1h": "Every hour",
        **{
            name: f"Every {minutes // 60} hours"
            for name, minutes in _MINUTES.items()
            if 60 < minutes < DAY_MINUTES
        },
        "daily": "Daily",
    },
    group="Schedule",
)
SYNC_TIME = Text(
    name="syncTime",
    label="Time of day",
    help="In the time zone of the workspace, such as 03:00. Other syncs are counted from it: every 6 hours from 03:00 is also at "
    "09:00, 15:00 and 21:00.",
    required=False,
    default="00:00",
    group="Schedule",
    error=_time_problem,
)


def schedule_of(values: Mapping[str, Any], zone: str) -> Schedule | None:
    """What the values of a destination say, defaults included; None if it delivers continuously."""
    minutes = _MINUTES.get(str(values.get(SCHEDULE.name)))
    at = _TIME.fullmatch(str(values.get(SYNC_TIME.name)))
    if minutes is None:
        return None
    return Schedule(minutes, 60 * int(at[1]) + int(at[2]) if at else 0, zone)
