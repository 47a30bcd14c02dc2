"""Imports: a file of people becomes messages of a source. Upload, look at the preview, confirm."""

from typing import Annotated, Any

import msgspec
from django.http import FileResponse
from ninja import Query
from pydantic import Field

from jetbridge.api.errors import HTTPError
from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, editor
from jetbridge.api.schemas import Id, InSchema, OutSchema, QuerySchema, Timestamp, example
from jetbridge.control import processes
from jetbridge.imports import store
from jetbridge.imports.files.options import Options
from jetbridge.imports.models import Import
from jetbridge.services import imports as import_services

router = ApiRouter(tags=["Imports"])

#: Of an upload, so much is in memory at a time.
CHUNK_BYTES = 1024 * 1024

_FILE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}

FileName = Annotated[str, example("people.csv")]
Encoding = Annotated[str, Field(max_length=200, examples=["utf-8"])]
Format = Annotated[str, Field(max_length=200, examples=["csv"])]
Delimiter = Annotated[str, Field(max_length=1, examples=[";"])]
ColumnName = Annotated[str, Field(max_length=200)]
UserIdColumn = Annotated[ColumnName, example("Customer number")]
EmailColumn = Annotated[ColumnName, example("E-mail")]


class ImportOptionsIn(InSchema):
    """How a file is to be read. Empty: detect it. Columns are named as in the file.

    `format` is csv, json or ndjson; `encoding` such as utf-8 or cp1252; `text` are columns that are never read as
    numbers.
    """

    encoding: Encoding = ""
    format: Format = ""
    delimiter: Delimiter = ""
    user_id_column: UserIdColumn = ""
    email_column: EmailColumn = ""
    text: Annotated[list[ColumnName], Field(max_length=2_000, examples=[["Zip"]])] = []


class ImportQuery(QuerySchema):
    """`name` is what the file is called; as for the others see ImportOptionsIn."""

    name: Annotated[FileName, Field(min_length=1, max_length=200)]
    encoding: Encoding = ""
    format: Format = ""
    delimiter: Delimiter = ""
    user_id_column: UserIdColumn = ""
    email_column: EmailColumn = ""


class ImportOut(OutSchema):
    """`state` is reading (by the worker), ready (to be confirmed), running, ended, failed (`problem` says why) or
    cancelled.

    `accepted` and `rejected` are rows: of a ready import, what would become of them. `about` says how the file is
    read: encoding, separator, the columns with types and examples, the first calls, the first rejected rows. Files and
    `about` are removed a day after the end, and a day after the upload if nobody confirms it.
    """

    id: Id
    name: FileName
    bytes: Annotated[int, example(2048)]
    state: Annotated[str, example("ready")]
    done: int
    accepted: Annotated[int, example(120)]
    rejected: int
    problem: Annotated[str, example("")]
    options: Annotated[dict[str, Any], example({"delimiter": ";"})]
    about: Annotated[dict[str, Any] | None, example({"kind": "csv", "rows": 120})]
    worker_runs: bool
    created_at: Timestamp
    begun_at: Timestamp | None
    ended_at: Timestamp | None


@router.get("/sources/{int:source}/imports", auth=editor, response=Page[ImportOut])
def list_imports(request: ApiRequest, source: Id, paging: Query[Paging]) -> Page[ImportOut]:
    """Files that were imported into a source, newest first."""
    return page_of(request.auth.source(source).imports.all(), paging, _import)


@router.post(
    "/sources/{int:source}/imports",
    auth=editor,
    response={202: ImportOut},
    openapi_extra={"requestBody": {"required": True, "content": _FILE}},
)
def upload_import(request: ApiRequest, source: Id, query: Query[ImportQuery]) -> ImportOut:
    """Upload a file of people for a source.

    The body is the file: CSV, TSV, a JSON array or NDJSON, or .gz of these, of at most 100 MB. The worker reads it;
    nothing is sent before it is confirmed.
    """
    row = request.auth.source(source)
    chunks = iter(lambda: request.read(CHUNK_BYTES), b"")
    options = Options(**query.model_dump(exclude={"name"}))
    return _import(import_services.upload(request.auth.actor, row, query.name, chunks, options))


@router.get("/sources/{int:source}/imports/{int:upload}", auth=editor, response=ImportOut)
def get_import(request: ApiRequest, source: Id, upload: Id) -> ImportOut:
    """How far an import is, and what is in its file."""
    return _import(_find(request.auth, source, upload))


@router.post("/sources/{int:source}/imports/{int:upload}/read", auth=editor, response={202: ImportOut})
def read_import_otherwise(
    request: ApiRequest,
    source: Id,
    upload: Id,
    body: ImportOptionsIn = ImportOptionsIn(),  # noqa: B008 - ninja's way to say that a body is optional
) -> ImportOut:
    """Read the file of an import again, with other options, before it is confirmed."""
    row = _find(request.auth, source, upload)
    import_services.read_otherwise(request.auth.actor, row, Options.of(body.model_dump()))
    return _import(row)


@router.post("/sources/{int:source}/imports/{int:upload}/confirm", auth=editor, response={202: ImportOut})
def confirm_import(request: ApiRequest, source: Id, upload: Id) -> ImportOut:
    """Send what can be sent of a file, as messages of its source."""
    row = _find(request.auth, source, upload)
    import_services.confirm(request.auth.actor, row)
    return _import(row)


@router.post("/sources/{int:source}/imports/{int:upload}/cancel", auth=editor, response=ImportOut)
def cancel_import(request: ApiRequest, source: Id, upload: Id) -> ImportOut:
    """Send nothing more of a file. What was sent until then stays."""
    row = _find(request.auth, source, upload)
    import_services.cancel(request.auth.actor, row)
    return _import(row)


@router.get(
    "/sources/{int:source}/imports/{int:upload}/rejected",
    auth=editor,
    openapi_extra={"responses": {200: {"content": _FILE}}},
)
def get_rejected_rows(request: ApiRequest, source: Id, upload: Id) -> FileResponse:
    """The rejected rows of an import that has ended, with their reasons, as a file to be corrected and sent again."""
    row = _find(request.auth, source, upload)
    if not store.has_rejected(row):
        raise HTTPError(
            "NOT_FOUND",
            f"There is no file of rejected rows of {row.name}: no row was rejected, or the import has not ended, or the "
            "file was removed a day after its end.",
            fix="Read `state` and `rejected` of the import first.",
        )
    return FileResponse(
        store.rejected_path(row.id).open("rb"),
        as_attachment=True,
        filename=store.rejected_name(row),
        content_type="application/octet-stream",
    )


def _find(caller: Caller, source: int, upload: int) -> Import:
    """Raises HTTPError (404)."""
    rows = caller.source(source).imports.select_related("source")
    return caller.find(rows, upload, "import")


def _import(row: Import) -> ImportOut:
    return ImportOut(
        id=row.id,
        name=row.name,
        bytes=row.size,
        state=row.state,
        done=row.done,
        accepted=row.accepted,
        rejected=row.rejected,
        problem=row.problem,
        options=row.options,
        about=msgspec.json.decode(row.about) if row.about else None,
        worker_runs=processes.worker_runs(),
        created_at=row.created_at,
        begun_at=row.begun_at,
        ended_at=row.ended_at,
    )
