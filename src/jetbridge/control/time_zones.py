"""Time zones of workspaces, by their IANA names (Europe/Paris)."""

from functools import cache
from zoneinfo import available_timezones

from jetbridge.errors import ConfigurationError


@cache
def known() -> tuple[str, ...]:
    """Those that a person would choose: regions with a city, and UTC."""
    areas = {
        "Africa",
        "America",
        "Antarctica",
        "Arctic",
        "Asia",
        "Atlantic",
        "Australia",
        "Europe",
        "Indian",
        "Pacific",
    }
    return ("UTC", *sorted(name for name in available_timezones() if name.partition("/")[0] in areas))


def checked(name: str) -> str:
    """Raises ConfigurationError for what is no name of a time zone."""
    name = name.strip()
    if name not in available_timezones():
        near = [zone for zone in known() if name and name.lower().replace(" ", "_") in zone.lower()]
        hint = f"Do you mean {near[0]}?" if near else "Enter one such as Europe/Paris or UTC."
        raise ConfigurationError(f"{name[:60]!r} is no time zone. {hint}")
    return name
