"""Audiences and computed traits by commands and the API beside a running Jetbridge, from the first event to the deletion."""

import csv
import io
import json
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.control.models import SourceKind
from jetbridge.spec.names import snakecase

from .test_changes import Workplace

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = pytest.mark.acceptance

#: Who has spent how much, in orders of 40.
ORDERS = {"ada": 3, "bob": 1, "eve": 2}
BIG = {"trait": "lifetime_value", "op": ">=", "value": 80}


def test_from_the_first_event_to_the_deletion(
    loop: "Loop", home: Path, eventually: Callable[..., None]
) -> None:
    workplace = Workplace(loop)
    trait = add(loop, "traits", "Lifetime value", {"computed": "sum", "event": "Order", "property": "total"})
    assert trait["engage_switched_on"] is True
    for name, orders in ORDERS.items():
        send(loop, "identify", userId=name, traits={"email": f"{name}@example.com"})
        for _ in range(orders):
            send(loop, "track", userId=name, event="Order", properties={"total": 40})
    mailjet = str(loop.destination("mailjet")["id"])
    audience = add(loop, "audiences", "Big spenders", BIG, "--destination", mailjet)
    path = f"audiences/{audience['id']}"
    eventually(lambda: workplace.api("GET", path)["size"] == 2, "both are members")

    # Whatever shows it shows the same.
    found = workplace.api("POST", "audiences/preview", {"definition": BIG})
    assert (found["count"], found["without_address"], found["looked_at"]) == (2, 0, 1.0)
    members = {item["profile"] for item in workplace.api("GET", f"{path}/members")["items"]}
    assert {item["profile"] for item in found["items"]} == members
    table = csv.DictReader(io.StringIO(download(workplace, f"{path}/members/export").decode("utf-8-sig")))
    assert {row["email"] for row in table} == {"ada@example.com", "eve@example.com"}
    assert json.loads(loop.jetbridge("traits", "members", "lifetime_value", "--json"))["next"] is None
    for name, orders in ORDERS.items():
        told = json.loads(
            loop.jetbridge("audiences", "explain", "Big spenders", f"{name}@example.com", "--json")
        )
        assert (told["member"], told["profile"] in members) == (orders > 1, orders > 1)
        assert told["why"] == [
            f"lifetime_value is at least 80: {'yes' if orders > 1 else 'no'}, {40 * orders}"
        ]
        profile = workplace.api("GET", f"profiles/user_id:{name}")
        assert [item["value"] for item in profile["computed_traits"]] == [40 * orders]
        assert len(profile["events"]) == orders

    eventually(lambda: value(loop, "ada", "big_spenders") is True, "Mailjet has the property")
    # A changed definition sends differences only.
    limit = json.dumps({**BIG, "value": 120})
    (home / "definition.json").write_text(limit)
    loop.jetbridge("audiences", "set", "big_spenders", "--definition", str(home / "definition.json"))
    eventually(lambda: value(loop, "eve", "big_spenders") is False, "she is big no more")
    assert value(loop, "ada", "big_spenders") is True
    assert value(loop, "bob", "big_spenders") is None

    # The deletion clears the property, then nothing of Engage is connected with Mailjet any more.
    assert loop.run("traits", "delete", "lifetime_value", "--yes").returncode == 1
    loop.jetbridge("audiences", "delete", "big_spenders", "--members", "false", "--yes")
    eventually(lambda: value(loop, "ada", "big_spenders") is False, "nobody is in it any more")
    engage = workplace.workspace.sources.get(kind=SourceKind.ENGAGE)
    eventually(lambda: not engage.destinations.exists(), "it is sent nowhere any more")
    loop.jetbridge("traits", "delete", "lifetime_value", "--yes")
    assert workplace.api("GET", "audiences") == {"items": [], "next": None}
    assert (
        loop.run("audiences", "add", "Big spenders", "--definition", str(home / "definition.json")).returncode
        == 1
    )


def add(loop: "Loop", noun: str, name: str, definition: Any, *options: str) -> Any:
    file = Path(os.environ["JETBRIDGE_HOME"]) / f"{snakecase(name)}.json"
    file.write_text(json.dumps(definition))
    return json.loads(loop.jetbridge(noun, "add", name, "--definition", str(file), *options, "--json"))


def send(loop: "Loop", kind: str, **call: Any) -> None:
    body = json.dumps({"writeKey": loop.write_key, **call}).encode()
    with urllib.request.urlopen(f"{loop.url}/v1/{kind}", body, timeout=20) as response:
        assert response.status == 200


def download(workplace: Workplace, path: str) -> bytes:
    request = urllib.request.Request(
        f"{workplace.loop.url}/api/v1/{path}", headers={"authorization": f"Bearer {workplace._token}"}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        content: bytes = response.read()
        return content


def value(loop: "Loop", name: str, key: str) -> object:
    """As Mailjet has it now; None without one."""
    (row,) = loop.mailjet.contactdata.get(id=f"{name}@example.com").json()["Data"]
    return {pair["Name"]: pair["Value"] for pair in row["Data"]}.get(key)
