"""What all pages have in common: headers, no inline code, few queries, words for what went wrong."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.template.loader import get_template
from django.test import Client

import jetbridge
from jetbridge import console

from .conftest import OF_EVERY_PAGE, OF_HEALTH

SOURCE = Path(str(jetbridge.__file__)).parent
STATIC = Path(str(console.__file__)).parent / "static"


@pytest.mark.parametrize("page", ["/login", "/nothing-here", "/w/1/sources/"])
def test_every_answer_has_the_headers(people: Any, page: str) -> None:
    headers = Client().get(page).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


def test_cookies_are_out_of_reach_of_scripts(people: Any) -> None:
    cookies = Client().post("/login", {"email": "olga@example.com", "password": people.password}).cookies
    assert {name: (row["httponly"], row["samesite"]) for name, row in cookies.items()} == {
        "jetbridge_session": (True, "Lax"),
        "jetbridge_csrf": (True, "Lax"),
        f"jetbridge_device_{people.owner.id}": (True, "Lax"),
    }


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("templates/**/*.html")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_no_template_holds_code_or_style(path: Path) -> None:
    text = path.read_text()
    assert (
        re.findall(r"<script(?![^>]*\ssrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=|javascript:|hx-on", text) == []
    )
    # A person may follow a link elsewhere; a page loads nothing from there.
    assert (
        re.findall(r"(?:src|action)=[\"']?(?:https?:)?//|<(?!a )[^>]*href=[\"']?(?:https?:)?//", text) == []
    )
    get_template(path.as_posix().rpartition("/templates/")[2])


#: Words that pages had once, and that the field does not use.
RETIRED = (
    r"set aside|at rest|to be told|was told|been told|Be told|Nobody is told|refused for good|adds? up|never held|Case counts|"
    r"How it is named|Read messages again|What became of it|What it says|Really send|Make a (?:plan|token)|Make the account|"
    r"first page<|\bours\b|\bdoors?\b|\bMend\b|\bPace\b|\bHolds\b|\bDesired\b|>Release<|good no longer|do not fit\."
)


@pytest.mark.parametrize(
    "path",
    sorted(Path(str(jetbridge.__file__)).parent.rglob("templates/**/*.html")),
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_pages_use_the_words_of_the_field(path: Path) -> None:
    shown = re.sub(r"{%(?! include).*?%}|{{.*?}}|{#.*?#}", "", path.read_text(), flags=re.DOTALL)
    assert re.findall(RETIRED, shown) == []


def test_no_script_makes_code_of_text() -> None:
    for path in STATIC.rglob("*.js"):
        assert re.findall(r"\beval\(|new Function|document\.write", path.read_text()) == [], path


def test_every_page_is_found_with_a_slash_at_the_end_and_without_one(people: Any, client_of: Any) -> None:
    source = people.workspace.sources.create(kind="http", name="Website")
    client, base = client_of("owner"), f"/w/{people.workspace.id}"
    pages = [f"sources/{source.id}/{name}" for name in ("", "schema", "debugger", "import", "settings")]
    pages += [
        "",
        "checklist",
        "destinations",
        "destinations/catalog",
        "app-connections/add",
        "settings/people",
    ]
    for page in [*(f"{base}/{page}".rstrip("/") for page in pages), "/styleguide"]:
        statuses = {client.get(f"{page}{end}?q=x", follow=True).status_code for end in ("", "/")}
        assert statuses == {200}, page
    answer = client.get(f"{base}/sources/{source.id}/schema/?q=x")
    assert (answer.status_code, answer["location"]) == (301, f"{base}/sources/{source.id}/schema?q=x")
    assert client.get(f"{base}/sources/999/").status_code == 404
    assert client.get("/%2Fevil.example/login/").status_code == 404
    assert client.post(f"{base}/sources/{source.id}/schema/").status_code == 404


def test_an_unknown_path_has_a_page(people: Any, client_of: Any) -> None:
    answer = client_of("owner").get("/w/999/sources/<script>")
    assert answer.status_code == 404
    assert "/w/999/sources/&lt;script&gt;" in answer.content.decode()


@pytest.mark.parametrize("data", [{"text": "x" * 3_200_000}, {str(number): "" for number in range(2_100)}])
def test_a_form_that_is_too_large_is_told_so(people: Any, client_of: Any, data: dict[str, str]) -> None:
    answer = client_of("owner").post(f"/w/{people.workspace.id}/settings/profile/", data)
    assert (answer.status_code, "too much at once" in answer.content.decode()) == (400, True)


def test_a_page_that_breaks_has_a_page(people: Any, client_of: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("jetbridge.console.home.steps_of", lambda _: 1 / 0)
    client = client_of("owner")
    client.raise_request_exception = False
    answer = client.get(f"/w/{people.workspace.id}/checklist/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()
    assert "ZeroDivisionError" not in answer.content.decode()


@pytest.mark.parametrize(
    ("page", "own"),
    [("checklist/", 3), ("sources/", 1), ("destinations/", 2 + OF_HEALTH), ("app-connections/", 1)],
)
def test_a_page_asks_as_often_as_it_must(
    people: Any, client_of: Any, queries: Any, page: str, own: int
) -> None:
    client = client_of("viewer")
    with queries() as seen:
        assert client.get(f"/w/{people.workspace.id}/{page}").status_code == 200
    assert len(seen) == OF_EVERY_PAGE + own, [query["sql"] for query in seen]


def test_a_password_change_ends_other_sessions(people: Any, client_of: Any) -> None:
    here, there = client_of("viewer"), client_of("viewer")
    profile = f"/w/{people.workspace.id}/settings/profile/"
    new = "another bridge of boats"
    data = {"form": "password", "old_password": people.password, "new_password1": new, "new_password2": new}
    assert here.post(profile, data | {"old_password": "wrong"}).status_code == 422
    assert here.post(profile, data).headers["location"] == profile
    assert here.get(profile).status_code == 200
    assert there.get(profile).status_code == 302


def test_a_name_can_be_changed(people: Any, client_of: Any) -> None:
    profile = f"/w/{people.workspace.id}/settings/profile/"
    client_of("viewer").post(profile, {"form": "name", "name": "Vera M."})
    people.viewer.refresh_from_db()
    assert people.viewer.name == "Vera M."


def test_opening_a_slide_out_takes_no_toast_away(people: Any, client_of: Any) -> None:
    """Unless it has something to tell itself."""
    within = {"hx-request": "true", "hx-target": "slide-out-body"}
    answer = client_of("editor").get(f"/w/{people.workspace.id}/sources/add", headers=within)
    assert "toasts" not in answer.content.decode()
