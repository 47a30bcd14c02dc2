"""What is acknowledged after a change was confirmed follows the change: at the endpoints and at destinations."""

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.control import api_tokens
from jetbridge.control.models import Workspace
from jetbridge.control.people import Membership, Role, User

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = [pytest.mark.acceptance]

ROUNDS = 5


class Workplace:
    """A running Jetbridge, changed by its API, and what its sources send."""

    def __init__(self, loop: "Loop") -> None:
        self.loop = loop
        self.workspace = Workspace.objects.get()
        owner = User.objects.create_user(email="olga@example.com", password="a bridge of boats")
        Membership.objects.create(user=owner, workspace=self.workspace, role=Role.OWNER)
        _, self._token = api_tokens.make(self.workspace, owner, "Tests", Role.OWNER)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.loop.url}/api/v1/{path}", data, method=method, headers=headers
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.loads(response.read() or "null")

    def identify(self, write_key: str, name: str) -> int:
        """The status of the response to one identify of this person."""
        call = {"writeKey": write_key, "userId": name, "traits": {"email": f"{name}@example.com"}}
        try:
            with urllib.request.urlopen(
                f"{self.loop.url}/v1/identify", json.dumps(call).encode(), timeout=20
            ) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def workplace(loop: "Loop") -> Workplace:
    return Workplace(loop)


def test_a_destination_gets_what_a_source_sends_from_its_connection_on(
    workplace: Workplace, eventually: Any
) -> None:
    loop = workplace.loop
    app = workplace.api("POST", "sources", {"name": "App"})
    link = f"sources/{app['id']}/destinations/{loop.destination('mailjet')['id']}"
    for number in range(ROUNDS):
        workplace.api("PUT", link)
        workplace.identify(app["write_key"], f"in{number}")
        eventually(lambda n=number: f"in{n}@example.com" in loop.subscribers(), "what came after")
        workplace.api("DELETE", link)
        workplace.identify(app["write_key"], f"out{number}")
        workplace.identify(loop.write_key, f"after{number}")
        eventually(lambda n=number: f"after{n}@example.com" in loop.subscribers(), "what came last")

    loop.settle()
    names = [name for number in range(ROUNDS) for name in (f"in{number}", f"after{number}")]
    assert loop.subscribers() == {f"{name}@example.com" for name in names}
    assert loop.destination("mailjet")["received"] == len(names)


def test_what_is_sent_between_two_changes_follows_the_first(workplace: Workplace) -> None:
    """Nobody waits until the message is read: what comes before a change is not lost by it, nor what came before taken in."""
    loop = workplace.loop
    app = workplace.api("POST", "sources", {"name": "App"})
    link = f"sources/{app['id']}/destinations/{loop.destination('mailjet')['id']}"
    for number in range(12):
        workplace.identify(app["write_key"], f"before{number}")
        workplace.api("PUT", link)
        workplace.identify(app["write_key"], f"in{number}")
        workplace.api("DELETE", link)
        workplace.identify(app["write_key"], f"out{number}")

    loop.settle()
    assert loop.subscribers() == {f"in{number}@example.com" for number in range(12)}
    assert loop.destination("mailjet")["received"] == 12
    assert loop.status()["balanced"]


def test_a_disabled_destination_still_gets_what_came_before_its_source_left(workplace: Workplace) -> None:
    loop = workplace.loop
    path = f"destinations/{loop.destination('mailjet')['id']}"
    app = workplace.api("POST", "sources", {"name": "App"})
    link = f"sources/{app['id']}/{path}"
    workplace.api("PUT", link)
    workplace.api("PATCH", path, {"enabled": False})
    for number in range(5):
        workplace.identify(app["write_key"], f"in{number}")
    workplace.api("DELETE", link)
    workplace.identify(app["write_key"], "out")
    row = loop.destination("mailjet")
    assert row["pending"] == 5, str(row)
    workplace.api("PATCH", path, {"enabled": True})
    loop.settle()
    assert loop.subscribers() == {f"in{number}@example.com" for number in range(5)}
    assert loop.destination("mailjet")["received"] == 5
    assert loop.status()["balanced"]


def test_a_filter_holds_from_its_confirmation_on(workplace: Workplace, eventually: Any) -> None:
    loop = workplace.loop
    path = f"destinations/{loop.destination('mailjet')['id']}"
    drop = json.dumps([{"name": "Out", "if": 'match(userId, "out*")', "action": {"type": "DROP"}}])
    for number in range(ROUNDS):
        workplace.api("PATCH", path, {"settings": {"filters": drop}})
        workplace.identify(loop.write_key, f"out{number}")
        loop.settle()
        workplace.api("PATCH", path, {"settings": {"filters": ""}})
        workplace.identify(loop.write_key, f"out-in{number}")
        eventually(lambda n=number: f"out-in{n}@example.com" in loop.subscribers(), "what came after")

    loop.settle()
    assert loop.destination("mailjet")["reasons"]["filtered"]["FILTERED_BY_DESTINATION_FILTER"] == ROUNDS


def test_a_source_refuses_its_senders_from_its_confirmation_on(workplace: Workplace) -> None:
    app = workplace.api("POST", "sources", {"name": "App"})
    seen = []
    for number in range(ROUNDS):
        for enabled in (False, True):
            workplace.api("PATCH", f"sources/{app['id']}", {"enabled": enabled})
            seen.append(workplace.identify(app["write_key"], f"u{number}"))
    assert seen == [401, 200] * ROUNDS
