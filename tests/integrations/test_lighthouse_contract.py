"""The contract of every destination, kept by one with settings of every type."""

from typing import Any

import pytest

from jetbridge.integrations.base import Destination
from jetbridge.integrations.testing import HTTPContract, StubService


class TestLighthouse(HTTPContract):
    @pytest.fixture(autouse=True)
    def _destination(self, lighthouse: Destination) -> None:
        self.destination = lighthouse

    @pytest.fixture
    def settings(self, service: StubService) -> dict[str, Any]:
        return {
            "url": service.url,
            "oil": "whale-oil-0815",
            "height": 42,
            "horn": False,
            "colour": "red",
            "signals": {"x-flag": "flag-4711-secret"},
            "charts": {"north": {"rocks": [1, 2]}},
        }
