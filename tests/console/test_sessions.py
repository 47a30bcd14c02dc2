"""Where a person is logged in: what the profile page lists, what it ends, and what a new password asks and ends."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from jetbridge.console.auth import passwords
from jetbridge.console.settings.profile import browser_of
from jetbridge.control import api_tokens, sessions
from jetbridge.control.people import ApiToken, AuditEntry, Role, Session

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
NEW = "another bridge of boats"


def browser(people: Any, agent: str = FIREFOX, address: str = "203.0.113.7", who: str = "viewer") -> Client:
    client = Client(HTTP_USER_AGENT=agent, REMOTE_ADDR=address)
    data = {"email": getattr(people, who).email, "password": people.password}
    assert client.post("/login", data).status_code == 302
    return client


def profile(people: Any) -> str:
    return f"/w/{people.workspace.id}/settings/profile/"


def listed(people: Any, client: Client) -> list[tuple[str, str, bool]]:
    rows = client.get(profile(people)).context["sessions"]
    return [(each["browser"], each["row"].address, each["is_this"]) for each in rows]


def test_all_sessions_of_the_person_are_listed_and_of_nobody_else(people: Any) -> None:
    here, there = browser(people), browser(people, CHROME, "2001:db8::7")
    browser(people, who="owner")
    assert listed(people, here) == [
        ("Chrome on Linux", "2001:db8::7", False),
        ("Firefox on Windows", "203.0.113.7", True),
    ]
    page = here.get(profile(people)).content.decode()
    for row in Session.objects.all():
        assert row.session_key not in page
        assert row.session_key not in str(row)
    assert there.get(profile(people)).status_code == 200


def test_one_session_is_ended_and_the_others_go_on(people: Any) -> None:
    here, there, elsewhere = (browser(people, address=f"203.0.113.{number}") for number in (1, 2, 3))
    row = Session.objects.get(address="203.0.113.2")
    here.post(profile(people), {"form": "sessions", "session": sessions.reference(row)})
    assert there.get(profile(people)).headers["location"].startswith("/login")
    assert here.get(profile(people)).status_code == elsewhere.get(profile(people)).status_code == 200
    (entry,) = AuditEntry.objects.all()
    assert (entry.action, entry.details) == ("member.sessions-ended", {"sessions": 1})


def test_all_others_are_ended(people: Any) -> None:
    here, there, owner = browser(people), browser(people), browser(people, who="owner")
    here.post(profile(people), {"form": "sessions"})
    assert there.get(profile(people)).status_code == 302
    assert here.get(profile(people)).status_code == owner.get(profile(people)).status_code == 200


@pytest.mark.parametrize("which", ["this", "owner's", "nobody's"])
def test_neither_this_one_nor_somebody_elses_is_ended(people: Any, which: str) -> None:
    here, owner = browser(people), browser(people, who="owner")
    of = {"this": people.viewer, "owner's": people.owner}.get(which)
    reference = sessions.reference(Session.objects.get(user=of)) if of else "0" * 64
    answer = here.post(profile(people), {"form": "sessions", "session": reference}, follow=True)
    assert "There was no other session any more." in answer.content.decode()
    assert here.get(profile(people)).status_code == owner.get(profile(people)).status_code == 200
    assert not AuditEntry.objects.exists()


def test_use_is_noted_once_a_minute_and_when_the_address_changes(people: Any, queries: Any) -> None:
    client = browser(people)
    row = Session.objects.get()
    with queries() as seen:
        client.get(profile(people))
    assert not [query for query in seen if "UPDATE" in query["sql"]]
    client.get(profile(people), REMOTE_ADDR="198.51.100.4", HTTP_USER_AGENT=CHROME)
    now = Session.objects.get()
    assert (now.address, now.user_agent) == ("198.51.100.4", CHROME)
    Session.objects.update(last_seen_at=timezone.now() - timedelta(minutes=2))
    client.get(profile(people))
    now = Session.objects.get()
    assert (now.address, now.last_seen_at > row.last_seen_at) == ("203.0.113.7", True)


def test_saving_a_session_keeps_what_is_known_of_it(people: Any) -> None:
    client = browser(people)
    client.post(profile(people), {"form": "name", "name": "Vera M."})  # leaves a message in the session
    row = Session.objects.get()
    assert (row.user, row.address, row.user_agent) == (people.viewer, "203.0.113.7", FIREFOX)


def test_a_session_that_is_over_is_not_listed_and_goes_with_the_next_login(people: Any) -> None:
    here = browser(people)
    browser(people, CHROME)
    Session.objects.filter(user_agent=CHROME).update(expire_date=timezone.now() - timedelta(seconds=1))
    assert len(listed(people, here)) == 1
    browser(people, who="owner")
    assert not Session.objects.filter(user_agent=CHROME).exists()


def test_an_odd_client_is_listed_too(people: Any) -> None:
    here = browser(people, "<b>" + "x" * 10_000, "f" * 100)
    ((name, address, _),) = listed(people, here)
    assert (len(name), len(address)) == (40, 45)
    assert "<b>x" not in here.get(profile(people)).content.decode()


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox on Windows"),
        (CHROME, "Chrome on Linux"),
        (f"{CHROME} Edg/140.0", "Edge on Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1", "Safari on macOS"),
        ("curl/8.0", "curl/8.0"),
        ("", "Unknown browser"),
    ],
)
def test_browsers_are_called_as_people_call_them(agent: str, name: str) -> None:
    assert browser_of(agent) == name


# ---- a new password


@pytest.fixture
def token(people: Any) -> str:
    _, token = api_tokens.make(people.workspace, people.viewer, "<i>nightly</i>", Role.VIEWER)
    api_tokens.make(people.workspace, people.owner, "the owner's", Role.VIEWER)
    return token


def works(token: str) -> bool:
    answer = Client().get("/api/v1/workspace", headers={"authorization": f"Bearer {token}"})
    return answer.status_code == 200


@pytest.mark.parametrize("ends", [True, False])
def test_a_password_reset_asks_whether_api_tokens_end_too(people: Any, token: str, *, ends: bool) -> None:
    client = browser(people)
    people.viewer.refresh_from_db()  # the login ends links of before
    path = passwords.link_for(people.viewer).removeprefix(settings.CONFIG.public_url)
    page = Client().get(path).content.decode()
    assert "Also revoke my API token" in page
    assert "&lt;i&gt;nightly&lt;/i&gt;" in page
    data = {"password": NEW} | ({"revoke_tokens": "on"} if ends else {})
    answer = Client().post(path, data)
    assert answer.headers["location"] == "/"
    assert (works(token), ApiToken.objects.count()) == (not ends, 1 if ends else 2)
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert actions == {"member.password-reset"} | ({"api-token.revoked"} if ends else set())
    assert client.get(profile(people)).status_code == 302
    assert Session.objects.filter(user=people.viewer).count() == 1


@pytest.mark.parametrize("ends", [True, False])
def test_so_does_the_profile_page(people: Any, token: str, *, ends: bool) -> None:
    here, there = browser(people), browser(people)
    assert "Also revoke my API token" in here.get(profile(people)).content.decode()
    data = {"form": "password", "old_password": people.password, "new_password1": NEW, "new_password2": NEW}
    answer = here.post(profile(people), data | ({"revoke_tokens": "on"} if ends else {}), follow=True)
    assert ("1 API token was revoked." in answer.content.decode()) == ends
    assert works(token) == (not ends)
    assert [here.get(profile(people)).status_code, there.get(profile(people)).status_code] == [200, 302]
    assert Session.objects.filter(user=people.viewer).count() == 1
    here.post("/logout")
    assert here.post("/login", {"email": people.viewer.email, "password": NEW}).status_code == 302


def test_a_password_that_is_refused_ends_nothing(people: Any, token: str) -> None:
    here, there = browser(people), browser(people)
    data = {"form": "password", "old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
    assert here.post(profile(people), data | {"revoke_tokens": "on"}).status_code == 422
    assert works(token)
    assert there.get(profile(people)).status_code == 200


def test_who_has_no_token_is_asked_nothing(people: Any) -> None:
    assert "revoke_tokens" not in browser(people).get(profile(people)).content.decode()
