"""One thread per workspace with Engage; what is left of others goes."""

from jetbridge.control.models import Workspace
from jetbridge.delivery import ledger
from jetbridge.delivery.retention import Retention
from jetbridge.engage import store
from jetbridge.engage.consumer import threads
from jetbridge.services import computations

from .bench import DAY, ORDERED, EngageBench


def test_a_thread_for_each_workspace_in_which_it_is_on(bench: EngageBench) -> None:
    name = f"engage {bench.space.workspace_id}"
    assert list(threads(bench.log)) == [name]
    made_from = threads(bench.log)[name][0]
    assert threads(bench.log)[name][0] == made_from, "it is not started anew every second"
    bench.space.enabled = False
    bench.space.save()
    assert threads(bench.log) == {}


def test_retention_waits_for_who_reads_and_for_no_one_else(bench: EngageBench) -> None:
    bench.order("u1")
    bench.order("u2")
    retention = Retention(bench.log, 1, 1_000, clock=lambda: (bench.now + 2 * DAY) / 1_000)
    assert retention.step() == 0, "it is not read yet"
    bench.space.enabled = False
    bench.space.save()
    threads(bench.log)
    assert retention.step() == 2


def test_switched_on_again_it_reads_on_where_it_stood(bench: EngageBench) -> None:
    bench.define("buyers", ORDERED)
    bench.order("u1")
    bench.run()
    bench.space.enabled = False
    bench.space.save()
    bench.crash()
    threads(bench.log)
    bench.order("u2")
    bench.space.enabled = True
    bench.space.save()
    bench.run()
    assert bench.members("buyers") == {"u1", "u2"}


def test_the_file_of_a_workspace_that_is_gone_goes(bench: EngageBench) -> None:
    bench.order("u1")
    bench.run()
    bench.crash()
    store.damaged_copy(bench.file).write_text("damaged")
    other = bench.file.with_name("engage.db")
    other.write_text("no store")
    computations.remove_space(Workspace.objects.get(id=bench.space.workspace_id))
    threads(bench.log)
    assert not list(bench.file.parent.glob("engage-*"))
    assert other.exists()
    assert f"engage {bench.space.workspace_id}" not in ledger.positions()
