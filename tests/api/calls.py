"""The calls of the API, as its document has them: what tests walk through."""

from dataclasses import dataclass, field
from typing import Any

from jetbridge.api.app import api as json_api
from jetbridge.api.docs import document
from jetbridge.control.people import Role


@dataclass(frozen=True)
class Call:
    """`ids` are what the path names, `parameters` those of the query; `status` is that of success."""

    name: str
    method: str
    path: str
    heading: str
    summary: str
    role: Role
    ids: list[str]
    parameters: list[str]
    has_body: bool
    status: int
    operation: dict[str, Any] = field(repr=False)

    def at(self, **ids: int | str) -> str:
        """The path below /api/v1/."""
        return self.path[1:].format(**ids)


def _call(path: str, method: str, operation: dict[str, Any]) -> Call:
    where = {row["name"]: row["in"] for row in operation["parameters"]}
    return Call(
        operation["operationId"],
        method.upper(),
        path,
        operation["tags"][0],
        operation["summary"],
        Role(operation["x-role"]),
        [name for name, place in where.items() if place == "path"],
        [name for name, place in where.items() if place == "query"],
        "requestBody" in operation,
        int(next(iter(operation["responses"]))),
        operation,
    )


DOCUMENT = document(json_api, "http://here")
CALLS = [
    _call(path, method, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def body_schema(call: Call) -> dict[str, Any]:
    """The JSON schema of what a call takes."""
    content = call.operation["requestBody"]["content"]["application/json"]["schema"]
    name = (content.get("allOf") or [content])[0]["$ref"].rpartition("/")[2]
    schema: dict[str, Any] = DOCUMENT["components"]["schemas"][name]
    return schema
