"""The documentation of the API: the OpenAPI document, and a plain page made from it. Both need no token."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from jetbridge.api.openapi import document_json
from jetbridge.http.problem import PROBLEM_TYPES

_CODE = re.compile(r"`([^`]+)`")


class Parameter(NamedTuple):
    name: str
    required: bool
    text: SafeString


class Call(NamedTuple):
    """One call as the page shows it. `parameters` are those of its query; `curl` and `response` are examples, the latter
    of `schema`; "" is a file.
    """

    id: str
    method: str
    path: str
    summary: str
    description: SafeString
    role: str
    parameters: list[Parameter]
    curl: str
    status: str
    schema: str
    response: str


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's signature
    return HttpResponse(document_json(settings.CONFIG.public_url), content_type="application/json")


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    document = msgspec.json.decode(document_json(settings.CONFIG.public_url))
    by_tag: dict[str, list[Call]] = {tag["name"]: [] for tag in document["tags"]}
    for tag, call in calls(document):
        by_tag[tag].append(call)
    context = {
        "address": document["servers"][0]["url"],
        "by_tag": by_tag,
        "problem_types": [(row, _with_code(row.remedy)) for row in PROBLEM_TYPES.values()],
        "schemas": {name: _pretty(schema) for name, schema in document["components"]["schemas"].items()},
    }
    return render(request, "api/docs.html", context)


def calls(document: dict[str, Any]) -> Iterator[tuple[str, Call]]:
    """Each call with the heading that it stands under."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            status, response = next(iter(operation["responses"].items()))
            content = response["content"].get("application/json")
            call = Call(
                id=operation["operationId"],
                method=method.upper(),
                path=path,
                summary=operation["summary"],
                description=_with_code(operation["description"]),
                role=operation["x-role"],
                parameters=[_parameter(row) for row in operation["parameters"] if row["in"] == "query"],
                curl=_curl(method.upper(), path, operation),
                status=status,
                schema=content["schema"]["$ref"].rpartition("/")[2] if content else "",
                response=_pretty(content["example"]) if content else "The file.",
            )
            yield operation["tags"][0], call


def _parameter(row: dict[str, Any]) -> Parameter:
    """What is known of it besides its type: a description, its values, its default, an example."""
    schema = row["schema"]
    branches = [schema, *schema.get("anyOf", ())]
    facts = [row.get("description", "")]
    facts += [f"One of {', '.join(map(str, branch['enum']))}." for branch in branches if "enum" in branch]
    if schema.get("default") not in {None, ""}:
        facts.append(f"{schema['default']} by default.")
    else:
        facts += [f"Such as {branch['examples'][0]}." for branch in branches if "examples" in branch]
    return Parameter(row["name"], row["required"], _with_code(" ".join(filter(None, facts))))


def _curl(method: str, path: str, operation: dict[str, Any]) -> str:
    values = {row["name"]: row["schema"]["examples"][0] for row in operation["parameters"] if row["required"]}
    query = {
        row["name"]: values[row["name"]]
        for row in operation["parameters"]
        if row["in"] == "query" and row["required"]
    }
    query |= operation.get("x-example-query", {})
    address = f"$API{path.format(**values)}" + (f"?{urlencode(query)}" if query else "")
    content = operation.get("requestBody", {}).get("content", {})
    data = ""
    if "application/json" in content:
        data = f" \\\n  -d '{json.dumps(content['application/json']['example'], ensure_ascii=False)}'"
    elif content:
        data = " \\\n  --data-binary @people.csv"
    verb = "" if method == ("POST" if data else "GET") else f"-X {method} "
    return f'curl {verb}-H "Authorization: Bearer $TOKEN" "{address}"{data}'


def _with_code(text: str) -> SafeString:
    """For HTML, with what stands in backticks as code."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(text)))  # noqa: S308 - escaped first


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
