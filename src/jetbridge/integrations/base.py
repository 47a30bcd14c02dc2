"""What an integration brings: everything that the rest of Jetbridge knows of a kind of destination or source.

An integration is a folder below `jetbridge.integrations` and one line in `registry.py`. The folder is a Django app (models,
migrations, templates, template tags), may have an `icon.svg`, `endpoints.py` (`routes(ingestion)`: HTTP endpoints below /FOLDER/) and commands (`commands`, which loads without Django: a click group
`commands`, which is `jetbridge FOLDER`, or COMMANDS as they are typed), and its `definition.py` holds INTEGRATIONS: instances of the
classes here. Everything has a default but what a destination is, and what makes it run: pages, API, commands, worker
and metrics ask these methods and know no kind by its name. docs/architecture.md has a whole example.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from django.apps import apps
from django.urls import reverse

from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Workspace
from jetbridge.control.secret_field import destination_tag
from jetbridge.delivery.base import BatchPolicy, Sink
from jetbridge.delivery.light import Light
from jetbridge.delivery.syncs import Schedule
from jetbridge.delivery.threads import Runnable
from jetbridge.delivery.trace import StatusExplainer, Traceable
from jetbridge.eventlog.base import EventLog, Record
from jetbridge.integrations.connection import ConnectionDraft, ConnectionStep, StepResult
from jetbridge.integrations.contact_queries import ContactQueries
from jetbridge.integrations.email_event_names import OWN_NAMES, PRESET, email_event_names_of, shared_names
from jetbridge.integrations.exchange import Exchange
from jetbridge.integrations.filters import FILTERS, filters_of
from jetbridge.integrations.schedule import SCHEDULE, SYNC_TIME, schedule_of
from jetbridge.integrations.setting import InvalidSetting, Setting, is_empty
from jetbridge.jobs.tasks import Work
from jetbridge.privacy.erasure import ErasureHandler
from jetbridge.privacy.suppression import WorkspaceSuppressed
from jetbridge.routing.properties import Blocks
from jetbridge.routing.route import Route
from jetbridge.spec.message import Message
from jetbridge.spec.person import Identity

if TYPE_CHECKING:  # the worker prints nothing
    from rich.console import RenderableType

#: For `Threads.keep`: name -> what the thread is made from (it is started anew when that changes), and what it runs.
ThreadSpecs = Mapping[str, tuple[object, Runnable]]


class Group(StrEnum):
    """Groups of the catalogue, in its order."""

    EMAIL = "Email"
    WAREHOUSES = "Warehouses"
    TOOLS = "Webhooks & tools"


@dataclass(frozen=True)
class Link:
    """A page of the console, for who has to act there.

    `name` is a URL name; its arguments are the workspace's id, then `args`, or else the destination's id.
    """

    name: str
    label: str
    args: tuple[object, ...] | None = None
    #: Behind the "#".
    fragment: str = ""

    def url(self, workspace: int, destination: int) -> str:
        args = (destination,) if self.args is None else self.args
        return reverse(self.name, args=[workspace, *args]) + (f"#{self.fragment}" if self.fragment else "")


SETTINGS_PAGE = Link("destination-settings", "Open settings")
EVENT_DELIVERY_PAGE = Link("destination-event-delivery", "See the reasons")


@dataclass(frozen=True)
class Reason:
    """Why messages were filtered or have failed, by its code. `help`: what it means, and what a person can do about it."""

    code: str
    help: str
    link: Link | None = None


@dataclass(frozen=True)
class PauseReason:
    """Why a destination is paused, by its code. `title` follows "It is paused: "; `help` says what to do; `resume` is on
    the button that has it try again.
    """

    code: str
    title: str
    help: str
    link: Link = SETTINGS_PAGE
    resume: str = "Try now"


class Tab(NamedTuple):
    """A page of its own on every destination of the kind. `url_name` takes the ids of workspace and destination."""

    label: str
    url_name: str


class Section(NamedTuple):
    """Pages of its own in every workspace: below /w/<workspace>/<path>/, and an entry of the navigation."""

    label: str
    #: Of an icon of the console.
    icon: str
    path: str
    #: Module with the URL patterns.
    urls: str
    #: URL name of the first page; it takes the workspace's id.
    url_name: str


class SourceOwner(NamedTuple):
    """What a source comes and goes with, for its pages. `obstacle` follows its name: why it cannot be deleted alone."""

    label: str
    name: str
    url: str
    help: str
    obstacle: str


@dataclass(frozen=True)
class SetupStep:
    """`href` leads to where it is done, or was; `action` is what to press there, `problem` what is in the way."""

    title: str
    what: str
    action: str
    href: str
    done: bool = False
    problem: str = ""


class Notice(NamedTuple):
    """What a person should know about a destination, and the page that says more."""

    message: str
    link: Link | None = None


class Finding(NamedTuple):
    """One line of `jetbridge doctor`. `advice` says what to do; "" where all is well."""

    state: Literal["ok", "warn", "fail"]
    what: str
    advice: str = ""


#: Does a task of a destination with these options; returns plain values. May raise JetbridgeError, and says why.
RunTask = Callable[[DestinationRef, Mapping[str, Any], Work], Mapping[str, Any]]


@dataclass(frozen=True)
class TaskType:
    """What a destination can be asked to do in the worker. A restart begins it anew."""

    kind: str
    title: str
    help: str
    run: RunTask


class Suggestion(NamedTuple):
    """A value that would fit; `label` says which it is."""

    setting: str
    value: str
    label: str


class SettingsCheck(NamedTuple):
    """What settings mean together on the other side. `fits` None: they may work, but a person should look again."""

    fits: bool | None
    message: str
    suggestions: Sequence[Suggestion] = ()


@dataclass(frozen=True)
class Preview:
    """What one call would become: for a person to read, so without secrets. `error`: why it would go no further;
    `warning`: what the preview does without. `template` shows `detail` as `result`.
    """

    request: str = ""
    #: Why there is no request; "" where one is not known beforehand.
    no_request: str = ""
    error: str = ""
    warning: str = ""
    detail: Any = None
    template: str = ""


@dataclass(frozen=True)
class InFlight:
    """What a destination has taken and not finished. `since` is when the message that has waited longest began to
    wait, as far as that is known; `job_since` when the oldest of the `jobs` that are open at the other side began.
    """

    since: datetime | None = None
    jobs: int = 0
    job_since: datetime | None = None


class ValueType(StrEnum):
    """What an audience or a computed trait sends, in the words of JSON Schema: its types, and the format of dates.

    An audience's values are booleans.
    """

    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    STRING = "string"
    ARRAY = "array"
    DATE_TIME = "date-time"


class Integration:
    """A kind of destination or source. One instance per process, used by all threads: it has no state."""

    #: What is stored and typed: `destinations add KIND`. Lower case, at most 20 characters.
    kind: ClassVar[str]
    #: Its name on pages.
    title: ClassVar[str]
    #: One sentence for the catalogue.
    description: ClassVar[str]
    #: Module with the calls that it adds to the API, as `router` (`api.routing.ApiRouter`); "" without any.
    api: ClassVar[str] = ""
    #: Pages that every workspace has for its sake.
    sections: ClassVar[tuple[Section, ...]] = ()

    def icon(self) -> str:
        """`icon.svg` of its folder; "" without one."""
        file = sys.modules[type(self).__module__].__file__
        path = Path(file or "").with_name("icon.svg")
        return path.read_text() if path.is_file() else ""

    def setup_steps(self, workspace: Workspace) -> Iterable[SetupStep]:  # noqa: ARG002 - none
        """What the checklist of a workspace has for its sake."""
        return ()

    def owned_sources(self, workspace: int) -> Mapping[int, SourceOwner]:  # noqa: ARG002 - none
        """By id: sources of a workspace that come and go with something of it."""
        return {}

    def workspace_obstacles(self, workspace: int) -> Iterable[str]:  # noqa: ARG002 - none
        """What of it has to go before a workspace can be deleted."""
        return ()

    def background_threads(self, event_log: EventLog) -> ThreadSpecs:  # noqa: ARG002 - none
        """Threads of the worker that run whatever destinations there are. A companion thread of an enabled destination that
        has the same name runs in its place. Asked every second.
        """
        return {}

    def checks(self) -> Iterable[Finding]:
        """What `jetbridge doctor` looks at, whatever destinations there are. May ask the other side."""
        return ()


class RetriedEvents(NamedTuple):
    """How many email events of an account are read again."""

    account: int
    name: str
    total: int


class EventSummary(NamedTuple):
    """What a raw event is, and whom it is about."""

    what: str
    who: str


class Source(Integration):
    """A kind of source that needs more than an ingest endpoint: it takes no files of people."""

    #: Types of the calls that come of it.
    call_types: ClassVar[frozenset[str]] = frozenset()

    def describe_event(self, body: bytes) -> EventSummary | None:  # noqa: ARG002 - it has none
        """A raw event of it, for the debugger; None if it cannot be read."""
        return None

    def call_of_event(self, record: Record) -> Message | None:  # noqa: ARG002 - it has none
        """The track call that is made of a raw event, with its messageId; None if it cannot be read."""
        return None

    def retry_failed_events(self, event_log: EventLog) -> Iterable[RetriedEvents]:  # noqa: ARG002 - none
        """Read its email events again that raised an exception; safe to repeat."""
        return ()


class Preset(NamedTuple):
    """Values of settings that the workspace has already, to be taken with one choice."""

    key: str
    label: str
    values: Mapping[str, Any]


class Destination(Integration):
    """A kind of destination. `open` makes one that delivers."""

    #: What it answers to in the integrations object, its own name first. Case-sensitive.
    names: ClassVar[tuple[str, ...]]
    #: Call types.
    accepts: ClassVar[frozenset[str]]
    group: ClassVar[Group] = Group.TOOLS
    #: Its settings, but for those that every destination has.
    own_settings: ClassVar[tuple[Setting, ...]] = ()
    #: Whether it may sync on a schedule. Then it has the settings `schedule` and `syncTime`.
    can_be_scheduled: ClassVar[bool] = False
    #: Shown above the form of its settings; "" for nothing.
    settings_template: ClassVar[str] = ""
    #: What `presets` are called.
    preset_label: ClassVar[str] = ""
    #: Why its messages fail or are filtered, beside the reasons that every destination has. They win over those.
    reasons: ClassVar[tuple[Reason, ...]] = ()
    #: Why it is paused. They win over those of every destination; what every kind that is refused (401) says for itself.
    pause_reasons: ClassVar[tuple[PauseReason, ...]] = ()
    #: Module with the URL patterns of its own pages, below /w/<workspace>/destinations/<destination>/<kind>/; "" without any.
    #: Views are made by `console.destinations.page.destination_view(kind=...)`.
    urls: ClassVar[str] = ""
    #: URL name of the page that shows what it does, once it is set up in steps and enabled.
    setup_page: ClassVar[str] = "destination"
    #: Those of its pages that are tabs of every destination.
    tabs: ClassVar[tuple[Tab, ...]] = ()
    #: What it can be asked to do in the worker.
    task_types: ClassVar[tuple[TaskType, ...]] = ()
    #: Shows them on the Sync tab, with the last task of each kind in `last`. This one: buttons, progress, figures.
    sync_template: ClassVar[str] = "console/destinations/_sync_tasks.html"

    # ---- delivering

    def open(self, ref: DestinationRef) -> Sink:
        """Make the destination that delivers, for one thread. Raises PauseError when its settings lead nowhere."""
        raise NotImplementedError

    def batch_policy(self, ref: DestinationRef) -> BatchPolicy:  # noqa: ARG002 - for all alike
        """How many messages it wants at once, and how soon."""
        return BatchPolicy()

    def schedule(self, ref: DestinationRef) -> Schedule | None:
        """When it syncs; None: it delivers continuously."""
        return schedule_of(self.values(ref), ref.time_zone) if self.can_be_scheduled else None

    def companion_threads(self, ref: DestinationRef) -> ThreadSpecs:  # noqa: ARG002 - none
        """Threads besides the consumer. Two destinations may name the same one; it runs once."""
        return {}

    def email_events(self, ref: DestinationRef) -> frozenset[str] | None:  # noqa: ARG002 - all
        """The email events of Mailjet that its settings let through, by name; None: all."""
        return None

    def in_flight(self) -> Mapping[int, InFlight]:
        """What its destinations have taken and not finished, by id. A few queries, however many there are."""
        return {}

    def lights(self) -> Iterable[Light]:
        """What is wrong beside its deliveries (docs/operating.md). A query where nothing is."""
        return ()

    # ---- settings

    @property
    def settings(self) -> tuple[Setting, ...]:
        """All that can be set, those that every destination has included."""
        of_email_events = (PRESET, OWN_NAMES) if "track" in self.accepts else ()
        schedule = (SCHEDULE, SYNC_TIME) if self.can_be_scheduled else ()
        return (*self.own_settings, *schedule, *of_email_events, FILTERS)

    def setting(self, name: str) -> Setting | None:
        return next((setting for setting in self.settings if setting.name == name), None)

    def values(self, ref: DestinationRef) -> dict[str, Any]:
        """Every setting of a destination, secrets and defaults included."""
        stored = {**ref.settings, **ref.secrets}
        return {
            setting.name: setting.default if is_empty(stored.get(setting.name)) else stored[setting.name]
            for setting in self.settings
        }

    def parsed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of the right types, without the empty ones and those that `problems` finds to be of no right type."""
        parsed = {}
        for name, value in values.items():
            try:
                parsed[name] = setting.parse(value) if (setting := self.setting(name)) else value
            except InvalidSetting:
                continue
        return {name: value for name, value in parsed.items() if not is_empty(value)}

    def problems(self, values: Mapping[str, Any]) -> dict[str, str]:
        """What is wrong with settings and secrets together, texts or typed: a sentence by name."""
        known = {setting.name: setting for setting in self.settings}
        problems = {name: setting.problem(values.get(name)) for name, setting in known.items()}
        problems |= {
            name: f"It is no setting of {self.title}; there are {', '.join(known)}."
            for name in values.keys() - known.keys()
        }
        return {name: problem for name, problem in problems.items() if problem}

    def notes(self, workspace: int, name: str, values: Mapping[str, Any]) -> Sequence[str]:  # noqa: ARG002 - it is of others
        """What a person should know about the value of one setting of a destination, beside the other `values`."""
        if name in (PRESET.name, OWN_NAMES.name):
            return shared_names(values)
        setting, value = self.setting(name), values.get(name)
        return setting.notes(setting.default if is_empty(value) else value) if setting else ()

    def presets(self, workspace: int) -> Sequence[Preset]:  # noqa: ARG002 - none
        """What a new destination of the workspace can take over, the most likely first. Secrets reach no page."""
        return ()

    def check_settings(self, workspace: int, values: Mapping[str, Any]) -> SettingsCheck | None:  # noqa: ARG002 - nothing
        """Look up what settings of a workspace mean; None while there is nothing to look up. May ask the other side."""
        return None

    def settings_meaning(self, workspace: int, values: Mapping[str, Any]) -> SettingsCheck | None:
        """`check_settings` of texts or typed values; None while one of them has the wrong type."""
        parsed = self.parsed(values)
        if any(name not in parsed and not is_empty(value) for name, value in values.items()):
            return None
        return self.check_settings(workspace, parsed)

    @property
    def checks_settings(self) -> bool:
        """Whether there is anything to look up: then forms do so while a person types."""
        return type(self).check_settings is not Destination.check_settings

    def connection_steps(self, values: Mapping[str, Any]) -> Sequence[ConnectionStep]:  # noqa: ARG002 - it is not tested
        """What `check_connection` tests of these settings, in order."""
        return ()

    def check_connection(self, draft: ConnectionDraft) -> Iterator[StepResult]:  # noqa: ARG002 - it is not tested
        """Really connect with settings that may not be stored yet: one result per step, up to the first that fails. Bounded
        in time; leaves nothing behind at the other side. Whoever iterates may stop early.
        """
        yield from ()

    @property
    def checks_connection(self) -> bool:
        """Whether it is set up in steps, of which the first tests the connection."""
        return type(self).check_connection is not Destination.check_connection

    def settings_schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of the settings object."""
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": {setting.name: setting.json_schema() for setting in self.settings},
            "required": [
                setting.name for setting in self.settings if setting.required and is_empty(setting.default)
            ],
        }

    # ---- what a person sees

    def preview(self, ref: DestinationRef, message: Message, *, offline: bool = False) -> Preview:  # noqa: ARG002 - nothing to show
        """What a call alone would become. Sends nothing; may ask the other side, unless it is to be `offline`."""
        return Preview()

    def test_call(self, ref: DestinationRef, message: Message) -> Exchange:
        """Really send a message that is marked as a test, alone, now and once, by the rules of delivery for addresses and
        redirects. Raises PauseError where its settings lead nowhere. Not every kind can: see `has_test_call`.
        """
        raise NotImplementedError

    @property
    def has_test_call(self) -> bool:
        return type(self).test_call is not Destination.test_call

    def contact_preview(self, preview: Preview) -> dict[str, Any] | None:  # noqa: ARG002 - it has no contacts
        """What the API shows of its `detail`, as plain values; None for a kind without contacts."""
        return None

    def preview_for_terminal(self, preview: Preview) -> "RenderableType | None":  # noqa: ARG002 - as it is
        """What `jetbridge destinations preview` prints of its `detail`; None: the request."""
        return None

    def pause_reason(self, ref: DestinationRef, code: str, message: str) -> PauseReason | None:  # noqa: ARG002 - for those who look closer
        """What to do about a pause, from the kind's own point of view; None for one that every destination may have."""
        return next((reason for reason in self.pause_reasons if reason.code == code), None)

    def warnings(self, ref: DestinationRef) -> Sequence[str]:  # noqa: ARG002 - none
        """Sentences for `jetbridge status` about what arrived only in part."""
        return ()

    def notices(self, ref: DestinationRef) -> Sequence[Notice]:
        """`warnings` for the Overview of a destination, with where to look. One with contacts shows what its contact book
        has set aside instead.
        """
        return [Notice(message) for message in self.warnings(ref)]

    def check(self, ref: DestinationRef) -> Iterable[Finding]:  # noqa: ARG002 - nothing
        """What `jetbridge doctor` looks at for one enabled destination. May ask the other side."""
        return ()

    def contact_queries(self, ref: DestinationRef) -> ContactQueries | None:  # noqa: ARG002 - none
        """Its contacts, to be looked through; None if its settings lead nowhere."""
        return None

    @property
    def has_contacts(self) -> bool:
        return type(self).contact_queries is not Destination.contact_queries

    # ---- audiences and computed traits: of kinds with contacts

    def engage_property(self, ref: DestinationRef, key: str) -> str | None:  # noqa: ARG002 - it has no contacts
        """The name of the contact property that a key of Engage sets; None for a kind without contacts."""
        return None

    def engage_key_problems(
        self,
        ref: DestinationRef,  # noqa: ARG002 - every key will do
        keys: Mapping[str, ValueType | None],  # noqa: ARG002 - as above
        *,
        offline: bool = False,  # noqa: ARG002 - nothing is looked up
    ) -> Mapping[str, str]:
        """Why keys of Engage cannot be sent here, as messages by key; those that can are not in it. A key has the type of its
        values; None: not known beforehand.

        May ask the other side for seconds, unless it is to be `offline`. What cannot be looked up is no problem.
        """
        return {}

    def engage_first_sync_calls(self, ref: DestinationRef, people: int) -> int | None:  # noqa: ARG002 - it has no contacts
        """About how many calls to the other side a first sync of so many people makes; None for a kind without contacts."""
        return None

    def create_engage_list(self, ref: DestinationRef, name: str) -> int | None:  # noqa: ARG002 - it has no lists
        """Make a contacts list that follows an audience of this name; its id, or None for a kind without lists.

        Asks the other side, and blocks for seconds. Raises DeliveryError.
        """
        return None

    # ---- people and messages

    def erasure_handlers(self, workspace: int) -> Sequence[ErasureHandler]:  # noqa: ARG002 - nobody
        """What a workspace keeps of people for its sake, to be erased, whatever is enabled."""
        return ()

    def status_explainer(self, ref: DestinationRef) -> StatusExplainer | None:  # noqa: ARG002 - it delivers what it takes
        """What it remembers of messages; None if it delivers what it takes."""
        return None

    def person(self, ref: DestinationRef, identity: Identity) -> list[dict[str, Any]]:  # noqa: ARG002 - nobody
        """What it holds of a person, as plain values."""
        return []

    # ---- when it is removed

    def delete_records(self, destination: int) -> None:
        """Delete what is kept for a destination that is removed, in the transaction that removes it.

        This one: rows of the models of the folder that name it by a field `destination_id`.
        """
        package = type(self).__module__.rpartition(".")[0]
        for model in apps.get_models():
            fields = {field.name for field in model._meta.get_fields()}  # noqa: SLF001 - Django documents it
            if model.__module__.startswith(f"{package}.") and "destination_id" in fields:
                model._default_manager.filter(destination_id=destination).delete()  # noqa: SLF001 - as above

    def removal_note(self, ref: DestinationRef) -> str:  # noqa: ARG002 - nothing
        """What stays where, for who is about to remove it; "" if what it has delivered is all."""
        return ""

    # ---- for all kinds the same

    def route(self, ref: DestinationRef) -> Route:
        """Raises PauseError if its filters or its names of email events cannot be read."""
        suppressed = WorkspaceSuppressed(ref.workspace)
        filters, events = filters_of(ref.settings), self.email_events(ref)
        blocks = {source: Blocks(rows) for source, rows in ref.blocks.items()}
        return Route(
            self.accepts,
            self.names,
            ref.source_kinds,
            suppressed,
            filters,
            events,
            tag=destination_tag(ref.id),
            email_event_names=email_event_names_of(ref.settings) if "track" in self.accepts else {},
            consent_traits=ref.consent_traits,
            blocks=blocks,
            destination=ref.id,
        )

    def traceable(self, ref: DestinationRef) -> Traceable:
        """The destination, ready to tell what became of messages. Reads what it needs to know for that."""
        return Traceable(ref.id, ref.name, self.accepts, self.route(ref), self.status_explainer(ref))
