"""What an answer of Mailjet means for the caller, in one table.

Mailjet has two server families behind one host with two shapes of error, and several answers that are no
JSON at all: an empty 401, an HTML 429, a 304 where nothing changed. The first row of RULES that fits an
answer decides what happens next. Sources: facts recorded by Mailjet's own client libraries and their
issues; each row names the case.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from jetbridge.errors import DeliveryError, HoldError, PermanentError, TransientError
from jetbridge.http_call import ANSWER_CHARACTERS, retry_after_seconds

#: How much of Mailjet's own words goes into a sentence.
WORDS_CHARACTERS = 300


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
        return self.mask(self.body[: 4 * ANSWER_CHARACTERS].decode("utf-8", "replace"))[:ANSWER_CHARACTERS]


class Fault(msgspec.Struct, rename="pascal"):
    """Mailjet's error body. ErrorInfo is text, an object or absent; ErrorMessage is an object in some docs."""

    error_message: Any = ""
    error_info: Any = ""
    error_identifier: str = ""

    @property
    def words(self) -> str:
        """Mailjet's own words, in one line."""
        parts = [_line(part) for part in (self.error_message, self.error_info) if part]
        return " ".join(parts)[:ANSWER_CHARACTERS]


#: Is the body an error in JSON? What a rule accepts.
JSON, OTHER, ANY = frozenset({True}), frozenset({False}), frozenset({True, False})


class Rule(NamedTuple):
    """A row: if status and `pattern` (searched in Mailjet's words; None fits all) fit, raise this error.

    `body` asks for an error body in JSON, or for one that is not.
    """

    case: str
    statuses: range
    body: frozenset[bool]
    pattern: str | None
    error: type[DeliveryError]
    code: str
    sentence: str


def _only(status: int) -> range:
    return range(status, status + 1)


_SERVER = range(500, 600)
_CLIENT = range(400, 500)

RULES = (
    Rule("rate limit, HTML without headers", _only(429), ANY, None, TransientError, "TOO_MANY_REQUESTS",
         "Mailjet asks for fewer calls."),
    Rule("request timeout", _only(408), ANY, None, TransientError, "TIMEOUT",
         "Mailjet waited too long for the request."),
    Rule("locked", _only(423), ANY, None, TransientError, "LOCKED", "Mailjet has locked this for now."),
    Rule("server trouble, also ErrorIdentifier", _SERVER, ANY, None, TransientError, "SERVER_ERROR",
         "Mailjet has an internal problem."),
    Rule("wrong key pair, legacy server: empty body", _only(401), OTHER, None, HoldError,
         "INVALID_AUTHENTICATION", "Mailjet refuses the API key and secret key. Enter the pair again."),
    Rule("wrong key pair, newer services: JSON", _only(401), JSON, "authentication/authorization failure",
         HoldError, "INVALID_AUTHENTICATION",
         "Mailjet refuses the API key and secret key. Enter the pair again."),
    Rule("forbidden operation, legacy server: 401 too", _only(401), JSON, None, PermanentError,
         "FORBIDDEN_OPERATION", "Mailjet does not allow this operation."),
    Rule("key without the right", _only(403), ANY, None, HoldError, "FORBIDDEN",
         "The Mailjet API key may not do this. Give it the right, or enter another pair."),
    Rule("a proxy's page: no API at this address", _only(404), OTHER, "<html", HoldError, "WRONG_ADDRESS",
         "There is no Mailjet API at this address. Correct the API address of the account."),
    Rule("unknown object", _only(404), ANY, None, NotFound, "NOT_FOUND", "Mailjet does not know this object."),
    Rule("unique key is taken", _only(400), JSON, "already exist", AlreadyExists, "ALREADY_EXISTS",
         "Mailjet has this already."),
    # mailjet-apiv3-nodejs#293: at random for properties that exist, and gone a little later.
    Rule("property not visible yet", _only(400), JSON, "Invalid key name", TransientError, "INVALID_KEY_NAME",
         "Mailjet does not see a contact property (yet)."),
    Rule("refused properties", _only(400), JSON, r'"Properties":', PropertiesRefused, "INVALID_PROPERTY",
         "Mailjet refuses properties of the contact."),
    Rule("refused lists", _only(400), JSON, r'"ContactsLists":', ListsRefused, "INVALID_LIST",
         "Mailjet refuses a contacts list."),
    Rule("refused address", _only(400), JSON, r'"Email":|Invalid email address|Property email is invalid',
         EmailRefused, "INVALID_EMAIL", "Mailjet refuses the email address."),
    Rule("any other refusal", _CLIENT, ANY, None, PermanentError, "BAD_REQUEST", "Mailjet refuses the request."),
    Rule("redirect", range(300, 400), ANY, None, HoldError, "WRONG_ADDRESS",
         "The address leads elsewhere. Correct the API address of the account."),
    Rule("no status of HTTP", range(1000), ANY, None, TransientError, "UNREADABLE_ANSWER",
         "Mailjet's answer cannot be read."),
)  # fmt: skip


