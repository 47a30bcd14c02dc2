"""The OpenAPI 3.1 document: what django-ninja makes of the calls, completed.

django-ninja writes neither the errors that all calls share nor examples, gives every field a title that repeats its
name, and writes examples of parameters as a list, which OpenAPI does not have.
"""

from functools import cache
from typing import Annotated, Any

import msgspec
from pydantic import Field

from jetbridge.api.app import api
from jetbridge.api.schemas import OutSchema, example
from jetbridge.http.problem import PROBLEM_JSON, PROBLEM_TYPES, ProblemType, problem_json

_SCHEMAS = "#/components/schemas/"


class FaultOut(OutSchema):
    """One fault of a request: at a JSON pointer into the body, or in a parameter."""

    pointer: Annotated[str, example("/name")] = ""
    parameter: Annotated[str, example("limit")] = ""
    detail: Annotated[str, example("Field required")]


class Problem(OutSchema):
    """An error (RFC 9457). `detail` says what happened, and to what; `remedy` what to do; `code` is stable."""

    type: Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(json_schema_extra={"enum": list(PROBLEM_TYPES)})]
    remedy: str
    errors: list[FaultOut] = []


@cache
def document_json(address: str) -> bytes:
    return msgspec.json.encode(document(address))


def document(address: str) -> dict[str, Any]:
    """`address`: where this Jetbridge is."""
    made = dict(api.get_openapi_schema(path_prefix=""))
    components = made["components"]
    problem = Problem.model_json_schema(ref_template=_SCHEMAS + "{model}", mode="serialization")
    components["schemas"] |= problem.pop("$defs") | {"Problem": problem}
    components["responses"] = {
        problem_type.code: _error(problem_type) for problem_type in PROBLEM_TYPES.values()
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
        body["example"] = _without_null(example_of(body["schema"], schemas))
    responses = {str(status): response for status, response in operation["responses"].items()}
    for response in responses.values():
        response["description"] = operation["summary"]
        if content := response.get("content", {}).get("application/json"):
            content["example"] = example_of(content["schema"], schemas)
    operation["responses"] = responses | _errors(has_body="requestBody" in operation, changes=method != "get")


def _errors(*, has_body: bool, changes: bool) -> dict[str, Any]:
    codes = [
        "INVALID_TOKEN",
        "INSUFFICIENT_ROLE",
        "NOT_FOUND",
        "INVALID_REQUEST",
        "INTERNAL_ERROR",
        "UNAVAILABLE",
    ]
    codes += ["CONFLICT"] if changes else []
    codes += ["INVALID_JSON", "REQUEST_TIMEOUT", "BODY_TOO_LARGE"] if has_body else []
    return {str(PROBLEM_TYPES[code].status): {"$ref": f"#/components/responses/{code}"} for code in codes}


def _error(problem_type: ProblemType) -> dict[str, Any]:
    """Several codes may share a status: then the one that is referred to stands for them."""
    made = msgspec.json.decode(problem_json(problem_type.code, "What happened, and to what."))
    content = {PROBLEM_JSON: {"schema": {"$ref": f"{_SCHEMAS}Problem"}, "example": made}}
    return {"description": f"{problem_type.title}. {problem_type.remedy}", "content": content}


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


def _without_null(body: dict[str, Any]) -> dict[str, Any]:
    """In a request null mostly means what absence means."""
    return {name: value for name, value in body.items() if value is not None}


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
