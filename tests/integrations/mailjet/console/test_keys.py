"""Authentication keys: masked, revealed to whoever may, rotated and removed."""

import json
from typing import Any

from django.conf import settings

from jetbridge.control.models import AppConnection, Destination
from jetbridge.control.people import AuditEntry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.services import new_destinations


def test_a_key_is_revealed_on_post_only_and_that_is_written_down(
    silent: Any, connection: AppConnection, audited: Any
) -> None:
    assert silent.get(f"{connection.id}/key").status_code == 405
    whole = silent.post(f"{connection.id}/key").content.decode()
    assert (
        whole.count(connection.authentication_key) == 3
    )  # the key, the shared secret, the subscription's user
    assert "<!doctype html>" in whole
    part = silent.client.post(f"{silent.path}{connection.id}/key", headers={"hx-request": "true"})
    assert connection.authentication_key in part.content.decode()
    assert "<!doctype html>" not in part.content.decode()
    assert audited() == ["app-connection.key-revealed"] * 2
    assert connection.authentication_key not in json.dumps(
        list(AuditEntry.objects.values("details", "thing"))
    )


def test_what_to_paste_is_all_there(silent: Any, connection: AppConnection) -> None:
    told = silent.read()
    assert f"{settings.CONFIG.public_url}/segment/{connection.source_id} " in told
    assert f"{settings.CONFIG.public_url}/segment " in told
    assert "Segment cannot reach this Jetbridge" in told


def test_a_key_is_rotated_and_the_old_one_ends(
    silent: Any, connection: AppConnection, text: Any, audited: Any
) -> None:
    old = connection.authentication_key
    assert "24 hours" in silent.read(f"{connection.id}/rotate")
    assert "The old key ends in 23 h" in text(silent.post(f"{connection.id}/rotate", hours="24"))
    connection.refresh_from_db()
    assert connection.source.previous
    assert connection.authentication_key != old == connection.source.previous.secret
    assert "The old key ends" not in text(silent.post(f"{connection.id}/end-grace"))
    connection.refresh_from_db()
    assert connection.source.previous is None
    assert audited() == ["app-connection.key-rotated", "app-connection.old-key-ended"]


def test_a_removed_app_connection_switches_off_who_holds_its_key(
    silent: Any, connection: AppConnection, event_log: SqliteEventLog, audited: Any
) -> None:
    values = {"apiKey": connection.authentication_key, "listId": "7"}
    new_destinations.add(event_log, silent.account.workspace, "mailjet", "To Mailjet", values, sources=[])
    assert "To Mailjet" in silent.read(f"{connection.id}/remove")
    silent.post(f"{connection.id}/remove")
    assert AppConnection.objects.count() == 0
    assert not Destination.objects.get().enabled
    assert audited() == ["app-connection.removed", "destination.disabled"]
