"""Import: upload a file of people, look at what would be sent, confirm, and see what became of it."""

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from jetbridge.console.access import MemberRequest
from jetbridge.console.sources.page import editors_source_view
from jetbridge.control import processes
from jetbridge.control.models import Source
from jetbridge.errors import ConfigurationError
from jetbridge.imports import store
from jetbridge.imports.files.options import DELIMITERS, ENCODINGS, Options
from jetbridge.imports.models import Import
from jetbridge.services import imports as import_services

#: Of a source, so many imports are listed.
SHOWN = 20
#: Columns that are shown before the rest is folded away.
SHOWN_COLUMNS = 12


class UploadForm(forms.Form):
    file = forms.FileField(
        label="File",
        help_text="CSV as a spreadsheet saves it, TSV, JSON or NDJSON; also packed as .gz. 100 MB at the most.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.tsv,.txt,.json,.ndjson,.jsonl,.gz"}),
        error_messages={"required": "Choose a file."},
    )


class OptionsForm(forms.Form):
    """Where what was detected is wrong."""

    encoding = forms.ChoiceField(required=False, choices=[("", "As detected"), *ENCODINGS.items()])
    delimiter = forms.ChoiceField(
        required=False,
        label="Cells are separated by",
        choices=[
            ("", "As detected"),
            *((delimiter, name.capitalize()) for delimiter, name in DELIMITERS.items()),
        ],
    )
    email_column = forms.CharField(required=False, max_length=200, label="Column of the email address")
    user_id_column = forms.CharField(required=False, max_length=200, label="Column of the userId")
    text = forms.MultipleChoiceField(
        required=False,
        label="Columns that stay text",
        help_text="Although every cell is a number.",
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, row: Import, about: dict[str, Any], data: Any = None) -> None:
        super().__init__(data, initial=row.options)
        numbers = [column["name"] for column in about.get("columns", []) if column["type"] == "number"]
        texts = list(dict.fromkeys([*numbers, *row.options.get("text", [])]))
        self.fields["text"].choices = [(name, name) for name in texts]  # type: ignore[attr-defined]
        if not texts:
            del self.fields["text"]
        for name in ("email_column", "user_id_column"):
            self.fields[name].widget.attrs |= {"placeholder": "as detected", "autocomplete": "off"}

    def options(self) -> Options:
        return Options.of(self.cleaned_data)


@editors_source_view
def index(request: MemberRequest, source: Source) -> HttpResponse:
    """POST uploads a file."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST":
        form = UploadForm(request.POST, request.FILES)
        if form.is_valid():
            file = form.cleaned_data["file"]
            try:
                row = import_services.upload(request.actor, source, file.name, file.chunks(), Options())
            except ConfigurationError as error:
                form.add_error("file", str(error))
            else:
                return redirect("source-import-one", request.workspace.id, source.id, row.id)
    rows = source.imports.order_by("-id")[:SHOWN]
    context = {"source": source, "form": form, "rows": rows}
    return render(request, "console/sources/import.html", context, status=422 if form.errors else 200)


@editors_source_view
def one(request: MemberRequest, source: Source, upload: int) -> HttpResponse:
    """POST reads the file with other options."""
    row = _own(source, upload)
    about = json.loads(row.about) if row.about else {}
    form = OptionsForm(row, about, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            import_services.read_otherwise(request.actor, row, form.options())
        except ConfigurationError as error:
            messages.error(request, str(error))
        return redirect("source-import-one", request.workspace.id, source.id, row.id)
    columns = about.get("columns", [])
    context = {
        "source": source,
        "row": row,
        "about": about,
        "columns": columns[:SHOWN_COLUMNS],
        "more_columns": columns[SHOWN_COLUMNS:],
        "calls": [json.dumps(call, ensure_ascii=False, indent=2) for call in about.get("calls", [])],
        "form": form,
        "share": min(100, 100 * row.done // row.size) if row.size else None,
        "can_be_read_otherwise": store.can_be_read_otherwise(row),
        "has_rejected": store.has_rejected(row),
        "most_rejected": store.MOST_REJECTED if row.rejected > store.MOST_REJECTED else None,
        "worker_runs": processes.worker_runs(),
        "has_no_destination": not source.destinations.exists(),
    }
    return render(request, "console/sources/import_one.html", context, status=422 if form.errors else 200)


@editors_source_view
@require_POST
def confirm(request: MemberRequest, source: Source, upload: int) -> HttpResponse:
    return _change(request, source, upload, import_services.confirm)


@editors_source_view
@require_POST
def cancel(request: MemberRequest, source: Source, upload: int) -> HttpResponse:
    return _change(request, source, upload, import_services.cancel)


@editors_source_view
@require_safe
def rejected(request: MemberRequest, source: Source, upload: int) -> HttpResponseBase:  # noqa: ARG001 - a view's signature
    """The rejected rows, as a file."""
    row = _own(source, upload)
    if not store.has_rejected(row):
        raise Http404
    path = store.rejected_path(row.id)
    return FileResponse(
        path.open("rb"),
        as_attachment=True,
        filename=store.rejected_name(row),
        content_type="application/octet-stream",
    )


def _change(request: MemberRequest, source: Source, upload: int, act: Any) -> HttpResponse:
    row = _own(source, upload)
    try:
        act(request.actor, row)
    except ConfigurationError as error:
        messages.error(request, str(error))
    return redirect("source-import-one", request.workspace.id, source.id, row.id)


def _own(source: Source, upload: int) -> Import:
    return get_object_or_404(source.imports.select_related("source"), id=upload)
