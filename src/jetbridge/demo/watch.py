"""Looks at both services a few times a second, for the page and for whoever waits for something."""

from threading import Event, Thread
from types import TracebackType
from typing import Self

from jetbridge.demo.services import Sandbox, metrics
from jetbridge.demo.stage import Figures, Stage
from jetbridge.demo.trouble import DemoStopped

LOOK_SECONDS = 0.2


class Watch:
    """A context manager that keeps `stage.figures` fresh. `look()` does it at once."""

    def __init__(self, stage: Stage, sandbox: Sandbox, jetbridge_url: str, list_id: int) -> None:
        self._stage = stage
        self._sandbox = sandbox
        self._jetbridge_url = jetbridge_url
        self._list_id = list_id
        self._stop = Event()
        self._thread = Thread(target=self._run, name="watch", daemon=True)

    def look(self) -> Figures:
        """Raises DemoStopped if a service does not answer."""
        account = metrics(self._jetbridge_url)
        contacts = self._sandbox.read("contactslist", self._list_id)[0]["SubscriberCount"]
        figures = _figures(account, contacts, self._sandbox)
        self._stage.figures = figures
        return figures

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self.look()
            except DemoStopped:
                continue  # whoever waits for the service says so


def _figures(account: dict[str, dict[tuple[str, ...], int]], contacts: int, sandbox: Sandbox) -> Figures:
    outcomes = account.get("jetbridge_destination_outcomes", {})

    failed = account.get("jetbridge_destination_failed", {})

    def of(metric: str, kind: str) -> int:
        return account.get(metric, {}).get((kind, "", ""), 0)

    return Figures(
        received=of("jetbridge_destination_received", "mailjet"),
        delivered=outcomes.get(("mailjet", "delivered", ""), 0),
        pending=of("jetbridge_destination_pending", "mailjet"),
        filtered={key[2]: n for key, n in outcomes.items() if key[:2] == ("mailjet", "filtered")},
        failed={key[2]: n for key, n in failed.items() if key[0] == "mailjet"},
        contacts=contacts,
        calls=sandbox.calls(),
        email_events=of("jetbridge_source_records", "email_event"),
        to_segment=outcomes.get(("segment", "delivered", ""), 0),
    )
