"""What a response of Mailjet means for the caller, in one table.

Mailjet has two server families behind one host with two shapes of error, and several responses that are no
JSON at all: an empty 401, an HTML 429, a 304 where nothing changed. The first row of RULES that matches a
response decides what happens next. Sources: facts recorded by Mailjet's own client libraries and their
issues; each row names the case. docs/mailjet-errors.md is the table for people.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from jetbridge.errors import DeliveryError, PauseError, PermanentError, TransientError
from jetbridge.http.client import EXCERPT_CHARACTERS, excerpt, retry_after_seconds
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted, whole_number
from jetbridge.text import for_editors, one_line, pluralize


class NotFound(PermanentError):
    """The object in the path is not there: an unknown list, contact, job, message."""


class AlreadyExists(PermanentError):
    """A POST of something whose unique key is taken (MJ18)."""


class PropertiesRejected(PermanentError):
    """managecontact rejected properties and kept nothing. `properties` maps their names to Mailjet's reasons."""

    properties: Mapping[str, str]


class EmailRejected(PermanentError):
    """Mailjet accepts no such address."""


class ListsRejected(PermanentError):
    """Lists of the request are unknown or deleted. `lists` maps their ids to Mailjet's reasons."""

    lists: Mapping[int, str]


@dataclass(frozen=True)
class Response:
    """An HTTP response. `call` is method and path, without host and query; `mask` removes secrets."""

    call: str
    status: int
    content_type: str
    body: bytes
    retry_after: str | None = None
    mask: Callable[[str], str] = str

    @property
    def text(self) -> str:
        return excerpt(self.body, self.mask)


class ErrorBody(msgspec.Struct, rename="pascal"):
    """Mailjet's error in JSON, in the shapes that were recorded and the ones that only the docs show.

    ErrorInfo is text, an object or absent; ErrorMessage is an object in some docs.
    """

    error_message: Any = ""
    error_info: Any = ""
    error_identifier: str = ""

    @property
    def text(self) -> str:
        """Mailjet's own words, in one line."""
        parts = [
            part if isinstance(part, str) else msgspec.json.encode(part).decode()
            for part in (self.error_message, self.error_info)
            if part
        ]
        return one_line(" ".join(parts))[:EXCERPT_CHARACTERS]

    def rows(self, key: str) -> list[dict[str, Any]]:
        """The rows about "Properties" or "ContactsLists": the docs show them under ErrorMessage, recordings under ErrorInfo."""
        for part in (self.error_info, self.error_message):
            if isinstance(part, dict) and isinstance(part.get(key), list):
                return [row for row in part[key] if isinstance(row, dict)]
        return []


#: Is the body an error in JSON? What a rule accepts.
JSON, OTHER, ANY = frozenset({True}), frozenset({False}), frozenset({True, False})


class Rule(NamedTuple):
    """A row: if the status and `pattern` (searched in the text of the response; None matches all) match, raise this error.

    `body` asks for an error body in JSON, or for one that is not. Without an `error` the call has succeeded.
    """

    case: str
    statuses: range
    body: frozenset[bool]
    pattern: str | None
    error: type[DeliveryError] | None
    code: str
    message: str


#: What follows from an error when it meets a call about a contact.
NEXT: Mapping[type[DeliveryError] | None, str] = {
    None: "counts as done",
    TransientError: "tried again, with growing pauses",
    PauseError: "paused, keeps its place",
    PermanentError: "the messages of this contact fail",
    EmailRejected: "the messages of this contact fail",
    PropertiesRejected: "the values are rejected, the rest is sent again",
    AlreadyExists: "used as it is",
    NotFound: "own list: paused; list that a call named: its messages fail; job: sent again; contact: on no list",
    ListsRejected: "own list: paused; list that a call named: its messages fail",
}


def _only(status: int) -> range:
    return range(status, status + 1)


_DONE = range(200, 300)
_REDIRECT = range(300, 400)
_CLIENT = range(400, 500)
_SERVER = range(500, 600)

_ENTER_KEYS = "Mailjet rejects the API key and secret key. Enter the pair again."
_CORRECT_ADDRESS = "Correct the API address of the account."
_REPORT = "This is a fault of Jetbridge: please report it."

