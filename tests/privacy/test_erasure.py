"""Erasures, whatever one of them meets."""

import threading
from typing import Any

from django.db import connections

from jetbridge.control.models import Workspace
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.privacy import erasure
from jetbridge.privacy.erasure import Eraser, ErasureHandler
from jetbridge.privacy.models import Erasure
from jetbridge.spec.person import Identity


def test_one_that_raises_stops_no_other_and_is_tried_again(
    event_log: SqliteEventLog, eventually: Any
) -> None:
    broken, whole = (Workspace.objects.create(name=name).id for name in ("Broken", "Whole"))
    is_broken = True

    def handlers(workspace: int) -> list[ErasureHandler]:
        if workspace == broken and is_broken:
            raise ZeroDivisionError
        return []

    for workspace in (broken, whole):
        erasure.request(workspace, Identity.of_name("ada@example.com"))
    stop = threading.Event()

    def body() -> None:
        try:
            Eraser(event_log, handlers).run(stop)
        finally:
            connections.close_all()

    thread = threading.Thread(target=body)
    thread.start()
    try:
        eventually(lambda: Erasure.objects.get(workspace_id=whole).ended_at, "the other is done")
        assert Erasure.objects.get(workspace_id=broken).ended_at is None
        is_broken = False
        eventually(lambda: Erasure.objects.get(workspace_id=broken).ended_at, "so is this one, later")
    finally:
        stop.set()
        thread.join(60)
