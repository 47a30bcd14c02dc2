"""One performance of the demo, from the empty stage to the exit status."""

import signal
from types import FrameType

from jetbridge.demo import lines, play
from jetbridge.demo.evening import Evening
from jetbridge.demo.owner import link_in, make_owner
from jetbridge.demo.page import Page
from jetbridge.demo.play import Ending, Play
from jetbridge.demo.processes import Processes
from jetbridge.demo.shop import Shop, require_library
from jetbridge.demo.stage import Stage
from jetbridge.demo.story import Story
from jetbridge.demo.summary import failure, farewell, summary
from jetbridge.demo.trouble import DemoStopped
from jetbridge.terminal import Terminal

INTERRUPTED = 130


def give(*, once: bool) -> int:
    """The exit status: 0 if every claim is true, 1 if not, 130 if it was interrupted before it was over.

    Raises DemoStopped if it cannot even begin.
    """
    require_library()
    _interrupt_once()
    console = Terminal(highlight=False)
    with Processes() as processes:
        try:
            return _give(console, processes, once=once)
        except DemoStopped as error:
            processes.keep_home = True
            console.print(failure(str(error), processes.home), soft_wrap=True)
            return 1
        except KeyboardInterrupt:
            console.print("Interrupted: stopping everything ...")
            return INTERRUPTED
        finally:
            _set_signals(signal.SIG_IGN)


def _give(console: Terminal, processes: Processes, *, once: bool) -> int:
    stage, story = play.stage(), Story()
    ending = _played(console, stage, story, processes)
    processes.keep_home = not ending.well
    console.print(summary(ending, processes.home), soft_wrap=True)
    if not once:
        _stay_open(console, ending, story, processes)
    return 0 if ending.well else 1


def _played(console: Terminal, stage: Stage, story: Story, processes: Processes) -> Ending:
    watched = console.is_terminal and not console.is_dumb_terminal
    if not watched:
        return Play(story, stage, processes, told=lines.show, watched=False).run()
    with Page(console, stage):
        return Play(story, stage, processes, told=lambda _: None, watched=True).run()


def _stay_open(console: Terminal, ending: Ending, story: Story, processes: Processes) -> None:
    """Until Ctrl-C: the console for people to look around in, and customers who keep it alive."""
    owner = make_owner(_first_run_link(processes))
    console.print(farewell(ending, owner, processes.home), soft_wrap=True)
    shop = Shop(ending.opened.write_key, ending.opened.jetbridge_url)
    try:
        processes.watch_over(Evening(story.evening(), shop).pass_by)
    except KeyboardInterrupt:
        console.print("\nStopping ...")


def _first_run_link(processes: Processes) -> str:
    link = link_in(processes.said("serve"))
    if link is None:
        raise DemoStopped("`jetbridge serve` has printed no link for the first account.")
    return link


def _interrupt_once() -> None:
    """The first signal interrupts; a second one, in the middle of cleaning up, must not."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        _set_signals(signal.SIG_IGN)
        raise KeyboardInterrupt

    _set_signals(interrupt)


def _set_signals(handler: "signal._HANDLER") -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)
