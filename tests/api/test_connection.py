"""Checking connections by the API, and what is refused because nothing can be reached."""

from tests.processes import free_port

from .filled import Filled


def nowhere() -> str:
    return f"postgresql://ann:secret-word@127.0.0.1:{free_port()}/shop"


def test_a_connection_is_checked_before_anything_is_stored(shop: Filled) -> None:
    before = shop.workspace.destinations.count()
    answer = shop.call("POST", "catalog/check", {"kind": "warehouse"}).json()
    assert (answer["passed"], {step["state"] for step in answer["steps"]}) == (True, {"passed"})
    answer = shop.call("POST", "catalog/check", {"kind": "warehouse", "settings": {"url": nowhere()}}).json()
    assert answer["passed"] is False
    assert [step["state"] for step in answer["steps"]] == ["failed", *["skipped"] * 4]
    assert "Nothing answers at 127.0.0.1" in answer["steps"][0]["message"]
    wrong = shop.call("POST", "catalog/check", {"kind": "warehouse", "settings": {"url": "ftp://x"}}).json()
    assert (wrong["passed"], wrong["steps"], list(wrong["problems"])) == (False, [], ["url"])
    other = shop.call("POST", "catalog/check", {"kind": "segment", "settings": {"writeKey": "k"}}).json()
    assert (other["passed"], other["steps"]) == (None, [])
    assert shop.workspace.destinations.count() == before


def test_what_cannot_be_reached_is_refused_unless_anyway(shop: Filled) -> None:
    body = {"kind": "warehouse", "settings": {"url": nowhere()}}
    refused = shop.call("POST", "destinations", body)
    assert refused.status_code == 422
    assert "Reach the server: Nothing answers" in refused.json()["detail"]
    assert "secret-word" not in refused.content.decode()
    made = shop.call("POST", "destinations", {**body, "anyway": True}).json()
    path = f"destinations/{made['id']}"
    # The connection is the same: what else is changed needs no check.
    assert shop.call("PATCH", path, {"settings": {"schedule": "daily"}}).status_code == 200
    assert shop.call("PATCH", path, {"settings": made["settings"]}).status_code == 200
    assert shop.call("PATCH", path, {"settings": {"url": nowhere()}}).status_code == 422
    assert shop.call("POST", f"{path}/check").json()["passed"] is False
    assert shop.call("POST", f"{path}/check", {"settings": {"url": ""}}).json()["passed"] is True
    assert shop.call("PATCH", path, {"settings": {"url": ""}}).status_code == 200
    assert shop.call("POST", f"{path}/check").json()["passed"] is True
