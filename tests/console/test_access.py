"""Every page of a workspace, walked by everybody; and what the decorator promises."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from jetbridge.api.urls import urlpatterns as of_the_api
from jetbridge.console.access import workspace_view
from jetbridge.control.audit import Actor
from jetbridge.control.people import AuditEntry, Role
from jetbridge.control.sessions import SessionStore

#: Pages that everybody may see, and what each answers without a login.
OPEN = {
    "login": 200,
    "logout": 405,
    "first-run": 404,
    "invitation": 404,
    "password-forgotten": 200,
    "password-new": 404,
}
#: Changes that a viewer may make: those of the own account.
OF_ONESELF = {"profile"}


def patterns(of: URLResolver | None = None) -> Iterator[URLPattern]:
    for pattern in (of or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern)
        else:
            yield pattern


#: Pages. The API knows no login: its own tests walk it.
ROUTES = sorted({str(pattern.name) for pattern in patterns()} - {str(pattern.name) for pattern in of_the_api})


def address(name: str, workspace: int) -> str:
    """An address of the route; whatever else it names does not exist."""
    (possibility,) = get_resolver().reverse_dict.getlist(name)[0][0][:1]
    values = {"workspace": workspace, "token": "0" * 40}
    return reverse(name, kwargs={key: values.get(key, 999_999) for key in possibility[1]})


def test_every_page_has_a_name() -> None:
    assert [pattern for pattern in patterns() if not pattern.name] == []


@pytest.mark.parametrize("name", ROUTES)
def test_without_a_login_there_is_only_the_login(people: Any, name: str) -> None:
    answer = Client().get(address(name, people.workspace.id))
    if name in OPEN:
        assert answer.status_code == OPEN[name]
    else:
        assert answer.headers["location"].startswith("/login?next=")
        assert Client().post(address(name, people.workspace.id)).headers["location"] == "/login?next=/"


@pytest.mark.parametrize("name", [name for name in ROUTES if "/w/" in address(name, 1)])
class TestInAWorkspace:
    def test_an_outsider_is_told_that_there_is_nothing(self, people: Any, client_of: Any, name: str) -> None:
        client, page = client_of("outsider"), address(name, people.workspace.id)
        assert [client.get(page).status_code, client.post(page).status_code] == [404, 404]

    def test_a_viewer_changes_nothing(self, people: Any, client_of: Any, name: str) -> None:
        client, page = client_of("viewer"), address(name, people.workspace.id)
        assert client.get(page).status_code < 500
        assert (client.post(page).status_code == 403) == (name not in OF_ONESELF)

    def test_an_editor_and_an_owner_get_an_answer(self, people: Any, client_of: Any, name: str) -> None:
        for role in ("editor", "owner"):
            assert client_of(role).get(address(name, people.workspace.id)).status_code < 500


@workspace_view(Role.EDITOR, change=Role.OWNER)
def secret_page(request: HttpRequest, thing: int) -> HttpResponse:
    return HttpResponse(f"{request.workspace} {thing}")  # type: ignore[attr-defined]


@workspace_view()
async def live_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.workspace))  # type: ignore[attr-defined]


def asked(user: Any, method: str = "GET") -> HttpRequest:
    request = RequestFactory().generic(method, "/")
    request.user = user
    request.session = SessionStore()
    request.htmx = False  # type: ignore[attr-defined]
    return request


def test_a_greater_role_may_do_what_a_lesser_one_may() -> None:
    assert [[has.allows(wanted) for wanted in Role] for has in Role] == [
        [True, True, True],
        [False, True, True],
        [False, False, True],
    ]


def test_a_view_gets_the_workspace_instead_of_its_number(people: Any) -> None:
    response = cast(HttpResponse, secret_page(asked(people.editor), workspace=people.workspace.id, thing=3))
    assert response.content == b"Shop 3"


def test_who_lacks_the_role_is_told_which_one_and_who_can_give_it(people: Any, client_of: Any) -> None:
    for user, method, role in ((people.viewer, "GET", "editor"), (people.editor, "POST", "owner")):
        with pytest.raises(PermissionDenied, match=f"this needs the role {role}.*olga@example.com"):
            secret_page(asked(user, method), workspace=people.workspace.id, thing=3)


def test_async_views_are_guarded_as_well(people: Any, client_of: Any) -> None:
    answer: Any = asyncio.run(live_page(asked(people.viewer), workspace=people.workspace.id))  # type: ignore[arg-type]
    assert answer.content == b"Shop"
    with pytest.raises(Http404):
        asyncio.run(live_page(asked(people.outsider), workspace=people.workspace.id))  # type: ignore[arg-type]


def test_an_audit_entry_names_who_what_and_which_thing(people: Any) -> None:
    Actor(people.workspace, people.editor).audit("workspace.renamed", people.workspace, {"before": "Store"})
    people.editor.delete()
    row = AuditEntry.objects.get()
    assert (row.who, row.action, row.thing, row.thing_id, row.details, row.user) == (
        "emil@example.com",
        "workspace.renamed",
        "Shop",
        people.workspace.id,
        {"before": "Store"},
        None,
    )
