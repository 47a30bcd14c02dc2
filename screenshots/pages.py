"""Which pages there are, from the URL patterns, with things that exist for what they name."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from itertools import product
from typing import Any

from django.contrib.auth.tokens import default_token_generator
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils.http import urlencode

from jetbridge.control import database
from screenshots.browser import Page

database.start()

from jetbridge.console.engage import recipes  # noqa: E402
from jetbridge.control import membership  # noqa: E402 - Django is started first
from jetbridge.control.models import AppConnection, Destination, MailjetAccount, Source, Workspace  # noqa: E402
from jetbridge.control.people import Membership, Role, User  # noqa: E402
from jetbridge.delivery.models import (  # noqa: E402
    ConsumerOffset,
    DeliveryRecordRow,
    destination_consumer,
)
from jetbridge.engage import memberships, people, queries  # noqa: E402
from jetbridge.engage.models import Activation, Computation  # noqa: E402
from jetbridge.integrations import registry  # noqa: E402
from jetbridge.integrations.mailjet.models import Contact  # noqa: E402

#: Pages of which each thing has its own picture.
EACH = {"source", "destination"}
#: Pages whose names begin like those of the API.
NOT_OF_THE_API = {"api-docs", "api-tokens"}
#: What no address of a thing leads to.
OTHERS = [Page("not-found", "/nothing-here", 404), Page("password-link-gone", "/password/new/1/gone", 404)]


def pages() -> list[Page]:
    """All addresses that can be made, also those that turn out to be no pages."""
    things = _things()
    found: dict[str, Page] = {}
    names = [str(pattern.name) for pattern in _patterns(get_resolver())]
    for name in [name for name in names if name in NOT_OF_THE_API or not name.startswith("api-")]:
        for values in _choices(name, things):
            full_name = f"{name}-{values[name]}" if name in EACH else name
            found.setdefault(full_name, Page(full_name, reverse(name, kwargs=values)))
    return [*found.values(), *_with_query(things), *OTHERS]


def _with_query(things: Mapping[str, list[Any]]) -> Iterator[Page]:
    """What pages show when they are asked something."""
    person = (
        Contact.objects.filter(next_attempt_at=None)
        .order_by("-synced_at")
        .values_list("email", flat=True)
        .first()
    )
    unsubscribed = (
        Contact.objects.filter(desired__contains=b"opted_out").values_list("email", flat=True).first()
    )
    queries = {
        "destination-contact": ("destination-contacts", {"q": person or "", "now": person or ""}),
        "destination-contact-no-mail": ("destination-contacts", {"q": unsubscribed or ""}),
        "destination-contact-nobody": ("destination-contacts", {"q": "u-bruno"}),
        "destination-forget": ("destination-forget", {"person": person or ""}),
        "destination-table": ("destination", {"as": "table"}),
    }
    place = [things["workspace"][0], things["destination"][0]]
    for name, (page, query) in queries.items():
        yield Page(name, f"{reverse(page, args=place)}?{urlencode(query)}")
    for activation in Activation.objects.order_by("id")[:1]:
        asked = {"computation": activation.computation_id, "destination": activation.destination_id}
        explained = reverse("person", args=[place[0], things["segment_id"][0]])
        yield Page("person-why", f"{explained}?{urlencode(asked)}")
    yield Page("destination-new-warehouse", reverse("destination-new", args=[place[0], "warehouse"]))
    warehouse = things["destination of warehouse"][0]
    for name in ("destination", "destination-settings", "destination-sync"):
        yield Page(f"{name}-of-warehouse", reverse(name, args=[place[0], warehouse]))
    for example in recipes.EXAMPLES:
        yield Page(f"audience-new-{example}", f"{reverse('audience-new', args=place[:1])}?example={example}")
    for recipe in ("lifetime-value", "visit"):
        yield Page(
            f"computed-trait-new-{recipe}",
            f"{reverse('computed-trait-new', args=place[:1])}?example={recipe}",
        )
    audience = [place[0], things["audience"][0]]
    for name, query in (
        ("member", {"person": person or ""}),
        ("nobody", {"q": "nobody", "person": "nobody"}),
    ):
        yield Page(f"audience-{name}", f"{reverse('audience-members', args=audience)}?{urlencode(query)}")
    filtered = [*place, "filtered", "UNSUPPORTED_EVENT_TYPE"]
    yield Page("destination-reason-filtered", reverse("destination-reason", args=filtered))


def _patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            yield from _patterns(each)
        else:
            yield each


def _choices(name: str, things: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Values for all that the address names; the first ones only, unless each has its own picture."""
    if kind := _kinds_of_pages().get(name):
        things = {**things, "destination": things[f"destination of {kind}"]}
    for possibility in get_resolver().reverse_dict.getlist(name):
        names = possibility[0][0][1]
        if all(things.get(each) for each in names):
            rows = product(*(things[each][: None if each == name else 1] for each in names))
            yield from (dict(zip(names, row, strict=True)) for row in rows)


