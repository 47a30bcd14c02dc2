"""Mailjet's responses as they were recorded, with what each has to become: data for tests on every level.

`source` says where a body comes from: R real traffic or a body pasted by a user, D Mailjet's docs, S tests of
Mailjet's own clients, P third-party code, X nobody's record but ours to expect.
"""

import json
from typing import Any, NamedTuple

from jetbridge.errors import DeliveryError, PauseError, PermanentError, TransientError
from jetbridge.integrations.mailjet.api.errors import (
    AlreadyExists,
    EmailRejected,
    ListsRejected,
    NotFound,
    PropertiesRejected,
)

JSON, JSON_V4, HTML, TEXT = "application/json", "application/json; charset=UTF-8", "text/html", "text/plain"


class Recorded(NamedTuple):
    """`kind` None: a success. `says` is part of the sentence."""

    name: str
    source: str
    status: int
    content_type: str
    body: bytes
    kind: type[DeliveryError] | None
    code: str
    says: str


def legacy(status: int, message: Any, info: Any = "", **more: Any) -> bytes:
    """The body of the legacy server."""
    return json.dumps({"ErrorInfo": info, "ErrorMessage": message, "StatusCode": status, **more}).encode()


def _refused(name: str, source: str, message: Any, info: Any, expected: tuple[Any, str, str]) -> Recorded:
    return Recorded(name, source, 400, JSON, legacy(400, message, info), *expected)


_INVALID = "Object properties invalid"
_KEYS = (PauseError, "INVALID_AUTHENTICATION", "Enter the pair again")
_ADDRESS = (PauseError, "INVALID_URL", "Correct the API address of the account")
_TAKEN = (AlreadyExists, "ALREADY_EXISTS", "Mailjet has this already")
_TROUBLE = (TransientError, "SERVER_ERROR", "internal problem")
_FIELD = (PermanentError, "INVALID_FIELD", "correct the trait that it comes from")
_PROPERTIES = (PropertiesRejected, "INVALID_PROPERTY", "Compare their types in Mailjet with the traits")
_LISTS = (ListsRejected, "INVALID_LIST", "Restore it, or name another")
_EMAIL = (EmailRejected, "INVALID_EMAIL", "Correct it at its origin")
_MISSING = (NotFound, "NOT_FOUND", "does not know this object")
_BAD_KEYS = {
    "ErrorIdentifier": "ab3b7b33-7d5e-4a56-9f60-0c0b1e8a3d2f",
    "StatusCode": 401,
    "ErrorMessage": "API key authentication/authorization failure. You may be unauthorized to access the API or "
    "your API key may be expired. Visit API keys management section to check your keys.",
}
_MJ18 = 'MJ18 A {} resource with value "{}" for {} already exists.'
_BAD_PROPERTIES = {
    "Properties": [{"plan": "Property not defined"}, {"age": "Property type does not match definition"}]
}
_BAD_LIST = {
    "ContactsLists": [{"ListID": 123, "Action": "addnoforce", "Error": "List ID 123 is invalid or deleted"}]
}
_EMPTY_MANAGECONTACT = {
    "Email": "MJ08 Property email is invalid: MJ03 A non-empty value is required",
    "Action": "Invalid action: ",
}
_PROXY = b"<html><head><title>404 Not Found</title></head><body><center>nginx</center></body></html>"