RULES = (
    # From a proxy in between: a call that needs no body must not take it for a success.
    Rule("a page instead of a response", _DONE, OTHER, r"\A\s*<", TransientError, "INVALID_RESPONSE",
         "A page of a proxy or another server came instead of Mailjet's response."),
    Rule("done; a deletion by v4 and 204 have no body", _DONE, ANY, None, None, "DONE",
         "Mailjet has done it."),
    Rule("nothing to change, empty body", _only(304), ANY, None, None, "UNCHANGED",
         "Mailjet has this already."),
    Rule("rate limit, HTML without headers", _only(429), ANY, None, TransientError, "TOO_MANY_REQUESTS",
         "Mailjet asks for fewer calls."),
    Rule("request timeout", _only(408), ANY, None, TransientError, "TIMEOUT",
         "Mailjet waited too long for the request."),
    Rule("locked", _only(423), ANY, None, TransientError, "LOCKED", "Mailjet has locked this temporarily."),
    # No server problem, although the status is 500: the path is none of /v3/REST, /v3/DATA, /v3/send.
    Rule("path outside the API: EFPWebError", _SERVER, JSON, "Could not determine HTTP module", PauseError,
         "INVALID_URL", f"There is no Mailjet API at this address. {_CORRECT_ADDRESS}"),
    Rule("server problem, also ErrorIdentifier, MJ02, or a proxy's page", _SERVER, ANY, None, TransientError,
         "SERVER_ERROR", "Mailjet has an internal problem."),
    Rule("wrong key pair, legacy server: empty body", _only(401), OTHER, None, PauseError,
         "INVALID_AUTHENTICATION", _ENTER_KEYS),
    # mailjet-apiv3-php-simple#107: the legacy server sends 401 for a forbidden operation, too.
    Rule("forbidden operation, legacy server: 401 too", _only(401), JSON, "Internal error", PermanentError,
         "FORBIDDEN_OPERATION", f"Mailjet does not allow this operation. {_REPORT}"),
    Rule("wrong key pair, newer services: JSON", _only(401), JSON, None, PauseError, "INVALID_AUTHENTICATION",
         _ENTER_KEYS),
    Rule("key without the right", _only(403), ANY, None, PauseError, "FORBIDDEN",
         "The Mailjet API key may not do this. Give it the right, or enter another pair."),
    Rule("method not allowed", _only(405), ANY, None, PauseError, "METHOD_NOT_ALLOWED",
         f"There is no such call at this address. {_CORRECT_ADDRESS}"),
    Rule("a proxy's page: no API at this address", _only(404), OTHER, "<html", PauseError, "INVALID_URL",
         f"There is no Mailjet API at this address. {_CORRECT_ADDRESS}"),
    Rule("unknown object, or source object of DATA", _only(404), ANY, None, NotFound, "NOT_FOUND",
         "Mailjet does not know this object."),
    Rule("body too large", _only(413), ANY, None, PermanentError, "TOO_LARGE",
         "The request is too large for Mailjet. Shorten the longest traits."),
    Rule("unknown resource", _only(400), JSON, "Unknown resource", PauseError, "INVALID_URL",
         f"Mailjet has no such resource at this address. {_CORRECT_ADDRESS}"),
    Rule("unique key is taken: MJ18", _only(400), JSON, "already exist", AlreadyExists, "ALREADY_EXISTS",
         "Mailjet has this already."),
    # mailjet-apiv3-nodejs#293: at random for properties that exist, and gone a little later.
    Rule("property not visible yet", _only(400), JSON, "Invalid key name", TransientError, "INVALID_KEY_NAME",
         "Mailjet does not see a contact property (yet)."),
    Rule("rejected properties", _only(400), JSON, r'"Properties":', PropertiesRejected, "INVALID_PROPERTY",
         "Mailjet rejects properties of the contact. Compare their types in Mailjet with the traits."),
    Rule("rejected action on a list", _only(400), JSON, r'"ContactsLists":.*"action missing', PermanentError,
         "INVALID_ACTION", f"Mailjet rejects the action on a contacts list. {_REPORT}"),
    Rule("rejected lists", _only(400), JSON, r'"ContactsLists":', ListsRejected, "INVALID_LIST",
         "Mailjet rejects a contacts list. Restore it, or name another."),
    Rule("rejected address", _only(400), JSON, r'"Email":|Invalid email address|Property email is invalid',
         EmailRejected, "INVALID_EMAIL", "Mailjet rejects the email address. Correct it at its origin."),
    Rule("id of the wrong kind", _only(400), JSON, "ID type mismatch", PermanentError, "INVALID_ID",
         f"Mailjet does not take this as an id. {_REPORT}"),
    Rule("unknown field of a resource", _only(400), JSON, "Invalid json input", PermanentError, "INVALID_JSON",
         f"Mailjet does not understand the request. {_REPORT}"),
    Rule("sorted by what cannot be sorted by", _only(400), JSON, "Invalid sort specification", PermanentError,
         "INVALID_QUERY", f"Mailjet does not understand the query. {_REPORT}"),
    Rule("rejected field: MJ03, MJ04, MJ08", _only(400), JSON, "Object properties invalid|MJ0[348] |Invalid value",
         PermanentError, "INVALID_FIELD",
         "Mailjet rejects a field, which its message names: correct the trait that it comes from."),
    # It may be any of the above: a property that is there already, or not visible yet.
    Rule("rejection cut off, or a proxy's page", _only(400), OTHER, None, TransientError, "INVALID_RESPONSE",
         "Mailjet rejects the request, and the reason cannot be read."),
    Rule("any other rejection", _CLIENT, ANY, None, PermanentError, "BAD_REQUEST",
         "Mailjet rejects the request. Its message says why."),
    Rule("redirect", _REDIRECT, ANY, None, PauseError, "INVALID_URL",
         f"The address leads elsewhere. {_CORRECT_ADDRESS}"),
    Rule("no status of HTTP", range(1000), ANY, None, TransientError, "INVALID_RESPONSE",
         "Mailjet's response cannot be read."),
)  # fmt: skip

