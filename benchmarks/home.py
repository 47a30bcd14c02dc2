"""A JETBRIDGE_HOME of this process, thrown away at its end, with one workspace in it. Starts Django."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SCRATCH = tempfile.TemporaryDirectory(prefix="jetbridge-bench-")


def scratch(name: str) -> Path:
    """An empty folder that goes away with the process."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=_SCRATCH.name))


os.environ["JETBRIDGE_HOME"] = str(scratch("home"))

from jetbridge.control import database  # noqa: E402 - the environment comes first

database.start()
database.migrate()

from jetbridge.control.settings import CONFIG  # noqa: E402
from jetbridge.delivery import ledger  # noqa: E402
from jetbridge.eventlog.sqlite import SqliteEventLog  # noqa: E402
from jetbridge.integrations.mailjet import connect  # noqa: E402 - Django comes first


@dataclass(frozen=True)
class Bench:
    """A Mailjet destination and the source it reads, as `jetbridge setup` makes them."""

    event_log: SqliteEventLog
    source: int
    source_kinds: dict[int, str]
    destination: int
    account: int
    workspace: int
    list_id: int = 4_917


def bench(mailjet_url: str = "http://127.0.0.1:1") -> Bench:
    """By default there is no Mailjet behind it."""
    event_log = SqliteEventLog(CONFIG.log_path)
    joined = connect.join(
        connect.ConnectionSpec(
            workspace="Benchmark",
            mailjet_url=mailjet_url,
            api_key="benchmark",
            secret_key="benchmark",
            list_id=4_917,
            list_name="Benchmark",
        )
    )
    sources = list(joined.to_mailjet.sources.all())
    ledger.begin_destination(joined.to_mailjet.id, [row.id for row in sources], event_log.counts())
    return Bench(
        event_log,
        joined.http_source.id,
        {row.id: row.kind for row in sources},
        joined.to_mailjet.id,
        joined.account.id,
        joined.workspace.id,
    )
