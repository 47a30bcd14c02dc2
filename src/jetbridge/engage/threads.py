"""The worker's threads for Engage: one for each workspace in which it is switched on. What is left of others goes."""

import re
from collections.abc import Mapping

from django.conf import settings

from jetbridge.delivery.models import ConsumerOffset
from jetbridge.delivery.threads import Runnable
from jetbridge.engage import store
from jetbridge.engage.consumer import EngageReader
from jetbridge.engage.models import Space
from jetbridge.eventlog.base import EventLog

_FILE = re.compile(r"engage-(\d+)\.db\b.*")


def threads(event_log: EventLog) -> Mapping[str, tuple[object, Runnable]]:
    """For `Threads.keep`: name -> what the thread is made from, and what it runs."""
    spaces = list(Space.objects.order_by("id"))
    enabled = [space for space in spaces if space.enabled]
    _remove_rest(
        {space.workspace_id for space in spaces}, {store.reader(space.workspace_id) for space in enabled}
    )
    return {
        store.reader(space.workspace_id): (space.id, EngageReader(space, event_log).run) for space in enabled
    }


def _remove_rest(workspaces: set[int], readers: set[str]) -> None:
    """Retention waits for no reader that does not read. A file of people goes with its workspace."""
    rows = ConsumerOffset.objects.filter(consumer__startswith=store.reader(0)[:-1]).exclude(
        consumer__in=readers
    )
    if rows.exists():
        rows.delete()
    for path in settings.CONFIG.home.glob("engage-*.db*"):
        match = _FILE.fullmatch(path.name)
        if match and int(match[1]) not in workspaces:
            path.unlink(missing_ok=True)
