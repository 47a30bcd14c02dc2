"""The sandbox sends a campaign with duplicates and reorderings: every destination holds exactly the expected events.

`python -m benchmarks campaign` does the same with a hundred thousand messages.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .campaign import Campaign, Where, places
from .conftest import API_KEY, SECRET_KEY

if TYPE_CHECKING:
    from .conftest import Place

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

#: The least at which every type of event has some dozens, and repetitions meet in one load.
PEOPLE = 2_000


def test_every_destination_holds_exactly_the_events_of_a_campaign(
    home: Path, place: "Place", start_jetbridge: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with places() as around:
        monkeypatch.setenv("JETBRIDGE_PUBLIC_URL", around.urls["between"])
        start_jetbridge("serve", health=f"{place.url}/healthz")
        place.set_up()
        where = Where(place.url, place.sandbox_url, home, place.setup, os.environ, (API_KEY, SECRET_KEY))
        campaign = Campaign(where, around, PEOPLE, print)
        campaign.prepare()
        campaign.send()
        place.settle()
        assert campaign.problems() == []
        between = around.between
        assert between.lost
        assert between.overtaken
        assert between.taken > len(between.events)
        rows = {row["name"]: row for row in place.status()["destinations"]}
        names = ("Hook", "DuckDB", "PostgreSQL")
        assert [rows[name]["delivered"] for name in names] == [len(between.events)] * len(names)
        assert place.status()["balanced"]
