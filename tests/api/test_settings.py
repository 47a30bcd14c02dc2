"""What the calls of members, invitations, tokens, alerts, the audit log and the workspace do."""

from typing import Any

import pytest

from jetbridge.control.alerts import Alert, AlertRule
from jetbridge.control.models import Workspace
from jetbridge.control.people import ApiToken, AuditEntry, Invitation, Membership, Role

from .filled import Filled


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def test_a_member_gets_another_role_and_is_removed(shop: Filled) -> None:
    told = {row["email"]: row for row in shop.get("members")["items"]}
    assert told["olga@example.com"]["role"] == "owner"
    member = told["new@shop.example"]
    changed = shop.call("PATCH", "members/{member}", {"role": "editor"}).json()
    assert changed == {**member, "role": "editor"}
    assert shop.call("DELETE", "members/{member}").json() == changed
    assert not Membership.objects.filter(id=member["id"]).exists()
    assert actions() == ["member.role-changed", "member.removed"]


def test_the_last_owner_stays(shop: Filled, people: Any) -> None:
    (owner,) = Membership.objects.filter(workspace=people.workspace, role=Role.OWNER)
    for method, body in (("PATCH", {"role": "viewer"}), ("DELETE", None)):
        answer = shop.call(method, f"members/{owner.id}", body)
        assert answer.status_code == 409
        assert "is the only owner of Shop" in answer.json()["detail"]


def test_an_invitation_is_made_renewed_and_revoked(shop: Filled) -> None:
    made = shop.call("POST", "invitations", {"email": " Ada@Example.com", "role": "viewer"}).json()
    assert (made["invitation"]["email"], made["invitation"]["role"]) == ("ada@example.com", "viewer")
    assert (made["sent"], made["problem"]) == (False, "")
    assert "/invitation/" in made["link"]
    path = f"invitations/{made['invitation']['id']}"
    renewed = shop.call("POST", f"{path}/renew").json()
    assert renewed["link"] != made["link"]
    assert renewed["link"] not in str(shop.get("invitations"))
    assert shop.call("DELETE", path).json() == renewed["invitation"]
    assert not Invitation.objects.filter(email="ada@example.com").exists()
    assert actions() == ["invitation.made", "invitation.made", "invitation.revoked"]


@pytest.mark.parametrize(
    ("email", "status", "sentence"),
    [
        ("nobody", 422, "'nobody' is no email address."),
        ("vera@example.com", 409, "vera@example.com is a member already."),
    ],
)
def test_who_cannot_be_invited_is_not(shop: Filled, email: str, status: int, sentence: str) -> None:
    answer = shop.call("POST", "invitations", {"email": email})
    assert (answer.status_code, answer.json()["detail"]) == (status, sentence)


def test_a_token_makes_another_which_works_until_it_is_revoked(shop: Filled) -> None:
    made = shop.call("POST", "tokens", {"name": "nightly", "role": "viewer"}).json()
    other = Filled(shop.workspace, shop.ids, made["token"], [])
    assert other.get("workspace")["role"] == "viewer"
    assert other.call("POST", "tokens", {"name": "mine", "role": "viewer"}).status_code == 403
    listed = {row["name"]: row for row in shop.get("tokens")["items"]}
    assert listed["nightly"]["ending"] == made["token"][-4:]
    assert made["token"] not in str(listed)
    assert shop.call("DELETE", f"tokens/{made['api_token']['id']}").status_code == 200
    assert other.call("GET", "workspace").status_code == 401
    assert actions() == ["api-token.made", "api-token.revoked"]


def test_a_workspace_is_renamed_and_another_one_is_made(shop: Filled, people: Any) -> None:
    assert shop.call("PATCH", "workspace", {"name": "Store"}).json() == {
        "id": people.workspace.id,
        "name": "Store",
        "time_zone": "UTC",
        "engage": True,
        "engage_retention_days": 1_095,
        "engage_excluded_sources": [],
    }
    taken = shop.call("POST", "workspaces", {"name": "Elsewhere"})
    assert (taken.status_code, taken.json()["detail"]) == (409, "Another workspace has this name.")
    made = shop.call("POST", "workspaces", {"name": "Second"}).json()
    second = Filled(shop.workspace, {}, made["token"], [])
    assert (second.get("workspace")["name"], second.get("workspace")["role"]) == ("Second", "owner")
    assert [row["action"] for row in second.get("audit")["items"]] == ["api-token.made", "workspace.added"]
    assert second.call("DELETE", "workspace").json() == {
        "id": made["id"],
        "name": "Second",
        "time_zone": "UTC",
        "engage": False,
        "engage_retention_days": 1_095,
        "engage_excluded_sources": [],
    }
    assert not Workspace.objects.filter(name="Second").exists()
    assert not ApiToken.objects.filter(workspace_id=made["id"]).exists()
    assert shop.get("audit", thing="workspace")["items"][0]["action"] == "workspace.deleted"