RESPONSES = (
    # Success
    Recorded("200", "R", 200, JSON, b'{ "Count" : 0, "Data" : [], "Total" : 0 }', None, "DONE", ""),
    Recorded("200 of a v4 deletion, empty", "R", 200, JSON_V4, b"", None, "DONE", ""),
    Recorded("201", "R", 201, JSON, b'{ "Count" : 1, "Data" : [{ "JobID" : 1 }], "Total" : 1 }', None, "DONE", ""),
    Recorded("204 of a DELETE", "R", 204, JSON, b"", None, "DONE", ""),
    Recorded("304 of a PUT", "R", 304, JSON, b"", None, "UNCHANGED", ""),
    # Authentication
    Recorded("bad credentials, REST", "R", 401, HTML, b"", *_KEYS),
    Recorded("bad credentials, v3.1 send and v4", "R", 401, JSON_V4, json.dumps(_BAD_KEYS).encode(), *_KEYS),
    Recorded("401 with words nobody has seen", "X", 401, JSON, legacy(401, "Unauthorized"), *_KEYS),
    Recorded("list address is given", "R", 401, JSON,
             legacy(401, "Internal error: List address is automatically generated and can't be changed"),
             PermanentError, "FORBIDDEN_OPERATION", "please report it"),
    Recorded("403", "D", 403, JSON, legacy(403, "Not authorized"), PauseError, "FORBIDDEN", "Give it the right"),
    # Not there
    Recorded("unknown object", "R", 404, JSON, legacy(404, "Object not found"), *_MISSING),
    Recorded("DATA source missing", "R", 404, TEXT, legacy(404, "Source object not found"), *_MISSING),
    Recorded("404 without a body", "X", 404, JSON, b"", *_MISSING),
    Recorded("v3.1/REST: nginx", "R", 404, HTML, _PROXY, *_ADDRESS),
    _refused("unknown resource", "D", 'Unknown resource: "contacts"', "Bad Request", _ADDRESS),
    Recorded("wrongpath", "R", 500, JSON,
             legacy(500, 'Could not determine HTTP module for request "wrongpath"', "EFPWebError"), *_ADDRESS),
    Recorded("method not allowed", "D", 405, JSON, legacy(405, "Method not allowed"),
             PauseError, "METHOD_NOT_ALLOWED", "Correct the API address of the account"),
    # Taken
    _refused("duplicate contact", "R", _MJ18.format("Contact", "user@example.com", "Email"), "", _TAKEN),
    _refused("duplicate sender", "S", _MJ18.format("Sender", "x", "Email"), "", _TAKEN),
    _refused("duplicate inactive sender", "S", "There is an already existing inactive sender with the same email. "
             'You can use "validate" action in order to activate it.', "", _TAKEN),
    _refused("duplicate webhook", "R", _MJ18.format("EventCallbackURL", "7|false", "EventType|Backup"), "", _TAKEN),
    _refused("duplicate property", "P", _MJ18.format("ContactMetadata", "static|x", "Namespace|Name"), "", _TAKEN),
    # Refused
    _refused("non-email path key", "S", 'Invalid email address "Non-existent-id", reason: "No @ character in mail"',
             "", _EMAIL),
    _refused("bad numeric id", "S", "Incorrect ID provided - ID type mismatch", "",
             (PermanentError, "INVALID_ID", "please report it")),
    _refused("empty Name", "R", _INVALID, "MJ08 Property Name is invalid: MJ04 Value must have at least length 1",
             _FIELD),
    _refused("managecontact, empty body", "R", _INVALID, _EMPTY_MANAGECONTACT, _EMAIL),
    _refused("managecontact, bad properties", "D", _INVALID, _BAD_PROPERTIES, _PROPERTIES),
    _refused("bad properties as the docs print it", "D", _BAD_PROPERTIES, "", _PROPERTIES),
    _refused("managecontactslists, bad list", "R", _INVALID, _BAD_LIST, _LISTS),
    _refused("bad list as the docs print it", "D", _BAD_LIST, "", _LISTS),
    _refused("bad list in the docs' other words", "D", {"ContactsLists": [{"ListID": 123, "Error":
             "listID missing or not valid"}]}, "", _LISTS),
    _refused("bad action on a list", "D", {"ContactsLists": [{"ListID": 123, "Error": "action missing or not valid"}]},
             "", (PermanentError, "INVALID_ACTION", "please report it")),
    _refused("contactdata, unknown property", "R", 'Invalid key name: "foo"', "",
             (TransientError, "INVALID_KEY_NAME", "(yet)")),
    _refused("unknown JSON field", "R", 'Invalid json input: object ""->"TContact" has no property "X"', "",
             (PermanentError, "INVALID_JSON", "please report it")),
    _refused("bad sort", "S", "Unexpected error during GET: Invalid sort specification: Cannot sort on field id+desc",
             "", (PermanentError, "INVALID_QUERY", "please report it")),
    _refused("csvimport excludemarketing and list", "D", "MJ08 Property ContactsList is invalid: Exclusion of contacts "
             "from marketing campaign is a global status and can not be applied to a list", "", _FIELD),
    _refused("csvimport bad status change", "R", 'Invalid value for Status: "Aborted". Status can only be set to Upload',
             "", _FIELD),
    _refused("400 with words nobody has seen", "X", "No", "", (PermanentError, "BAD_REQUEST", "Its message says why")),
    Recorded("413", "X", 413, HTML, b"<html>413 Request Entity Too Large</html>",
             PermanentError, "TOO_LARGE", "Shorten the longest traits"),
    # Trouble
    Recorded("rate limited", "P", 429, HTML, b"<html>Rate limit exceeded</html>",
             TransientError, "TOO_MANY_REQUESTS", "fewer calls"),
    Recorded("500", "R", 500, JSON, legacy(500, "An Unexpected Error occurred during API request",
             ErrorIdentifier="A8EBD4F2-6C4D-4A43-8A0A-0F1C0B7C0C1A"), *_TROUBLE),
    Recorded("MJ02, listing csvimport", "R", 500, JSON,
             legacy(500, 'Unexpected error during GET: MJ02 No persister object found for class: "TCSVImportList"'),
             *_TROUBLE),
    Recorded("502, a proxy's page", "X", 502, HTML, b"<html>Bad gateway</html>", *_TROUBLE),
    Recorded("408", "X", 408, HTML, b"", TransientError, "TIMEOUT", "waited too long"),
    Recorded("423", "X", 423, HTML, b"", TransientError, "LOCKED", "locked this temporarily"),
    Recorded("redirect", "X", 301, HTML, b"", *_ADDRESS),
    Recorded("refusal cut off", "X", 400, JSON, b'{ "ErrorInfo" : "", "ErrorMess',
             TransientError, "INVALID_RESPONSE", "the reason cannot be read"),
    Recorded("200, a proxy's page", "X", 200, HTML, b" <!DOCTYPE html><html>Back soon</html>",
             TransientError, "INVALID_RESPONSE", "page of a proxy"),
    Recorded("no status of HTTP", "X", 600, HTML, b"", TransientError, "INVALID_RESPONSE", "cannot be read"),
)  # fmt: skip


def response_named(name: str) -> Recorded:
    return next(each for each in RESPONSES if each.name == name)
