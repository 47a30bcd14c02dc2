"""The contract of every destination, kept by Segment."""

from typing import Any

import pytest

from jetbridge.integrations.segment.definition import SEGMENT
from jetbridge.integrations.testing import HTTPContract, NextStep, Response, StubService

from .conftest import WRITE_KEY


class TestSegment(HTTPContract):
    destination = SEGMENT
    success = Response(200, b'{"success": true}')

    @pytest.fixture
    def settings(self, service: StubService) -> dict[str, Any]:
        return {"endpoint": service.url, "writeKey": WRITE_KEY}

    def next_step(self, status: int) -> NextStep:
        """Segment's Node library tries 410 and 460 again; a 2xx other than 200 is not Segment's."""
        if status in {410, 460} or 200 < status < 300:
            return "retry"
        return super().next_step(status)
