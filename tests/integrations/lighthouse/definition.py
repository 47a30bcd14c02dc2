"""The lighthouse, declared. Its client is the one of docs/architecture.md, with its own codes."""

from collections.abc import Iterator, Mapping, Sequence
from threading import Event
from typing import Any

from jetbridge.control.directory import DestinationRef
from jetbridge.delivery.base import DeliveryItem, DeliveryRecord, Progress
from jetbridge.errors import DeliveryError, PauseError, PermanentError, TransientError
from jetbridge.eventlog.base import EventLog
from jetbridge.http.addresses import address_problem
from jetbridge.http.client import WORKER_SECONDS, HTTPResponse, Service, excerpt, retry_after_seconds
from jetbridge.integrations.base import (
    Destination,
    Finding,
    Group,
    Link,
    PauseReason,
    Preview,
    Reason,
    SettingsCheck,
    Tab,
    TaskType,
    ThreadSpecs,
)
from jetbridge.integrations.exchange import Exchange, exchange
from jetbridge.integrations.setting import MASK, Boolean, Choice, Integer, Object, Secret, Text
from jetbridge.jobs.tasks import Work
from jetbridge.spec.message import Message, encode
from jetbridge.spec.outgoing import render


class LighthouseSink:
    def __init__(self, values: Mapping[str, Any]) -> None:
        self._service = Service("The lighthouse", values["url"], timeout_seconds=WORKER_SECONDS)
        self._secrets = [values["oil"], *(values["signals"] or {}).values()]
        self._headers = {"Authorization": f"Oil {values['oil']}", **(values["signals"] or {})}

    def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
        failures = {item.position: self._send(item) for item in items}
        with progress.commit() as counts:
            for item in items:
                if failure := failures[item.position]:
                    counts.fail(failure)
                else:
                    counts.delivered += item.total

    def close(self) -> None: ...

    def _send(self, item: DeliveryItem) -> DeliveryRecord | None:
        body = render(item.message)
        error = self.error_of(self.call(item.message))
        if isinstance(error, PermanentError):
            return DeliveryRecord(
                outcome="failed",
                reason=error.code,
                detail=str(error),
                position=item.position,
                total=item.total,
                message_id=item.message.message_id,
                person=item.message.user_id or "",
                request=self.mask(body.decode()),
                response=error.response,
                body=encode(item.message),
            )
        if error:
            raise error
        return None

    def call(self, message: Message) -> HTTPResponse:
        body = render(message)
        return self._service.call("POST", "/beam", headers=self._headers, body=body, mask=self.mask)

    def error_of(self, response: HTTPResponse) -> DeliveryError | None:
        status, text = response.status, excerpt(response.body, self.mask)
        if status < 300:
            return None
        kinds: dict[str, type[DeliveryError]] = {
            "FOG": PermanentError,
            "OIL_REFUSED": PauseError,
            "ROCKS": PauseError,
        }
        code = "FOG" if status in {400, 413, 422} else "OIL_REFUSED" if status in {401, 403} else "ROCKS"
        if status in {408, 425, 429} or status >= 500:
            wait = retry_after_seconds(response.retry_after)
            return TransientError(
                "STORM",
                f"There is a storm ({status}).",
                status=status,
                response=text,
                retry_after_seconds=wait,
            )
        return kinds[code](code, f"The keeper shakes his head ({status}).", status=status, response=text)

    def mask(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


def _count_lamps(ref: DestinationRef, options: Mapping[str, Any], work: Work) -> Mapping[str, Any]:
    work.expect(1)
    work.advance()
    return {"lamps": ref.settings["height"] * 2}


def _watch(stop: Event) -> None:
    stop.wait()


def _foggy(text: str) -> str:
    return "It is foggy there." if "fog" in text else address_problem(text)


class Lighthouse(Destination):
    kind = "lighthouse"
    title = "Lighthouse"
    names = ("Lighthouse",)
    description = "Blinks every message out to the sea."
    accepts = frozenset({"identify", "track"})
    group = Group.WAREHOUSES
    own_settings = (
        Text(name="url", label="URL", help="Where it stands.", error=_foggy),
        Secret(name="oil", label="Oil", help="What it burns."),
        Integer(name="height", label="Height", help="In metres.", minimum=1, maximum=100, default=30),
        Boolean(name="horn", label="Horn", help="Whether it sounds its horn.", default=True),
        Choice(
            name="colour",
            label="Colour",
            help="Of its light.",
            default="white",
            choices={"white": "White", "red": "Red"},
            group="Light",
        ),
        Object(
            name="signals", label="Signals", help="Flags by name.", required=False, secret=True, group="Light"
        ),
        Object(name="charts", label="Charts", help="Charts by name.", required=False, tab="lighthouse-crew"),
    )
    settings_template = "lighthouse/_note.html"
    reasons = (
        Reason(
            "FOG", "Wait until the fog has cleared, then try again.", Link("lighthouse-crew", "Ask the crew")
        ),
    )
    pause_reasons = (
        PauseReason("OIL_REFUSED", "its oil is refused", "Fill in better oil."),
        PauseReason("INVALID_AUTHENTICATION", "its oil is refused", "Fill in better oil."),
        PauseReason(
            "ROCKS",
            "there is no lighthouse",
            "Look for it.",
            Link("lighthouse-crew", "Ask the crew"),
            "Look again",
        ),
    )
    urls = "lighthouse.urls"
    api = "lighthouse.api"
    tabs = (Tab("Crew", "lighthouse-crew"),)
    task_types = (TaskType("lamps", "Count the lamps", "Counts every lamp of the tower.", _count_lamps),)

    def open(self, ref: DestinationRef) -> LighthouseSink:
        return LighthouseSink(self.values(ref))

    def background_threads(self, event_log: EventLog) -> ThreadSpecs:
        return {"tides": (1, _watch)}

    def companion_threads(self, ref: DestinationRef) -> ThreadSpecs:
        return {f"horn:{ref.id}": (ref, _watch)} if self.values(ref)["horn"] else {}

    def check_settings(self, workspace: int, values: Mapping[str, Any]) -> SettingsCheck | None:
        height = values.get("height", 30)
        return SettingsCheck(height != 13, f"It is {height} metres high.")

    def preview(self, ref: DestinationRef, message: Message, *, offline: bool = False) -> Preview:
        request = f"POST {self.values(ref)['url']}/beam\n\n{render(message).decode()}"
        return Preview(request, detail=message.user_id, template="lighthouse/_beam.html")

    def test_call(self, ref: DestinationRef, message: Message) -> Exchange:
        sink = self.open(ref)
        return exchange(
            self.preview(ref, message).request, lambda: sink.call(message), sink.error_of, sink.mask
        )

    def checks(self) -> Iterator[Finding]:
        yield Finding("ok", "the sea is calm")

    def check(self, ref: DestinationRef) -> Iterator[Finding]:
        yield Finding("warn", f"{ref.name} needs paint", "Paint it.")

    def warnings(self, ref: DestinationRef) -> list[str]:
        return ["two ships did not see it"]


LIGHTHOUSE = Lighthouse()
INTEGRATIONS = (LIGHTHOUSE,)
