"""What stops Engage, or makes it know less, is said to the workspace that it is of."""

from jetbridge.delivery import pauses
from jetbridge.engage import store
from jetbridge.eventlog.base import Entry
from jetbridge.services.queries import health

from .bench import ORDERED, EngageBench


def codes(bench: EngageBench) -> list[tuple[str, str]]:
    lights = health.read(bench.log).within(bench.space.workspace_id, [], [])
    return [(light.code, light.state) for light in lights if light.thing.startswith("thread:engage")]


def test_all_is_well(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.order("u1")
    bench.run()
    bench.engine._mirror(at_once=True)
    assert codes(bench) == []


def test_a_message_that_waits(bench: EngageBench) -> None:
    bench.order("u1")  # of long ago, by the clock of the machine
    assert codes(bench) == [("ENGAGE_BEHIND", "fail")]


def test_a_pause_is_its_own_light(bench: EngageBench) -> None:
    pauses.pause(store.reader(bench.space.workspace_id), "LOG_REPLACED", "why")
    assert codes(bench) == [("LOG_REPLACED", "fail")]
    other = health.read(bench.log).within(bench.space.workspace_id + 1, [], [])
    assert [light for light in other if light.code == "LOG_REPLACED"] == []


def test_a_definition_that_cannot_be_read_harms_no_other(bench: EngageBench) -> None:
    bench.define("broken", {"event": 5})
    bench.define("buyers", ORDERED)
    bench.order("u1")
    bench.run()
    bench.engine._mirror(at_once=True)
    assert bench.members("buyers") == {"u1"}
    assert bench.state("broken") == "failed"
    assert codes(bench) == [("DEFINITION_FAILED", "warn")]


def test_a_record_that_cannot_be_taken_in_is_left_out_alone(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.order("u1")
    bench.log.append([Entry(bench.source.id, "track", bench.now, b"no message")])
    bench.order("u3")
    bench.run()
    bench.engine._mirror(at_once=True)
    assert bench.members("buyers") == {"u1", "u3"}
    assert bench.query("SELECT value FROM meta WHERE name = 'left_out'") == [("1",)]


def test_a_file_that_holds_nothing_yet_breaks_no_look(bench: EngageBench) -> None:
    """The worker makes its tables a moment after the file."""
    bench.file.write_bytes(b"")
    assert codes(bench) == []


def test_a_damaged_file_is_a_light(bench: EngageBench) -> None:
    bench.file.write_bytes(b"no database")
    assert codes(bench) == [("ENGAGE_DAMAGED", "fail")]
