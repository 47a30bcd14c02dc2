"""Errors for programs: `application/problem+json` (RFC 9457), with a stable code and what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

PROBLEM_JSON = "application/problem+json"
#: Paths whose responses are for programs.
API_PREFIX = "/api/"
#: The page that explains every code, at `#error-CODE`.
DOCS_PATH = "/api/v1/"


@dataclass(frozen=True)
class ProblemType:
    """What errors of one code have in common. `fix` is used where the error itself names none."""

    code: str
    status: int
    title: str
    fix: str

    @property
    def uri(self) -> str:
        return f"{DOCS_PATH}#error-{self.code}"


_TYPES = (
    ProblemType(
        "BAD_REQUEST",
        400,
        "The request was not understood",
        "Send it again as HTTP and the document of the API have it.",
    ),
    ProblemType(
        "INVALID_JSON",
        400,
        "The body is not JSON",
        "Send a JSON object in UTF-8, or no body where none is needed.",
    ),
    ProblemType(
        "WRONG_HOST",
        400,
        "Wrong host",
        "Call the host of JETBRIDGE_PUBLIC_URL, or correct that setting on the server.",
    ),
    ProblemType(
        "INVALID_TOKEN",
        401,
        "No valid API token",
        "Send `Authorization: Bearer TOKEN`. An owner creates tokens in Settings, API tokens.",
    ),
    ProblemType(
        "INSUFFICIENT_ROLE",
        403,
        "The token's role is not enough",
        "Ask an owner for a token with the role that is named.",
    ),
    ProblemType(
        "NOT_FOUND",
        404,
        "Not found",
        "List what the workspace has, and use an id from there. A token sees its own workspace only.",
    ),
    ProblemType(
        "METHOD_NOT_ALLOWED", 405, "Method not allowed", "Use one of the methods that `Allow` names."
    ),
    ProblemType(
        "REQUEST_TIMEOUT", 408, "The body took too long", "Send the whole body within the time that is named."
    ),
    ProblemType(
        "CONFLICT",
        409,
        "Conflict with the present state",
        "Change what stands in the way, then send the request again.",
    ),
    ProblemType("BODY_TOO_LARGE", 413, "The body is too large", "Send less at a time."),
    ProblemType(
        "INVALID_REQUEST",
        422,
        "The request does not fit its schema",
        "Correct what `errors` points at, then send the request again.",
    ),
    ProblemType(
        "INVALID_VALUE",
        422,
        "A value cannot be used",
        "Correct the value that is named, then send the request again.",
    ),
    ProblemType(
        "REMOTE_REJECTED",
        422,
        "The other side refused it",
        "Correct what the other side refuses: keys, ids or addresses. Then send the request again.",
    ),
    ProblemType(
        "INTERNAL_ERROR",
        500,
        "Jetbridge failed",
        "The log of `jetbridge serve` has the trace. Report it with the request that you sent.",
    ),
    ProblemType(
        "REMOTE_UNAVAILABLE",
        503,
        "The other side does not respond",
        "Send the request again after `Retry-After` seconds.",
    ),
    ProblemType("UNAVAILABLE", 503, "Not now", "Send the request again after `Retry-After` seconds."),
)
PROBLEM_TYPES = {problem_type.code: problem_type for problem_type in _TYPES}


def problem_json(code: str, detail: str, *, fix: str = "", errors: Sequence[dict[str, Any]] = ()) -> bytes:
    """The body. `detail` says what happened, and to what; `errors` are single faults of a request, see `api.errors`."""
    problem_type = PROBLEM_TYPES[code]
    problem: dict[str, Any] = {
        "type": problem_type.uri,
        "title": problem_type.title,
        "status": problem_type.status,
        "detail": detail,
        "code": code,
        "fix": fix or problem_type.fix,
    }
    if errors:
        problem["errors"] = list(errors)
    return msgspec.json.encode(problem)
