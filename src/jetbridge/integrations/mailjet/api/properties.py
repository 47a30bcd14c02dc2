"""Contact property types: which Datatype a value calls for, and whether a value fits one.

Mailjet rejects a whole contact for one value of the wrong type ("Property type does not match definition"),
so a value is fitted here first. Coercion is done where it is exact; every other value is rejected.
Datatypes and accepted datetime forms: Mailjet's guide "Contact properties" (str, int, float, bool, datetime;
datetime as RFC 3339 or Unix seconds).
"""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jetbridge.spec.booleans import ParsedBoolean, parse_boolean
from jetbridge.spec.times import UNIX_DIGITS, parse_time, unix_moment

DATATYPES = ("str", "int", "float", "bool", "datetime")

#: Contact properties that an account may have. Mailjet's help says so for imports; how its API responds beyond is not public.
MAX_PROPERTIES = 200

#: Mailjet's int is taken to be 64 bits wide; nothing public says so.
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?")
#: Numbers as JSON writes them: "007" and "+33 6" are texts that a number would not give back.
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class ValueRejected(ValueError):
    """The value does not fit the Datatype. `str()` names the kind of value and the Datatype."""


def datatype_of(value: Any) -> str:
    """The Datatype to create a property with, for a first value of this kind. None calls for no type: str."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if _INT_MIN <= value <= _INT_MAX else "str"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str) and _as_datetime_text(value):
        return "datetime"
    return "str"


def is_empty(value: Any) -> bool:
    """Whether the value clears a property. It creates no property."""
    return value is None or value == ""


def clears(value: Any, datatype: str | None) -> bool:
    """Whether `fit` makes it None: an empty text clears every property but a text, which stores it."""
    return value is None or (datatype not in {None, "str"} and isinstance(value, str) and not value.strip())


def fit(value: Any, datatype: str) -> Any:
    """The value as Mailjet accepts it for this Datatype; None clears and always fits. Raises ValueRejected."""
    if value is None or type(value) is _AS_IT_IS.get(datatype):
        return value
    if clears(value, datatype):
        return None
    # Mailjet knows a sixth Datatype, collection (metadata of the API), which is no type for traits.
    fitted = _FIT[datatype](value) if datatype in _FIT else None
    if fitted is None:
        raise ValueRejected(f"{kind_of(value)} where Mailjet has {datatype}")
    return fitted


def kind_of(value: Any) -> str:
    """What a person would call the value, without showing it."""
    names = {bool: "true/false", int: "whole number", float: "fraction", str: "text"}
    if isinstance(value, str) and _as_datetime_text(value):
        return "date"
    return names.get(type(value), type(value).__name__)


def _fit_str(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fit_int(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and _INT_MIN <= value <= _INT_MAX else None


def _fit_float(value: Any) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            return None
        # A whole number is compared before it is rounded: 2^53 + 1 is no float.
        value = int(text) if _WHOLE.fullmatch(text) else float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number == value else None


def _fit_bool(value: Any) -> bool | None:
    return {ParsedBoolean.YES: True, ParsedBoolean.NO: False}.get(parse_boolean(value))


def _fit_datetime(value: Any) -> str | None:
    """A number is a Unix time whose size gives its unit; so is a text of as many digits as one of today has."""
    if isinstance(value, str):
        if usual := _as_datetime_text(value):
            return usual
        text = value.strip()
        is_number = len(text.removeprefix("-")) in UNIX_DIGITS and _WHOLE.fullmatch(text)
        moment = unix_moment(int(text)) if is_number else parse_time(text)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        moment = unix_moment(value)
    else:
        return None
    return _rfc3339(moment) if moment else None


def _as_datetime_text(text: str) -> str | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.replace(",", "."))
        if moment.tzinfo is UTC and text[16:17] == ":":  # in UTC and to the second
            return f"{text[:10]}T{text[11:19]}Z"
        # Without a zone it is read as UTC, as Mailjet does with a date of its own.
        return _rfc3339(moment.astimezone(UTC) if moment.tzinfo else moment)
    except (ValueError, OverflowError):
        return None


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat()[:19] + "Z"


#: Values of these types fit whatever they are; most are of them.
_AS_IT_IS: dict[str, type] = {"str": str, "bool": bool}

_FIT: dict[str, Callable[[Any], Any]] = {
    "str": _fit_str,
    "int": _fit_int,
    "float": _fit_float,
    "bool": _fit_bool,
    "datetime": _fit_datetime,
}