#: For the reader of a success's body: it is cut off, empty or a page where JSON was promised.
INVALID_RESPONSE = Rule("success that cannot be read", _DONE, OTHER, None, TransientError, "INVALID_RESPONSE",
                  "Mailjet's response cannot be read.")  # fmt: skip


def error_of(response: Response) -> DeliveryError | None:
    """The error that a response stands for; None if it stands for success."""
    rule, body, text = _match(response)
    if rule.error is None:
        return None
    quoted = f" {for_editors(text)}" if body and text else ""
    message = f"{rule.message} ({response.call}: {response.status}{quoted})"
    if rule.error is TransientError:
        return TransientError(
            rule.code,
            message,
            status=response.status,
            response=response.text,
            retry_after_seconds=retry_after_seconds(response.retry_after),
        )
    error = rule.error(rule.code, message, status=response.status, response=response.text)
    if isinstance(error, PropertiesRejected):
        rows = body.rows("Properties") if body else []
        error.properties = {name: str(reason) for row in rows for name, reason in row.items()}
    if isinstance(error, ListsRejected):
        rows = body.rows("ContactsLists") if body else []
        error.lists = {
            list_id: str(row.get("Error", "")) for row in rows if (list_id := whole_number(row.get("ListID")))
        }
    return error


def rule_of(response: Response) -> Rule:
    """The first row that matches."""
    return _match(response)[0]


def _match(response: Response) -> tuple[Rule, ErrorBody | None, str]:
    """The first row that matches, the body if it is an error in JSON, and the text in which patterns are searched."""
    body = None
    if response.status not in _DONE:
        with suppress(*JSON_ERRORS):
            body = read_untrusted(response.body, ErrorBody)
    text = response.mask(body.text) if body else response.text
    rule = next(
        rule
        for rule in RULES
        if response.status in rule.statuses
        and (body is not None) in rule.body
        and (rule.pattern is None or re.search(rule.pattern, text, re.IGNORECASE))
    )
    return rule, body, text


def invalid_response(response: Response) -> TransientError:
    """The error for a 2xx whose body is empty, HTML or cut off where JSON was promised."""
    return TransientError(
        INVALID_RESPONSE.code,
        f"{INVALID_RESPONSE.message} ({response.call}: {response.status}, {pluralize(len(response.body), 'byte')} of "
        f"{one_line(response.content_type)[:60] or 'no content type'})",
        status=response.status,
        response=response.text,
    )