@cache
def _kinds_of_pages() -> dict[str, str]:
    """The kind of destination that a page is of, for those that an integration brings."""
    return {
        str(pattern.name): kind
        for kind, integration in registry.destinations().items()
        if integration.urls
        for pattern in import_module(integration.urls).urlpatterns
    }


def _things() -> dict[str, list[Any]]:
    workspace = Workspace.objects.order_by("id")[:1].get()
    held = ConsumerOffset.objects.exclude(pause_code="").values_list("consumer", flat=True)
    destinations = list(Destination.objects.order_by("id"))
    delivery_record = DeliveryRecordRow.objects.filter(outcome="failed").first()
    editor = _editor(workspace)
    return {
        "user": [editor.id],
        "proof": [default_token_generator.make_token(editor)],
        "token": [_invited(workspace)],
        "workspace": [workspace.id],
        "source": list(Source.objects.order_by("id").values_list("id", flat=True)),
        "destination": sorted(
            (row.id for row in destinations),
            key=lambda id_: (destination_consumer(id_) in held, id_),
        ),
        **{
            f"destination of {kind}": [row.id for row in destinations if row.kind == kind]
            for kind in registry.destinations()
        },
        "audience": list(
            Computation.objects.filter(computation_class="audience")
            .order_by("id")
            .values_list("id", flat=True)
        ),
        "trait": list(
            Computation.objects.filter(computation_class="trait").order_by("id").values_list("id", flat=True)
        ),
        "account": list(MailjetAccount.objects.values_list("id", flat=True)),
        "connection": list(AppConnection.objects.order_by("id").values_list("id", flat=True)),
        "position": [delivery_record.position] if delivery_record else [1],
        "failure": [delivery_record.id] if delivery_record else [],
        "record": [delivery_record.id] if delivery_record else [],
        "member": list(Membership.objects.values_list("id", flat=True)),
        "segment_id": _people(workspace),
        "kind": ["mailjet"],
        "outcome": ["failed"],
        "reason": ["INVALID_EMAIL"],
        "code": ["INVALID_EMAIL"],
    }


def _people(workspace: Workspace) -> list[str]:
    """Whom Engage knows: first somebody who was sent to a destination."""
    space = queries.space_of(workspace)
    members = (
        [
            member.segment_id
            for row in space.computations.all()
            for member in memberships.page(row, limit=1).items
        ]
        if space
        else []
    )
    return [*members, *(item.segment_id for item in people.search(space, ""))] if space else []


def _editor(workspace: Workspace) -> User:
    """A second member, who has forgotten the password."""
    user = User.objects.create_user("emil@example.com", None, "Emil Editor")
    Membership.objects.create(user=user, workspace=workspace, role=Role.EDITOR)
    return user


def _invited(workspace: Workspace) -> str:
    """The token of a new invitation."""
    owner = User.objects.order_by("id")[:1].get()
    return membership.invite(workspace, "nina@example.com", Role.VIEWER, owner)[1]
