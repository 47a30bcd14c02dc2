"""Sources that people add, rename and switch: what is refused has changed nothing."""

from pathlib import Path

import pytest

from jetbridge.control import sources
from jetbridge.control.models import Source, SourceKind, Workspace
from jetbridge.errors import ConfigurationError, ConflictError


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace.objects.create(name="Shop")


def names(workspace: Workspace) -> list[str]:
    return sorted(workspace.sources.values_list("name", flat=True))


def test_each_source_has_a_write_key_of_its_own(workspace: Workspace) -> None:
    made = [sources.add_http(workspace, f" Site {number} ") for number in range(3)]
    assert names(workspace) == ["Site 0", "Site 1", "Site 2"]
    assert {(row.kind, row.enabled) for row in made} == {(SourceKind.HTTP, True)}
    keys = {row.current_key for row in made}
    assert len(keys) == 3
    assert all(len(key) == 32 for key in keys)  # as Segment's


def test_a_name_is_given_once_in_a_workspace(workspace: Workspace) -> None:
    sources.add_http(workspace, "Site")
    with pytest.raises(ConflictError, match=r"Another source is named Site\."):
        sources.add_http(workspace, " Site ")
    sources.add_http(Workspace.objects.create(name="Another"), "Site")
    assert Source.objects.count() == 2


def test_a_source_is_renamed_unless_the_name_is_bad_or_taken(workspace: Workspace) -> None:
    site = sources.add_http(workspace, "Site")
    sources.add_http(workspace, "App")
    assert sources.rename(site, " Site ") is None
    assert sources.rename(site, "Website") == ("Site", "Website")
    for refused in ("", "x" * 201, "App"):
        with pytest.raises(ConfigurationError):
            sources.rename(site, refused)
        assert site.name == "Website"
    assert names(workspace) == ["App", "Website"]


def test_a_switch_says_whether_it_did_something(workspace: Workspace) -> None:
    site = sources.add_http(workspace, "Site")
    assert sources.switch(site, enabled=True) is False
    assert sources.switch(site, enabled=False) is True
    assert Source.objects.get().enabled is False


def test_nobody_else_writes_to_the_source_of_engage(workspace: Workspace) -> None:
    for kind in SourceKind:
        source = workspace.sources.create(name=kind.label, kind=kind)
        if kind != SourceKind.ENGAGE:
            sources.reject_engage(source, "Choose another.")
            continue
        with pytest.raises(ConfigurationError, match=r"has the calls that Engage makes\. Choose another\."):
            sources.reject_engage(source, "Choose another.")
