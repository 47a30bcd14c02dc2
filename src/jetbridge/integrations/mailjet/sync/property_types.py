"""The Datatypes of one account's contact properties, and making the ones that are missing.

Mailjet creates no property by itself on the JSON paths: a value for an unknown one is an error (guide
"Contact properties"), so each is created before its first use, with the type that its first value asks for.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

from jetbridge.errors import PauseError, PermanentError
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.properties import MAX_PROPERTIES, datatype_of, is_empty

NO_ROOM = (
    f"Mailjet does not create the property: an account has {MAX_PROPERTIES} contact properties at most. Send fewer traits (the "
    "Mapping blocks or lists them), or delete properties that nobody uses in Mailjet."
)

#: Somebody may change properties in Mailjet's own pages; this is how long we may not know.
FRESH_SECONDS = 600.0


class PropertyTypes:
    """Used by one thread. Every method may call Mailjet and raise DeliveryError."""

    def __init__(self, client: MailjetClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._datatypes: dict[str, str] = {}
        self._read_at: float | None = None
        #: Properties that Mailjet would not create, with its reason; asked again when types are read again.
        self.not_created: dict[str, str] = {}

    def for_values(
        self, values: Iterable[dict[str, Any]], *, fresh_seconds: float = FRESH_SECONDS
    ) -> dict[str, str]:
        """Datatypes that cover every name with a value; creates what is missing.

        A name that only ever comes empty is left out: there is nothing to clear in Mailjet. So is one
        that Mailjet rejects to create; `not_created` says why.
        """
        if self._read_at is None or self._clock() - self._read_at > fresh_seconds:
            self.refresh()
        if missing := self.missing(values):
            self._create(missing)
        return self._datatypes

    def missing(self, values: Iterable[dict[str, Any]]) -> dict[str, str]:
        """What `for_values` would create: name -> Datatype. Calls nobody."""
        known = self._datatypes
        missing: dict[str, str] = {}
        for each in values:
            if each.keys() <= known.keys():
                continue
            for name in each.keys() - known.keys() - missing.keys() - self.not_created.keys():
                if not is_empty(each[name]):
                    missing[name] = datatype_of(each[name])
        return missing

    def fit_in(self, missing: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Of what is `missing`, what Mailjet has room for, and the rest: name -> reason. Calls nobody."""
        room = max(0, MAX_PROPERTIES - len(self._datatypes))
        names = sorted(missing)
        return {name: missing[name] for name in names[:room]}, dict.fromkeys(names[room:], NO_ROOM)

    def refresh(self) -> None:
        self.not_created.clear()
        self._read()

    def _read(self) -> None:
        try:
            self._datatypes = self._client.contactmetadata()
        except PermanentError as error:  # no contact's fault
            raise PauseError(error.code, str(error), status=error.status, answer=error.answer) from error
        self._read_at = self._clock()

    def _create(self, missing: dict[str, str]) -> None:
        existed, refused = False, {}
        for name in sorted(missing):
            try:
                created = self._client.create_contactmetadata(name, missing[name])
            except PermanentError as error:
                refused[name] = f"Mailjet does not create the property: {error}"
                continue
            if created:
                self._datatypes[name] = missing[name]
            existed = existed or not created
        if existed or refused:  # with a type that we do not know, or because of what others have created
            self._read()
        is_full = len(self._datatypes) >= MAX_PROPERTIES
        self.not_created |= dict.fromkeys(refused, NO_ROOM) if is_full else refused