def error_of(answer: Answer) -> DeliveryError:
    """The error that an answer other than 2xx and 304 stands for."""
    fault = _fault(answer.body)
    words = answer.mask(fault.words) if fault else answer.text
    rule = next(rule for rule in RULES if _fits(rule, answer.status, words, json=fault is not None))
    sentence = f"{rule.sentence} ({answer.call}: {answer.status}{_quoted(words) if fault else ''})"
    return _made(rule, sentence, answer, fault or Fault())


def unreadable(answer: Answer) -> TransientError:
    """The error for a 2xx whose body is empty, HTML or cut off where JSON was promised."""
    return TransientError(
        "UNREADABLE_ANSWER",
        f"Mailjet's answer cannot be read. ({answer.call}: {answer.status}, {len(answer.body)} bytes of "
        f"{answer.content_type or 'no content type'})",
        status=answer.status,
        answer=answer.text,
    )


def _fits(rule: Rule, status: int, words: str, *, json: bool) -> bool:
    return (
        status in rule.statuses
        and json in rule.body
        and (rule.pattern is None or re.search(rule.pattern, words, re.IGNORECASE) is not None)
    )


def _made(rule: Rule, sentence: str, answer: Answer, fault: Fault) -> DeliveryError:
    if rule.error is TransientError:
        return TransientError(
            rule.code,
            sentence,
            status=answer.status,
            answer=answer.text,
            retry_after_seconds=retry_after_seconds(answer.retry_after),
        )
    error = rule.error(rule.code, sentence, status=answer.status, answer=answer.text)
    if isinstance(error, PropertiesRefused):
        error.properties = _refused_properties(fault)
    if isinstance(error, ListsRefused):
        error.lists = _refused_lists(fault)
    return error


def _fault(body: bytes) -> Fault | None:
    try:
        return msgspec.json.decode(body, type=Fault)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _line(part: object) -> str:
    return part if isinstance(part, str) else msgspec.json.encode(part).decode()


def _quoted(words: str) -> str:
    return f' "{words[:WORDS_CHARACTERS]}"' if words else ""


def _rows(fault: Fault, key: str) -> list[dict[str, Any]]:
    # The docs show the object under ErrorMessage, recordings under ErrorInfo.
    for part in (fault.error_info, fault.error_message):
        if isinstance(part, dict) and isinstance(part.get(key), list):
            return [row for row in part[key] if isinstance(row, dict)]
    return []


def _refused_properties(fault: Fault) -> dict[str, str]:
    return {name: str(words) for row in _rows(fault, "Properties") for name, words in row.items()}


def _refused_lists(fault: Fault) -> dict[int, str]:
    rows = _rows(fault, "ContactsLists")
    return {
        int(row["ListID"]): str(row.get("Error", "")) for row in rows if str(row.get("ListID")).isdecimal()
    }
