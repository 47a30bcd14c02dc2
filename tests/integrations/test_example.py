"""The example of docs/architecture.md, run as it stands there: it keeps the contract of every destination."""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jetbridge.integrations import registry
from jetbridge.integrations.base import Destination
from jetbridge.integrations.testing import HTTPContract, StubService

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


@pytest.fixture(scope="module")
def beacon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Destination]:
    """Made of the code on the page."""
    folder = tmp_path_factory.mktemp("example")
    (folder / "beacon").mkdir()
    (code,) = re.findall(r"```python\n(# src/.*?)```", PAGE.read_text(), re.DOTALL)
    files = re.findall(
        r"^# src/jetbridge/integrations/(\S+)\n(.*?)(?=^# src/|\Z)", code, re.MULTILINE | re.DOTALL
    )
    assert [name for name, _ in files] == ["beacon/__init__.py", "beacon/definition.py"]
    for name, text in files:
        (folder / name).write_text(text)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("beacon.definition").BEACON
    sys.path.remove(str(folder))
    for name in ("beacon", "beacon.definition"):
        del sys.modules[name]


class TestBeacon(HTTPContract):
    @pytest.fixture(autouse=True)
    def _destination(self, beacon: Destination) -> None:
        self.destination = beacon

    @pytest.fixture
    def settings(self, service: StubService) -> dict[str, Any]:
        return {"url": service.url, "token": "t0000000000000001"}

    def test_one_line_makes_it_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(registry, "INTEGRATIONS", (*registry.INTEGRATIONS, "beacon"))
        assert registry.destination("beacon") is self.destination