def test_a_workspace_is_not_deleted_while_it_works_nor_as_the_last_one(shop: Filled) -> None:
    alone = shop.call("DELETE", "workspace")
    assert alone.status_code == 409
    assert "is the only workspace of olga@example.com" in alone.json()["detail"]
    shop.call("POST", "workspaces", {"name": "Second"})
    answer = shop.call("DELETE", "workspace")
    assert answer.status_code == 409
    assert "The destination Mailjet is enabled." in answer.json()["detail"]


def test_an_alert_rule_is_added_changed_tested_and_deleted(shop: Filled) -> None:
    wish = {"kind": "failures", "destination": shop.ids["destination"], "percent": 3}
    made = shop.call("POST", "alert-rules", {**wish, "webhook_url": "http://127.0.0.1:9/secret-path"})
    assert made.status_code == 201, made.content
    rule = made.json()
    assert (rule["percent"], rule["minutes"], rule["webhook_host"]) == (3, 15, "127.0.0.1")
    path = f"alert-rules/{rule['id']}"
    full = shop.get(path)
    assert full["rule"] == rule
    assert full["webhook_url"] == "http://127.0.0.1:9/secret-path"
    assert full["signing_secret"] == AlertRule.objects.get(id=rule["id"]).webhook_secret
    (tested,) = shop.call("POST", f"{path}/test").json()["results"]
    assert (tested["channel"], tested["arrived"]) == ("Webhook", False)
    changed = shop.call("PATCH", path, {"destination": None, "minutes": 20}).json()
    assert (changed["destination"], changed["minutes"], changed["percent"]) == (None, 20, 3)
    assert shop.call("PATCH", path, {"minutes": 20}).json() == changed
    assert shop.call("DELETE", path).json() == changed
    assert actions() == [f"alert-rule.{done}" for done in ("added", "tested", "changed", "deleted")]
    assert "secret-path" not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"kind": "pause"}, "Choose who is alerted: a webhook URL, an email address, or the owners."),
        ({"kind": "silence", "webhook_url": "http://a.b"}, "Choose a source."),
        ({"kind": "pause", "percent": 5}, "A rule of the kind pause takes no percent."),
        ({"kind": "pause", "webhook_url": "hook"}, "Enter an address such as https://example.com."),
        ({"kind": "pause", "emails": ["a"]}, "'a' is no email address."),
        ({"kind": "failures", "minutes": 1441, "webhook_url": "http://a.b"}, "Choose 1 to 1,440 minutes."),
    ],
)
def test_a_wrong_alert_rule_is_refused(shop: Filled, wish: dict[str, Any], sentence: str) -> None:
    answer = shop.call("POST", "alert-rules", wish)
    assert (answer.status_code, answer.json()["detail"]) == (422, sentence)


def test_alerts_are_told_by_whether_they_are_over(shop: Filled) -> None:
    (alert,) = shop.get("alerts", open="true")["items"]
    assert (alert["name"], alert["ended_at"]) == ("Mailjet", None)
    assert [(each["channel"], each["sent_at"]) for each in alert["notifications"]] == [("webhook", None)]
    assert shop.get("alerts", open="false")["items"] == []
    shop.call("PATCH", "alert-rules/{rule}", {"enabled": False})
    assert Alert.objects.get().ended_at is not None
    assert len(shop.get("alerts", open="false")["items"]) == 1


def test_the_audit_log_is_read_by_member_and_by_thing(shop: Filled) -> None:
    shop.call("PATCH", "sources/{source}", {"name": "Store"})
    shop.call("PATCH", "destinations/{destination}", {"enabled": False})
    told = shop.get("audit")["items"]
    assert [row["action"] for row in told] == ["destination.disabled", "source.renamed"]
    assert told[0]["who"] == "deploy, a token of olga@example.com"
    for query, found in (
        ({"who": "olga@example.com"}, 2),
        ({"who": "vera@example.com"}, 0),
        ({"thing": "source"}, 1),
        ({"thing": "source", "thing_id": shop.ids["source"] + 1}, 0),
    ):
        assert len(shop.get("audit", **query)["items"]) == found


def test_track_calls_are_blocked_by_their_event(shop: Filled) -> None:
    for body in ({"type": "track"}, {"type": "track", "name": "total"}):
        answer = shop.call("PUT", "sources/{source}/blocks", body)
        assert (answer.status_code, answer.json()["detail"]) == (
            422,
            "Track calls are blocked by their event: name it.",
        )
    assert shop.get("sources/{source}/blocks") == {"blocks": [], "notes": []}
    blocked = shop.call("PUT", "sources/{source}/blocks", {"type": "track", "event": "Never seen"}).json()
    assert blocked["blocks"] == [{"type": "track", "event": "Never seen", "name": ""}]
    assert blocked["notes"][0].startswith(
        "The schema of Segment workspace (Customers of shop) has no track 'Never seen' so far."
    )


def test_a_name_that_is_given_and_taken_is_a_conflict(shop: Filled) -> None:
    body = {"kind": "webhook", "settings": {"url": "https://example.com/"}}
    assert shop.call("POST", "destinations", {**body, "name": "Hook"}).status_code == 201
    answer = shop.call("POST", "destinations", {**body, "name": "Hook"})
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    names = [shop.call("POST", "destinations", body).json()["name"] for _ in range(2)]
    assert int(names[1].rpartition(" ")[2]) > 1
