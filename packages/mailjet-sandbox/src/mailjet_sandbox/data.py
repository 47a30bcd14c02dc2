"""``/v3/DATA``: the files of imports, without the envelope of the REST resources."""

from starlette.responses import Response

from mailjet_sandbox import errors, imports, wire
from mailjet_sandbox.model import Job
from mailjet_sandbox.requests import as_id
from mailjet_sandbox.state import Call, State

_MEDIA_TYPES = ("text/plain", "text/csv")


class Data:
    def __init__(self, state: State) -> None:
        self._store = state.store
        self._handlers = {
            ("POST", "contactslist", "csvdata"): self._upload,
            ("GET", "batchjob", "jsonerror"): self._json_errors,
            ("GET", "batchjob", "csverror"): self._csv_errors,
        }

    def handle(self, call: Call) -> Response:
        """Answer ``{resource}/{id}/{kind}/{media type}[/LAST]``, in any case."""
        words = [segment.lower() for segment in call.segments]
        handler = self._handlers.get((call.method, words[0], words[2])) if len(words) > 2 else None
        if handler is None:
            raise _source_not_found(call)
        return handler(as_id(words[1]) or 0, call)

    def _upload(self, list_id: int, call: Call) -> Response:
        """Keep a CSV for csvimport; the handler is 200, not 201 [R]."""
        if self._store.active_list(list_id) is None:
            raise _source_not_found(call)
        try:
            text = call.body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise errors.MailjetError(400, "Invalid UTF-8 in data") from None  # [X]
        identifier = self._store.new_id("data")
        self._store.uploads[identifier] = text
        return wire.legacy({"ID": identifier})

    def _json_errors(self, job_id: int, call: Call) -> Response:
        return wire.legacy(list(self._failed(job_id, "json", call).errors))

    def _csv_errors(self, job_id: int, call: Call) -> Response:
        """List the rejected lines unchanged, with the error in a column ``error`` [D]."""
        job = self._failed(job_id, "csv", call)
        names, rows = imports.read_table(self._store.uploads[job.data_id], imports.read_options(job.options))
        table = []
        for error in job.errors:
            info = error["ErrorInfo"]
            table.append(
                [*rows[error["Row"]], "".join(f"###{message}###{column}" for column, message in info.items())]
            )
        return Response(imports.write_table([*names, "error"], table), headers={"Content-Type": "text/csv"})

    def _failed(self, job_id: int, kind: str, call: Call) -> Job:
        job = self._store.jobs.get(job_id)
        if job is None or job.kind != kind or not job.ended_at or not job.errors:
            raise _source_not_found(call)
        return job


def _source_not_found(call: Call) -> errors.MailjetError:
    """Return the error with the type that the path names, ``text:plain`` or ``text:csv`` [R]."""
    media_type = call.segments[3].lower().replace(":", "/") if len(call.segments) > 3 else ""
    return errors.source_not_found(media_type if media_type in _MEDIA_TYPES else "application/json")
