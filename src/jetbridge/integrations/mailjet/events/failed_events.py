"""Email events that raised an exception, read again: after a bug of ours was fixed."""

from hashlib import blake2b

from jetbridge.delivery.isolation import INTERNAL_ERROR
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, RETRIED, Entry, EventLog
from jetbridge.eventlog.search import everything

#: Entries per append.
CHUNK = 500


def retry(event_log: EventLog, source: int) -> int:
    """Append events that failed as INTERNAL_ERROR to the log again; how many. One that was appended again since is
    left alone. Reads the whole log.
    """
    failed: dict[bytes, Entry] = {}
    for record in event_log.find(everything([source], [EMAIL_EVENT, INVALID])):
        digest = blake2b(record.body, digest_size=16).digest()
        if record.type == EMAIL_EVENT:
            failed.pop(digest, None)
        elif record.body and (record.error or "").startswith(f"{INTERNAL_ERROR.lower()}: "):
            failed[digest] = Entry(source, EMAIL_EVENT, record.received_at, record.body, RETRIED)
    entries = list(failed.values())
    for start in range(0, len(entries), CHUNK):
        event_log.append(entries[start : start + CHUNK])
    return len(entries)
