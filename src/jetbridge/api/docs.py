"""The documentation of the API: the OpenAPI document, and a plain page made from it. Neither needs a token."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from pydantic import Field

from jetbridge.api.schemas import OutSchema, example
from jetbridge.http.problem import PROBLEM_JSON, PROBLEM_TYPES, problem_json

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
def openapi(request: HttpRequest, api: NinjaAPI) -> HttpResponse:  # noqa: ARG001 - Django's signature
    return HttpResponse(document_json(api, settings.CONFIG.public_url), content_type="application/json")


@require_safe
def page(request: HttpRequest, api: NinjaAPI) -> HttpResponse:
    document = msgspec.json.decode(document_json(api, settings.CONFIG.public_url))
    by_tag: dict[str, list[Call]] = {tag["name"]: [] for tag in document["tags"]}
    for tag, call in calls(document):
        by_tag[tag].append(call)
    context = {
        "address": document["servers"][0]["url"],
        "by_tag": by_tag,
        "problem_types": [(row, _with_code(row.fix)) for row in PROBLEM_TYPES.values()],
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


#: Errors that every call may have.
_ERRORS = (
    "INVALID_TOKEN",
    "INSUFFICIENT_ROLE",
    "NOT_FOUND",
    "INVALID_REQUEST",
    "INTERNAL_ERROR",
    "UNAVAILABLE",
)
_SCHEMAS = "#/components/schemas/"


class FaultOut(OutSchema):
    """One fault of a request: at a JSON pointer into the body, or in a parameter."""

    pointer: Annotated[str, example("/name")] = ""
    parameter: Annotated[str, example("limit")] = ""
    detail: Annotated[str, example("Field required")]


class Problem(OutSchema):
    """An error (RFC 9457). `detail` says what happened, and to what; `fix` what to do; `code` is stable."""

    type: Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(json_schema_extra={"enum": list(PROBLEM_TYPES)})]
    fix: str
    errors: list[FaultOut] = []


@cache
def document_json(api: NinjaAPI, address: str) -> bytes:
    return msgspec.json.encode(document(api, address))


def document(api: NinjaAPI, address: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document: what django-ninja makes of the calls, completed. `address`: where this Jetbridge is.

    django-ninja writes neither the errors that all calls share nor examples, gives every field a title that repeats its
    name, and writes examples of parameters as a list, which OpenAPI does not have.
    """
    made = dict(api.get_openapi_schema(path_prefix=""))
    components = made["components"]
    problem = Problem.model_json_schema(ref_template=_SCHEMAS + "{model}", mode="serialization")
    components["schemas"] |= problem.pop("$defs") | {"Problem": problem}
    components["responses"] = {}
    for problem_type in PROBLEM_TYPES.values():
        problem = msgspec.json.decode(problem_json(problem_type.code, "What happened, and to what."))
        content = {PROBLEM_JSON: {"schema": {"$ref": f"{_SCHEMAS}Problem"}, "example": problem}}
        components["responses"][problem_type.code] = {
            "description": f"{problem_type.title}. {problem_type.fix}",
            "content": content,
        }
    for path in made["paths"].values():
        for method, operation in path.items():
            _complete(operation, method, components["schemas"])
    tags = list(
        dict.fromkeys(operation["tags"][0] for path in made["paths"].values() for operation in path.values())
    )
    made |= {"servers": [{"url": f"{address}/api/v1"}], "tags": [{"name": tag} for tag in tags]}
    _drop_titles(made)
    return made


def _complete(operation: dict[str, Any], method: str, schemas: dict[str, Any]) -> None:
    for parameter in operation["parameters"]:
        parameter.pop("examples", None)
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        # In a request null mostly means what absence means.
        values = example_of(body["schema"], schemas).items()
        body["example"] = {name: value for name, value in values if value is not None}
    responses = {str(status): response for status, response in operation["responses"].items()}
    for response in responses.values():
        response["description"] = operation["summary"]
        if content := response.get("content", {}).get("application/json"):
            content["example"] = example_of(content["schema"], schemas)
    codes = [*_ERRORS]
    codes += ["CONFLICT"] if method != "get" else []
    codes += ["INVALID_JSON", "REQUEST_TIMEOUT", "BODY_TOO_LARGE"] if "requestBody" in operation else []
    # Several codes may share a status: then one stands for them.
    operation["responses"] = responses | {
        str(PROBLEM_TYPES[code].status): {"$ref": f"#/components/responses/{code}"} for code in codes
    }


def example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """A value that fits a schema, from the examples of its fields."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].removeprefix(_SCHEMAS)], schemas)
    for key in ("examples", "enum", "anyOf", "allOf"):
        if key in schema:
            return schema[key][0] if key in {"examples", "enum"} else example_of(schema[key][0], schemas)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("type") == "object":
        return {name: example_of(field, schemas) for name, field in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas)]
    return {"integer": 0, "number": 0.0, "boolean": True, "string": "…"}.get(schema.get("type", ""))


def _drop_titles(part: Any) -> None:
    """A property may be called title; then it is no text."""
    if isinstance(part, dict):
        if isinstance(part.get("title"), str) and part.keys() & {
            "type",
            "anyOf",
            "allOf",
            "$ref",
            "enum",
            "const",
        }:
            del part["title"]
        for value in part.values():
            _drop_titles(value)
    elif isinstance(part, list):
        for value in part:
            _drop_titles(value)
