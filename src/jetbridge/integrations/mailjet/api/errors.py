"""What an answer of Mailjet means for the caller, in one table.

Mailjet has two server families behind one host with two shapes of error, and several answers that are no
JSON at all: an empty 401, an HTML 429, a 304 where nothing changed. The first row of RULES that fits an
answer decides what happens next. Sources: facts recorded by Mailjet's own client libraries and their
issues; each row names the case. docs/mailjet-errors.md is the table for people.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from jetbridge.errors import DeliveryError, PauseError, PermanentError, TransientError, for_editors
from jetbridge.http.client import excerpt, retry_after_seconds
from jetbridge.integrations.mailjet.api.fault import Fault, read_fault
from jetbridge.text import one_line, pluralize


class NotFound(PermanentError):
    """The object in the path is not there: an unknown list, contact, job, message."""


class AlreadyExists(PermanentError):
    """A POST of something whose unique key is taken (MJ18)."""


class PropertiesRefused(PermanentError):
    """managecontact refused properties and kept nothing. `properties` maps their names to Mailjet's words."""

    properties: Mapping[str, str]


class EmailRefused(PermanentError):
    """The address is not one that Mailjet takes."""


class ListsRefused(PermanentError):
    """Lists of the request are unknown or deleted. `lists` maps their ids to Mailjet's words."""

    lists: Mapping[int, str]


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. `call` says what was asked, without host and query; `mask` removes secrets."""

    call: str
    status: int
    content_type: str
    body: bytes
    retry_after: str | None = None
    mask: Callable[[str], str] = str

    @property
    def text(self) -> str:
        return excerpt(self.body, self.mask)


#: Is the body an error in JSON? What a rule accepts.
JSON, OTHER, ANY = frozenset({True}), frozenset({False}), frozenset({True, False})


class Rule(NamedTuple):
    """A row: if status and `pattern` (searched in Mailjet's words; None fits all) fit, raise this error.

    `body` asks for an error body in JSON, or for one that is not. Without an `error` the call has succeeded.
    """

    case: str
    statuses: range
    body: frozenset[bool]
    pattern: str | None
    error: type[DeliveryError] | None
    code: str
    sentence: str


#: What follows from an error when it meets a call about a contact.
NEXT: Mapping[type[DeliveryError] | None, str] = {
    None: "counts as done",
    TransientError: "tried again, with growing pauses",
    PauseError: "paused, keeps its place",
    PermanentError: "the messages of this contact fail",
    EmailRefused: "the messages of this contact fail",
    PropertiesRefused: "the values are rejected, the rest is sent again",
    AlreadyExists: "used as it is",
    NotFound: "own list: paused; list that a call named: its messages fail; job: sent again; contact: on no list",
    ListsRefused: "own list: paused; list that a call named: its messages fail",
}


def _only(status: int) -> range:
    return range(status, status + 1)


_DONE = range(200, 300)
_REDIRECT = range(300, 400)
_CLIENT = range(400, 500)
_SERVER = range(500, 600)

_ENTER_KEYS = "Mailjet refuses the API key and secret key. Enter the pair again."
_CORRECT_ADDRESS = "Correct the API address of the account."
_REPORT = "This is a fault of Jetbridge: please report it."

RULES = (
    # Of whoever stands between: a call that needs no body of the answer must not take it for a yes.
    Rule("a page that says yes", _DONE, OTHER, r"\A\s*<", TransientError, "UNREADABLE_ANSWER",
         "A page of somebody else came instead of Mailjet's answer."),
    Rule("done; a deletion by v4 and 204 have no body", _DONE, ANY, None, None, "DONE",
         "Mailjet has done what was asked."),
    Rule("nothing to change, empty body", _only(304), ANY, None, None, "UNCHANGED",
         "Mailjet has it so already."),
    Rule("rate limit, HTML without headers", _only(429), ANY, None, TransientError, "TOO_MANY_REQUESTS",
         "Mailjet asks for fewer calls."),
    Rule("request timeout", _only(408), ANY, None, TransientError, "TIMEOUT",
         "Mailjet waited too long for the request."),
    Rule("locked", _only(423), ANY, None, TransientError, "LOCKED", "Mailjet has locked this for now."),
    # Not trouble, although it says 500: the path is none of /v3/REST, /v3/DATA, /v3/send.
    Rule("path outside the API: EFPWebError", _SERVER, JSON, "Could not determine HTTP module", PauseError,
         "WRONG_ADDRESS", f"There is no Mailjet API at this address. {_CORRECT_ADDRESS}"),
    Rule("server trouble, also ErrorIdentifier, MJ02, or a proxy's page", _SERVER, ANY, None, TransientError,
         "SERVER_ERROR", "Mailjet has an internal problem."),
    Rule("wrong key pair, legacy server: empty body", _only(401), OTHER, None, PauseError,
         "INVALID_AUTHENTICATION", _ENTER_KEYS),
    # mailjet-apiv3-php-simple#107: 401 is the legacy server's answer to an operation that nobody may do, too.
    Rule("forbidden operation, legacy server: 401 too", _only(401), JSON, "Internal error", PermanentError,
         "FORBIDDEN_OPERATION", f"Mailjet does not allow this operation. {_REPORT}"),
    Rule("wrong key pair, newer services: JSON", _only(401), JSON, None, PauseError, "INVALID_AUTHENTICATION",
         _ENTER_KEYS),
    Rule("key without the right", _only(403), ANY, None, PauseError, "FORBIDDEN",
         "The Mailjet API key may not do this. Give it the right, or enter another pair."),
    Rule("method not allowed", _only(405), ANY, None, PauseError, "METHOD_NOT_ALLOWED",
         f"There is no such call at this address. {_CORRECT_ADDRESS}"),
    Rule("a proxy's page: no API at this address", _only(404), OTHER, "<html", PauseError, "WRONG_ADDRESS",
         f"There is no Mailjet API at this address. {_CORRECT_ADDRESS}"),
    Rule("unknown object, or source object of DATA", _only(404), ANY, None, NotFound, "NOT_FOUND",
         "Mailjet does not know this object."),
    Rule("body too large", _only(413), ANY, None, PermanentError, "TOO_LARGE",
         "Mailjet finds the request too large. Shorten the longest traits."),
    Rule("unknown resource", _only(400), JSON, "Unknown resource", PauseError, "WRONG_ADDRESS",
         f"Mailjet has no such resource at this address. {_CORRECT_ADDRESS}"),
    Rule("unique key is taken: MJ18", _only(400), JSON, "already exist", AlreadyExists, "ALREADY_EXISTS",
         "Mailjet has this already."),
    # mailjet-apiv3-nodejs#293: at random for properties that exist, and gone a little later.
    Rule("property not visible yet", _only(400), JSON, "Invalid key name", TransientError, "INVALID_KEY_NAME",
         "Mailjet does not see a contact property (yet)."),
    Rule("refused properties", _only(400), JSON, r'"Properties":', PropertiesRefused, "INVALID_PROPERTY",
         "Mailjet refuses properties of the contact. Compare their types in Mailjet with the traits."),
    Rule("refused action on a list", _only(400), JSON, r'"ContactsLists":.*"action missing', PermanentError,
         "INVALID_ACTION", f"Mailjet does not take what is to be done with a contacts list. {_REPORT}"),
    Rule("refused lists", _only(400), JSON, r'"ContactsLists":', ListsRefused, "INVALID_LIST",
         "Mailjet refuses a contacts list. Restore it, or name another."),
    Rule("refused address", _only(400), JSON, r'"Email":|Invalid email address|Property email is invalid',
         EmailRefused, "INVALID_EMAIL", "Mailjet refuses the email address. Correct it at its origin."),
    Rule("id of the wrong kind", _only(400), JSON, "ID type mismatch", PermanentError, "INVALID_ID",
         f"Mailjet does not take this as an id. {_REPORT}"),
    Rule("unknown field of a resource", _only(400), JSON, "Invalid json input", PermanentError, "INVALID_JSON",
         f"Mailjet does not understand the request. {_REPORT}"),
    Rule("sorted by what cannot be sorted by", _only(400), JSON, "Invalid sort specification", PermanentError,
         "INVALID_QUERY", f"Mailjet does not understand the query. {_REPORT}"),
    Rule("refused field: MJ03, MJ04, MJ08", _only(400), JSON, "Object properties invalid|MJ0[348] |Invalid value",
         PermanentError, "INVALID_FIELD",
         "Mailjet refuses a field. Its words name it: correct the trait that it comes from."),
    # It may be any of the above: a property that is there already, or not visible yet.
    Rule("refusal cut off, or a proxy's page", _only(400), OTHER, None, TransientError, "UNREADABLE_ANSWER",
         "Mailjet refuses the request, and why cannot be read."),
    Rule("any other refusal", _CLIENT, ANY, None, PermanentError, "BAD_REQUEST",
         "Mailjet refuses the request. Its words say why."),
    Rule("redirect", _REDIRECT, ANY, None, PauseError, "WRONG_ADDRESS",
         f"The address leads elsewhere. {_CORRECT_ADDRESS}"),
    Rule("no status of HTTP", range(1000), ANY, None, TransientError, "UNREADABLE_ANSWER",
         "Mailjet's answer cannot be read."),
)  # fmt: skip

#: For whoever reads the body of a success: it is cut off, empty or a page where JSON was promised.
UNREADABLE = Rule("success that cannot be read", _DONE, OTHER, None, TransientError, "UNREADABLE_ANSWER",
                  "Mailjet's answer cannot be read.")  # fmt: skip


def error_of(answer: Answer) -> DeliveryError | None:
    """The error that an answer stands for; None if it stands for success."""
    rule = rule_of(answer)
    if rule.error is None:
        return None
    fault = _fault(answer)
    quoted = _quoted(_words(answer, fault)) if fault else ""
    sentence = f"{rule.sentence} ({answer.call}: {answer.status}{quoted})"
    return _made(rule, rule.error, sentence, answer, fault or Fault())


def rule_of(answer: Answer) -> Rule:
    """The first row that fits."""
    fault = _fault(answer)
    words = _words(answer, fault)
    return next(rule for rule in RULES if _fits(rule, answer.status, words, json=fault is not None))


def unreadable(answer: Answer) -> TransientError:
    """The error for a 2xx whose body is empty, HTML or cut off where JSON was promised."""
    return TransientError(
        UNREADABLE.code,
        f"{UNREADABLE.sentence} ({answer.call}: {answer.status}, {pluralize(len(answer.body), 'byte')} of "
        f"{one_line(answer.content_type)[:60] or 'no content type'})",
        status=answer.status,
        answer=answer.text,
    )


def _fault(answer: Answer) -> Fault | None:
    return None if answer.status in _DONE else read_fault(answer.body)


def _words(answer: Answer, fault: Fault | None) -> str:
    return answer.mask(fault.words) if fault else answer.text


def _fits(rule: Rule, status: int, words: str, *, json: bool) -> bool:
    return (
        status in rule.statuses
        and json in rule.body
        and (rule.pattern is None or re.search(rule.pattern, words, re.IGNORECASE) is not None)
    )


def _made(
    rule: Rule, kind: type[DeliveryError], sentence: str, answer: Answer, fault: Fault
) -> DeliveryError:
    if kind is TransientError:
        return TransientError(
            rule.code,
            sentence,
            status=answer.status,
            answer=answer.text,
            retry_after_seconds=retry_after_seconds(answer.retry_after),
        )
    error = kind(rule.code, sentence, status=answer.status, answer=answer.text)
    if isinstance(error, PropertiesRefused):
        error.properties = fault.refused_properties
    if isinstance(error, ListsRefused):
        error.lists = fault.refused_lists
    return error


def _quoted(words: str) -> str:
    return f" {for_editors(words)}" if words else ""
