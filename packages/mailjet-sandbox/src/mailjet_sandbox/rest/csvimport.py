"""csvimport: imports of an uploaded file; and batchjob, which shows every job."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mailjet_sandbox import clock, contacts, errors, imports
from mailjet_sandbox.imports import EXCLUSIONS
from mailjet_sandbox.model import Job, ListAction
from mailjet_sandbox.requests import Query
from mailjet_sandbox.rest.resource import Fields, Resource, by_id, integer, one_of, read_only, text
from mailjet_sandbox.wire import Row

_METHODS = (*contacts.ACTIONS, *EXCLUSIONS)
_EXCLUSION_IS_GLOBAL = (
    "Exclusion of contacts from marketing campaign is a global status and can not be applied to a list"
)


def _status(_name: str, value: Any) -> Any:
    if value != "Upload":  # [R] mailjet-apiv3-java#24
        raise errors.MailjetError(
            400, f'Invalid value for Status: "{value}". Status can only be set to Upload'
        )


class CsvImports(Resource[Job]):
    name = "csvimport"
    type_name = "CSVImport"
    operations = frozenset({"GET", "PUT", "POST"})
    fields = {
        "AliveAt": read_only,
        "ContactsListID": integer,
        "Count": read_only,
        "Current": read_only,
        "DataID": integer,
        "Errcount": read_only,
        "ErrTreshold": integer,  # [R] sic
        "ID": read_only,
        "ImportOptions": text,
        "JobEnd": read_only,
        "JobStart": read_only,
        "Method": one_of(*_METHODS),
        "RequestAt": read_only,
        "Status": _status,
    }

    def rows(self, _query: Query) -> Iterable[Job]:
        return [job for job in self.store.jobs.values() if job.kind == "csv"]

    def find(self, key: str) -> Job | None:
        job = by_id(self.store.jobs, key)
        return job if job is not None and job.kind == "csv" else None

    def sort_keys(self) -> Mapping[str, Callable[[Job], Any]]:
        return {"ID": lambda job: job.id}

    def render(self, row: Job, _query: Query) -> Row:
        status = self.state.jobs.status(row)
        return {
            "AliveAt": clock.rfc3339(row.ended_at or row.started_at),
            "ContactsListID": row.lists[0].list_id if row.lists else 0,
            "Count": row.count,
            "Current": row.count,
            "DataID": row.data_id,
            "Errcount": len(row.errors),
            "ErrTreshold": row.error_threshold,
            "ID": row.id,
            "ImportOptions": row.options,
            "JobEnd": clock.rfc3339(row.ended_at),
            "JobStart": clock.rfc3339(row.started_at),
            "Method": row.method,
            "RequestAt": clock.rfc3339(int(row.created_at)),
            "Status": "Upload" if status == "Allocated" else status,
        }

    def create(self, fields: Fields) -> Job:
        """Start an import. Method defaults to addnoforce [X]; ErrTreshold is kept but stops nothing [X]."""
        method, data_id = fields.get("Method", "addnoforce"), fields.get("DataID", 0)
        lists = self._lists(method, fields.get("ContactsListID", 0))
        if data_id not in self.store.uploads:
            raise errors.invalid_property("DataID", errors.REQUIRED)
        options = fields.get("ImportOptions", "")
        _, rows = imports.read_table(self.store.uploads[data_id], imports.read_options(options))
        job = self.state.jobs.new("csv", lists, rows, self.name)
        job.method, job.options, job.data_id = method, options, data_id
        job.error_threshold = fields.get("ErrTreshold", 0)
        self.state.jobs.enqueue(job)
        return job

    def update(self, _row: Job, _fields: Fields) -> bool:
        return False

    def _lists(self, method: str, list_id: int) -> list[ListAction]:
        if method in EXCLUSIONS:
            if list_id:
                raise errors.invalid_property("ContactsList", _EXCLUSION_IS_GLOBAL)  # [D]
            return []
        if self.store.active_list(list_id) is None:
            raise errors.invalid_property("ContactsListID", errors.REQUIRED)
        return [ListAction(list_id, method)]


_JOB_TYPES = {"json": "Contact manage", "csv": "CSV import", "importlist": "List import"}  # [X]


class BatchJobs(Resource[Job]):
    name = "batchjob"
    type_name = "BatchJob"

    def rows(self, _query: Query) -> Iterable[Job]:
        return list(self.store.jobs.values())

    def find(self, key: str) -> Job | None:
        return by_id(self.store.jobs, key)

    def sort_keys(self) -> Mapping[str, Callable[[Job], Any]]:
        return {"ID": lambda job: job.id}

    def render(self, row: Job, _query: Query) -> Row:
        """Times are Unix seconds here [R]."""
        return {
            "AliveAt": row.ended_at or row.started_at,
            "Blocksize": 0,
            "Count": row.count,
            "Current": row.count,
            "Errcount": len(row.errors),
            "ErrTreshold": row.error_threshold,
            "ID": row.id,
            "JobEnd": row.ended_at,
            "JobStart": row.started_at,
            "JobType": _JOB_TYPES.get(row.kind, ""),
            "Method": row.method or "Unknown",
            "RequestAt": int(row.created_at),
            "Status": self.state.jobs.status(row),
            "Throttle": 0,
        }
