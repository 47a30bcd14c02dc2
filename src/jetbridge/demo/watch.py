"""Looks at both services a few times a second, for the page and for whoever waits for something."""

from threading import Event, Thread
from types import TracebackType
from typing import Self

from jetbridge.demo.opening import Opened
from jetbridge.demo.services import Sandbox, metrics
from jetbridge.demo.stage import Figures, Stage
from jetbridge.demo.trouble import DemoStopped

LOOK_SECONDS = 0.2


class Watch:
    """A context manager that keeps `stage.figures` fresh. `look()` does it at once."""

    def __init__(self, stage: Stage, opened: Opened) -> None:
        self._stage = stage
        self._opened = opened
        self._stop = Event()
        self._thread = Thread(target=self._run, name="watch", daemon=True)

    def look(self) -> Figures:
        """Raises DemoStopped if a service does not answer."""
        opened = self._opened
        account = metrics(opened.jetbridge_url, opened.metrics_token)
        contacts = opened.sandbox.read("contactslist", opened.list_id)[0]["SubscriberCount"]
        opened.segment.fetch()
        figures = _figures(account, contacts, opened.sandbox)
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
        to_load=of("jetbridge_destination_pending", "warehouse"),
    )
