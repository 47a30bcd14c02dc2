"""Handles a request: faults, rate limit, credentials, and the handler of its path in one of the two server families."""

import base64
import binascii
import hmac
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from mailjet_sandbox import errors, wire
from mailjet_sandbox.clock import Clock
from mailjet_sandbox.contacts import remove
from mailjet_sandbox.data import Data
from mailjet_sandbox.faults.apply import apply_faults
from mailjet_sandbox.faults.register import path_words
from mailjet_sandbox.model import Contact
from mailjet_sandbox.recorder import RecentCall
from mailjet_sandbox.requests import Query, as_id, read_body
from mailjet_sandbox.rest.account import ApiKeys, EventCallbackUrls, MyProfiles, Senders, Users
from mailjet_sandbox.rest.contact import ContactData, ContactMetadata, Contacts
from mailjet_sandbox.rest.contactslist import ContactFilters, ContactsLists, ListRecipients
from mailjet_sandbox.rest.csvimport import BatchJobs, CsvImports
from mailjet_sandbox.rest.message import (
    CampaignDrafts,
    Campaigns,
    ClickStatistics,
    MessageHistory,
    MessageInformation,
    Messages,
    MessageStates,
    StatCounters,
)
from mailjet_sandbox.rest.resource import Resource
from mailjet_sandbox.send import SendV3, SendV31
from mailjet_sandbox.settings import Settings
from mailjet_sandbox.state import Call, State
from mailjet_sandbox.store import Store


class Auth:
    def __init__(self, settings: Settings) -> None:
        self._credentials = f"{settings.api_key}:{settings.secret_key}".encode()

    def is_authorized(self, request: Request) -> bool:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(given, self._credentials)


class RateLimit:
    """So many calls a second; None means no limit."""

    def __init__(self, per_second: int | None, clock: Clock) -> None:
        self._per_second = per_second
        self._clock = clock
        self._second = 0
        self._calls = 0

    def is_exceeded(self) -> bool:
        """Count one more call."""
        if self._per_second is None:
            return False
        second = int(self._clock())
        if second != self._second:
            self._second, self._calls = second, 0
        self._calls += 1
        return self._calls > self._per_second


class ContactPrivacy:
    def __init__(self, state: State) -> None:
        self._store = state.store

    def handle(self, call: Call) -> Response:
        """Anonymise a contact: 200 and no body, also when there is no such contact [R]. Numeric identifiers only [D]."""
        if call.method != "DELETE":
            return wire.newer_error(405, "Method not allowed")
        identifier = as_id(call.segments[0]) if len(call.segments) == 1 else None
        if identifier is None:
            return wire.newer_error(400, "Incorrect ID provided - ID type mismatch")
        contact = self._store.contacts.get(identifier)
        if contact is not None and not contact.anonymized:
            anonymize(self._store, contact)
        return wire.newer_text(b"")


def anonymize(store: Store, contact: Contact) -> None:
    r"""Replace the address by ``\\x<40 hex>@domain.invalid`` and the name by ``Anonymized`` [D]; leave all lists [X].

    The real row goes for good after 30 days; here it stays. The address may be used again at once.
    """
    for member in list(store.memberships_of(contact)):
        remove(store, store.lists[member.list_id], contact)
    digest = store.digits_for("contact", contact.id)
    store.rename_contact(contact, f"\\x{digest}@domain.invalid")
    contact.name = "Anonymized"
    contact.anonymized = True
    contact.data.clear()
    contact.updated_at = store.now()


RESOURCES: tuple[type[Resource[Any]], ...] = (
    ContactsLists,
    Contacts,
    ContactData,
    ContactMetadata,
    ListRecipients,
    ContactFilters,
    CsvImports,
    BatchJobs,
    EventCallbackUrls,
    Messages,
    MessageHistory,
    MessageInformation,
    MessageStates,
    ClickStatistics,
    StatCounters,
    Campaigns,
    CampaignDrafts,
    ApiKeys,
    Users,
    MyProfiles,
    Senders,
)


def build_resources(state: State) -> dict[str, Resource[Any]]:
    return {kind.name: kind(state) for kind in RESOURCES}


logger = logging.getLogger(__name__)

Handler = Callable[[Call], Response]


class Api:
    def __init__(self, state: State) -> None:
        self._state = state
        self._auth = Auth(state.settings)
        self._rate_limit = RateLimit(state.settings.rate_limit, state.store.clock)
        self._resources = build_resources(state)
        self._legacy: dict[str, Handler] = {
            "rest": self._rest,
            "data": Data(state).handle,
            "send": SendV3(state).handle,
        }
        self._newer: dict[tuple[str, str], Handler] = {
            ("v3.1", "send"): SendV31(state).handle,
            ("v4", "contacts"): ContactPrivacy(state).handle,
        }

    async def handle(self, request: Request) -> Response:
        segments = path_segments(request)
        triggers = self._state.faults.on_request(request.method, path_words(segments))
        try:
            response = await apply_faults(triggers, request, lambda: self._dispatch(request, segments))
        finally:
            if request.method != "GET":
                # Afterwards: a snapshot that is saved while the body is read does not contain the change.
                self._state.changes += 1
        kinds = ", ".join(trigger.active.kind for trigger in triggers)
        path = "/" + "/".join(segments)
        self._state.calls.record(
            segments,
            RecentCall(self._state.store.clock(), request.method, path[:200], response.status_code, kinds),
        )
        return response

    async def _dispatch(self, request: Request, segments: list[str]) -> Response:
        if self._rate_limit.is_exceeded():
            return wire.too_many_requests()
        family = (segments[0].lower(), segments[1].lower()) if len(segments) > 1 else ("", "")
        newer = self._newer.get(family)
        if newer is None and family[0] != "v3":
            return wire.nginx(404)
        if not self._auth.is_authorized(request):
            return wire.newer_unauthorized() if newer else wire.legacy_unauthorized()
        try:
            call = await read_call(request, segments[2:])
            return newer(call) if newer else self._dispatch_legacy(segments[1], call)
        except errors.MailjetError as error:
            return render_error(error)
        except Exception:
            logger.exception("The sandbox failed at %s %s", request.method, request.url.path)
            return render_error(errors.InternalError())

    def _dispatch_legacy(self, module: str, call: Call) -> Response:
        handler = self._legacy.get(module.lower())
        if handler is None:  # [R]
            raise errors.InternalError(
                f'Could not determine HTTP module for request "{module}"', "EFPWebError"
            )
        return handler(call)

    def _rest(self, call: Call) -> Response:
        name = call.segments[0] if call.segments else ""
        resource = self._resources.get(name.lower())
        if resource is None:
            raise errors.unknown_resource(name)
        return resource.handle(call)


def path_segments(request: Request) -> list[str]:
    """Split the path before decoding it: an address in it may be percent-encoded, slashes included."""
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    path = raw.decode("latin-1").partition("?")[0]
    return [unquote(segment) for segment in path.strip("/").split("/")]


async def read_call(request: Request, segments: list[str]) -> Call:
    return Call(
        method=request.method,
        segments=[segment for segment in segments if segment],
        query=Query(request.scope.get("query_string", b"")),
        body=await read_body(request) if request.method in ("POST", "PUT") else b"",
        base_url=f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}",
    )


def render_error(error: errors.MailjetError) -> Response:
    if isinstance(error, errors.TooLarge):
        return wire.nginx(413)
    identifier = error.identifier if isinstance(error, errors.InternalError) else ""
    return wire.legacy_error(error.status, error.message, error.info, identifier, error.media_type)
