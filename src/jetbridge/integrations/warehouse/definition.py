"""A data warehouse as a destination: what it brings."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.db import transaction

from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.delivery.base import BatchPolicy
from jetbridge.delivery.light import Light
from jetbridge.delivery.models import destination_consumer
from jetbridge.errors import PauseError
from jetbridge.integrations.base import (
    Destination,
    Finding,
    Group,
    Link,
    Notice,
    PauseReason,
    Preview,
    SettingsCheck,
    Tab,
    ValueType,
)
from jetbridge.integrations.connection import ConnectionDraft, ConnectionStep, StepResult
from jetbridge.integrations.schedule import CONTINUOUS, SCHEDULE
from jetbridge.integrations.setting import Object, Secret, Text, is_empty
from jetbridge.integrations.warehouse import connection, location
from jetbridge.integrations.warehouse.access import loaded_tables
from jetbridge.integrations.warehouse.column_types import json_text
from jetbridge.integrations.warehouse.database import Database, InvalidURL
from jetbridge.integrations.warehouse.destination import BATCHES, DLT_BATCHES, WarehouseSink
from jetbridge.integrations.warehouse.dlt_places import DltPlace
from jetbridge.integrations.warehouse.erasure import WarehouseErasure
from jetbridge.integrations.warehouse.lights import lights
from jetbridge.integrations.warehouse.rows import RESERVED_KEYS, rows_of
from jetbridge.integrations.warehouse.schemas import schemas_problem
from jetbridge.integrations.warehouse.seen import offered_names, schemas_hint, selection_hint
from jetbridge.integrations.warehouse.selection import InvalidSelection, parse_selection, selection_problem
from jetbridge.routing.route import Route
from jetbridge.spec.message import Message

#: How often a warehouse is loaded through dlt if nobody has said: each load costs a second, and files of its own.
DLT_SCHEDULE: Final = "15m"
#: What warehouses answer to in the integrations object, all of them.
NAME = "Warehouses"

#: By setting, what says which of its names nobody knows.
_HINTED: Final[Mapping[str, Callable[[int, Any], str]]] = {
    "schemas": schemas_hint,
    "exclude": selection_hint,
}

_TABLES_PAGE = Link("warehouse-tables", "See the tables")
_REJECTED_PAGE = Link("warehouse-rejected-values", "See the values and what to do")


@dataclass(frozen=True)
class WarehouseRoute(Route):
    """`All` does not mean warehouses: `Warehouses: {"all": false}` leaves them out, and `{"warehouseIds": [...]}` all but those.

    Source: Segment docs, "Warehouses FAQs". An id is that of the destination.
    """

    warehouse: int = 0

    def is_disabled(self, integrations: Mapping[str, Any], source: int) -> bool:  # noqa: ARG002 - of every source
        value = integrations.get(NAME)
        if not isinstance(value, dict):
            return value is not None and not value
        ids = value.get("warehouseIds")
        if isinstance(ids, list):
            return str(self.warehouse) not in map(str, ids)
        return value.get("all") is False


class Warehouse(Destination):
    kind = location.KIND
    title = "Warehouse"
    description = (
        "Every call as rows of Segment's tables, in DuckDB, PostgreSQL, Parquet files or another warehouse."
    )
    names = (NAME,)
    accepts = frozenset({"identify", "track", "page", "screen", "group", "alias", "delete"})
    group = Group.WAREHOUSES
    can_be_scheduled = True
    setup_page = "warehouse-runs"
    tabs = (
        Tab("Tables", "warehouse-tables"),
        Tab("How to query it", "warehouse-query"),
        Tab("Rejected values", "warehouse-rejected-values"),
        Tab("Runs", "warehouse-runs"),
    )
    urls = "jetbridge.integrations.warehouse.urls"
    api = "jetbridge.integrations.warehouse.api"
    own_settings = (
        Secret(
            name="url",
            label="Database URL",
            help="postgresql://user:password@host:5432/database, duckdb:///folder/file.duckdb, or Parquet files in filesystem:///folder; "
            "bigquery://, snowflake:// and others as the documentation has them.",
            help_if_empty="If empty, a DuckDB file in Jetbridge's home.",
            required=False,
            mask=location.shown_url,
            error=location.url_problem,
        ),
        Secret(
            name="key",
            label="Key",
            help="Only for bigquery:// and gs://: the JSON key of a Google service account, the whole file.",
            required=False,
            error=location.key_problem,
        ),
        Object(
            name="schemas",
            label="Schemas",
            help='The schema of each source, as {"Website": "web"}; without one it is named like the source. A source that was '
            "loaded keeps its schema.",
            required=False,
            group="Select",
            values={"type": "string"},
            error=schemas_problem,
        ),
        Text(
            name="exclude",
            label="Leave out",
            help="Tables and columns that are not loaded, separated by commas: pages, order_completed.coupon, *.context_ip.",
            required=False,
            multiline=True,
            group="Select",
            error=selection_problem,
            offered=offered_names,
        ),
    )
    pause_reasons = (
        PauseReason(
            "INVALID_AUTHENTICATION",
            "the database refuses the login",
            "Enter the URL with the right user, password and database again.",
        ),
        PauseReason(
            "WAREHOUSE_FORBIDDEN",
            "the database user lacks a right",
            "Grant the right that is named, or enter another user in the settings.",
        ),
        PauseReason(
            "EXTRA_MISSING",
            "a part of Jetbridge is not installed",
            "Who operates Jetbridge runs the command that the reason names.",
        ),
    )

    def open(self, ref: DestinationRef) -> WarehouseSink:
        values = self.values(ref)
        try:
            selection = parse_selection(values["exclude"])
        except InvalidSelection as error:
            raise PauseError("INVALID_SETTINGS", f"Leave out: {error}") from None
        database = self._database(ref)
        location.own_files(ref, values["url"])
        return WarehouseSink(ref, database, selection, values["schemas"] or {})

    def _database(self, ref: DestinationRef) -> Database:
        """Raises PauseError when the URL leads nowhere."""
        values = self.values(ref)
        return location.open_database(ref, values["url"], values["key"])

    def batch_policy(self, ref: DestinationRef) -> BatchPolicy:
        return DLT_BATCHES if _goes_through_dlt(self.values(ref)["url"]) else BATCHES

    def values(self, ref: DestinationRef) -> dict[str, Any]:
        values = super().values(ref)
        if is_empty(ref.settings.get(SCHEDULE.name)) and _goes_through_dlt(values["url"]):
            values[SCHEDULE.name] = DLT_SCHEDULE
        return values

    def parsed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        parsed = super().parsed(values)
        if _goes_through_dlt(str(parsed.get("url") or "")):
            parsed.setdefault(SCHEDULE.name, DLT_SCHEDULE)
        return parsed

    def problems(self, values: Mapping[str, Any]) -> dict[str, str]:
        problems = super().problems(values)
        if values.get(SCHEDULE.name) == CONTINUOUS and _goes_through_dlt(str(values.get("url") or "")):
            problems.setdefault(
                SCHEDULE.name,
                "This warehouse is loaded on a schedule. Choose how often, such as every 15 minutes.",
            )
        return problems

    def route(self, ref: DestinationRef) -> WarehouseRoute:
        route = super().route(ref)
        return WarehouseRoute(**vars(route), warehouse=ref.id)

    def engage_key_problems(
        self,
        ref: DestinationRef,  # noqa: ARG002 - the same for all
        keys: Mapping[str, ValueType | None],
        *,
        offline: bool = False,  # noqa: ARG002 - nothing is looked up
    ) -> Mapping[str, str]:
        return {
            key: f"The column {key} of every table has a meaning of its own. Choose another name."
            for key in keys
            if key in RESERVED_KEYS
        }

    def preview(self, ref: DestinationRef, message: Message, *, offline: bool = False) -> Preview:  # noqa: ARG002 - it asks nobody
        if message.type == "delete":
            return Preview(no_request="The person would be forgotten everywhere.")
        lines = []
        for row in parse_selection(self.values(ref)["exclude"]).of(rows_of(message)):
            lines += [row.table, *(f"  {name} = {json_text(value)}" for name, value in row.values.items())]
            lines += [f"  {name} is rejected: {reason}" for name, _, reason in row.rejections]
        return Preview(
            request="\n".join(lines), no_request="" if lines else "None: all its tables are left out."
        )

    def lights(self) -> Iterable[Light]:
        return lights()

    def warnings(self, ref: DestinationRef) -> list[str]:
        return [notice.message for notice in self.notices(ref)]

    def notices(self, ref: DestinationRef) -> list[Notice]:
        rows = loaded_tables(ref.id)
        notices = [Notice(row.problem, _TABLES_PAGE) for row in rows if row.problem]
        if rejected := sum(row.rejected for row in rows):
            message = f"Values rejected: {rejected:,}. Their rows were loaded without them."
            notices.append(Notice(message, _REJECTED_PAGE))
        return notices

    def check_settings(self, workspace: int, values: Mapping[str, Any]) -> SettingsCheck | None:
        """What `exclude` and `schemas` name and nobody has seen so far is a hint, and no error: it may come yet."""
        hints = [hint for name in _HINTED for hint in self.notes(workspace, name, values)]
        return SettingsCheck(None, " ".join(hints)) if hints else None

    def notes(self, workspace: int, name: str, values: Mapping[str, Any]) -> Sequence[str]:
        if name not in _HINTED or is_empty(values.get(name)):
            return super().notes(workspace, name, values)
        hint = _HINTED[name](workspace, values[name])
        return [hint] if hint else []

    def connection_steps(self, values: Mapping[str, Any]) -> Sequence[ConnectionStep]:
        return connection.steps(str(values.get("url") or ""))

    def check_connection(self, draft: ConnectionDraft) -> Iterator[StepResult]:
        return connection.check_connection(draft)

    def check(self, ref: DestinationRef) -> Iterable[Finding]:
        draft = ConnectionDraft(ref.workspace, self.values(ref), ref.id, list(ref.source_kinds))
        for result in self.check_connection(draft):
            if result.state == "failed":
                advice = f"{result.command} Then it goes on by itself.".strip()
                return [Finding("fail", f"{ref.name}: {result.message}", advice)]
        return [Finding("ok", f"{ref.name}: the database can be reached, logged in to, written and read.")]

    def delete_records(self, destination: int) -> None:
        super().delete_records(destination)
        folder = location.dlt_folder(destination)
        transaction.on_commit(lambda: shutil.rmtree(folder, ignore_errors=True))

    def removal_note(self, ref: DestinationRef) -> str:
        try:
            place = location.place_of(ref.id, self.values(ref)["url"])
        except InvalidURL:
            return ""
        if isinstance(place, location.File):
            where = f"The file {place.path}"
        elif isinstance(place, location.Server):
            where = f"The database {place.parameters['dbname']} on {place.host}"
        else:
            where = f"What is at {place.location}"
        return (
            f"{where} stays, with all its tables. When a person is forgotten from then on, that person's rows stay there: "
            "delete them yourself."
        )

    def erasure_handlers(self, workspace: int) -> list[WarehouseErasure]:
        refs = [ref for ref in directory.destinations_of(workspace) if ref.kind == self.kind]
        return [
            WarehouseErasure(ref.id, ref.name, [destination_consumer(ref.id)], partial(self._database, ref))
            for ref in refs
        ]


def _goes_through_dlt(url: str) -> bool:
    try:
        return bool(url) and isinstance(location.parse_url(url), DltPlace)
    except InvalidURL:
        return False


WAREHOUSE = Warehouse()
INTEGRATIONS = (WAREHOUSE,)
