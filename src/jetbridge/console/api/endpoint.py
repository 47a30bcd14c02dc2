"""One endpoint, declared: what it is called, who may call it, and the types that go in and come out.

The view, its checks and the OpenAPI document are made from this. A function becomes an endpoint by `@endpoint`;
its parameters are the caller, the numbers in the path, and `query` and `body`, if it has them.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from jetbridge.control.people import Role

_NUMBER = re.compile(r"<int:(\w+)>")


@dataclass(frozen=True)
class Endpoint:
    """`path` is Django's, below /api/v1/. `query` and `body` are msgspec structs, or None."""

    method: str
    path: str
    role: Role
    status: int
    name: str
    does: Callable[..., Any]
    summary: str
    more: str
    query: Any
    body: Any
    answer: Any

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it."""
        return "/" + _NUMBER.sub(r"{\1}", self.path)

    @property
    def numbers(self) -> list[str]:
        """What the path names by number."""
        return _NUMBER.findall(self.path)


def endpoint(
    method: str, path: str, role: Role = Role.VIEWER, *, status: int = 200
) -> Callable[[Callable[..., Any]], Endpoint]:
    """The first line of the function's docstring is the summary, the rest tells more."""

    def declare(does: Callable[..., Any]) -> Endpoint:
        types = get_type_hints(does, include_extras=True)
        summary, _, more = (inspect.getdoc(does) or "").partition("\n")
        return Endpoint(
            method,
            path,
            role,
            status,
            does.__name__,
            does,
            summary.rstrip("."),
            " ".join(more.split()),
            types.get("query"),
            types.get("body"),
            types["return"],
        )

    return declare
