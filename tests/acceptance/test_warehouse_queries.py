"""The three queries of a warehouse, on DuckDB and on a real PostgreSQL, over what came through Jetbridge: Identify, a campaign of the sandbox,
orders. What they should find is counted here, from what the sandbox has sent and what the shop has sold.
"""

import json
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import duckdb
import psycopg
import pytest
from django.conf import settings
from tests import postgres

from jetbridge.control import directory
from jetbridge.control.models import Destination, Source, Workspace
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.warehouse import location, queries
from jetbridge.integrations.warehouse.queries import Query
from jetbridge.services import new_destinations

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = pytest.mark.acceptance

Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.running() as server:
        yield server


def send(loop: "Loop", calls: list[dict[str, Any]]) -> None:
    body = json.dumps({"writeKey": loop.write_key, "batch": calls}).encode()
    urllib.request.urlopen(f"{loop.url}/v1/batch", body, timeout=20).close()


def emitted_events(loop: "Loop") -> list[dict[str, Any]]:
    """What the sandbox has sent, with the userId of the person."""
    rows = json.loads(loop.sandbox("GET", "/sandbox/events?limit=1000"))["events"]
    return [{**row["event"], "user": row["event"]["email"].partition("@")[0]} for row in rows]


def add_warehouse(name: str, values: dict[str, str]) -> Destination:
    with closing(SqliteEventLog(settings.CONFIG.log_path)) as log:
        workspace = Workspace.objects.get()
        return new_destinations.add(log, workspace, "warehouse", name, values, sources=Source.objects.all())


def queries_of(row: Destination) -> list[Query]:
    ref = directory.destination(row.id)
    assert ref
    return queries.queries(ref, ref.secrets.get("url", ""), {})


def plain(rows: Rows) -> list[tuple[Any, ...]]:
    """Numbers alike: PostgreSQL's are decimals where DuckDB's are floats."""
    return [
        tuple(float(value) if not isinstance(value, str | None | datetime) else value for value in row)
        for row in rows
    ]


def orders_of(clicked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Orders around the clicks: just before, just after, twice, on the last day, too late, and of somebody who did not click."""
    orders = []
    for number, click in enumerate(clicked):
        offset = [timedelta(0), timedelta(days=6, hours=23), timedelta(days=7), timedelta(seconds=-1)][
            number % 4
        ]
        at = datetime.fromtimestamp(click["time"], UTC) + offset
        amount = {"revenue": number + 0.25} if number % 3 else {"total": number}
        orders += [(click["user"], at, amount)] * (1 + (number % 5 == 0))
    orders.append(("nobody", datetime.now(UTC), {"revenue": 1_000}))
    return [
        {
            "type": "track",
            "event": "Order Completed",
            "messageId": f"order-{number}",
            "userId": user,
            "timestamp": at.isoformat(),
            "properties": {**amount, "currency": "EUR"},
        }
        for number, (user, at, amount) in enumerate(orders)
    ]


def expected_open_rates(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    mails: dict[str, dict[str, set[Any]]] = defaultdict(lambda: defaultdict(set))
    for event in events:
        mails[event["event"]][str(event["mj_campaign_id"])].add(event["MessageID"])
    rows = []
    for campaign, delivered in mails["sent"].items():
        opened = mails["open"][campaign] & delivered
        rate = float(f"{100 * len(opened) / len(delivered):.1f}")
        rows.append((campaign, float(len(delivered)), float(len(opened)), rate))
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def expected_clickers(clicks: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    by_person = defaultdict(list)
    for click in clicks:
        by_person[click["email"], click["user"], str(click["mj_campaign_id"])].append(click)
    return {
        (
            *person,
            float(len(of_person)),
            float(len({click["url"] for click in of_person})),
            datetime.fromtimestamp(max(click["time"] for click in of_person), UTC),
        )
        for person, of_person in by_person.items()
    }


def expected_revenue(
    orders: list[dict[str, Any]], clicks: list[dict[str, Any]]
) -> dict[str, tuple[float, float, float]]:
    """By campaign: orders, buyers, revenue."""
    numbers, buyers, revenue = Counter[str](), defaultdict(set), Counter[str]()
    for order in orders:
        at = datetime.fromisoformat(order["timestamp"])
        before = [
            (click["time"], str(click["mj_campaign_id"]))
            for click in clicks
            if click["user"] == order["userId"]
            and timedelta(0) <= at - datetime.fromtimestamp(click["time"], UTC) < timedelta(days=7)
        ]
        if before:
            campaign = max(before)[1]
            amount = order["properties"].get("revenue", order["properties"].get("total"))
            numbers[campaign] += 1
            buyers[campaign].add(order["userId"])
            revenue[campaign] += amount
    return {
        campaign: (float(total), float(len(buyers[campaign])), float(revenue[campaign]))
        for campaign, total in numbers.items()
    }


def test_the_queries_find_what_has_happened(
    loop: "Loop", server: postgres.Server, eventually: Callable[..., None], monkeypatch: Any
) -> None:
    database = server.create_database()
    parameters = cast(Any, server.parameters(database))
    url = f"postgresql://postgres:se%20cret%2F1@127.0.0.1:{server.port}/{database}"
    in_duckdb, in_postgres = add_warehouse("DuckDB", {}), add_warehouse("PostgreSQL", {"url": url})
    people = [f"u{number}" for number in range(40)]
    send(loop, [{"type": "identify", "userId": u, "traits": {"email": f"{u}@example.com"}} for u in people])
    loop.settle()
    total = 0
    for seed, click in ((1, 0.6), (2, 0.3)):
        wish = {"list_id": loop.setup["list_id"], "subject": f"Sale {seed}", "seed": seed}
        rates = {"open": 0.7, "click": click, "bounce": 0.0, "spam": 0.0, "unsub": 0.0}
        sent = json.loads(loop.sandbox("POST", "/sandbox/campaigns", {**wish, **rates}))
        assert sent["messages"] == 40
        total += sum(sent["events"].values())
    eventually(lambda: len(emitted_events(loop)) == total, "the sandbox has sent all events", seconds=60)
    emitted = emitted_events(loop)
    clicks = [event for event in emitted if event["event"] == "click"]
    orders = orders_of(clicks)
    send(loop, orders)

    def count(connection: Any, schema: str, table: str) -> int:
        return int(connection.execute(f"SELECT count(*) FROM {schema}.{table}").fetchone()[0])

    def in_both() -> bool:
        loop.settle()
        with (
            duckdb.connect(location.default_file(in_duckdb.id), read_only=True) as one,
            psycopg.connect(**parameters) as two,
        ):
            return all(
                count(connection, "mailjet_events", "tracks") == len(emitted)
                and count(connection, "http_api", "order_completed") == len(orders)
                for connection in (one, two)
            )

    def run_in_duckdb(sql: str) -> Rows:
        with duckdb.connect(location.default_file(in_duckdb.id), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def run_in_postgres(sql: str) -> Rows:
        with psycopg.connect(**parameters) as connection:
            return cast(Rows, connection.execute(cast(Any, sql)).fetchall())

    eventually(in_both, "both warehouses have everything", seconds=60)
    for row, run in ((in_duckdb, run_in_duckdb), (in_postgres, run_in_postgres)):
        open_rate, clicked, revenue = queries_of(row)
        assert [query.problem for query in (open_rate, clicked, revenue)] == ["", "", ""]
        names = {campaign for _, campaign, *_ in run(open_rate.sql)}
        assert len(names) == 2, names
        assert [(row[0], *row[2:]) for row in plain(run(open_rate.sql))] == expected_open_rates(emitted)
        found = plain(run(clicked.sql))
        assert {(*row[:3], *row[4:]) for row in found} == expected_clickers(clicks)
        assert [row[4] for row in found] == sorted((row[4] for row in found), reverse=True)
        wanted = expected_revenue(orders, clicks)
        assert {row[0]: (row[2], row[3], row[5]) for row in plain(run(revenue.sql))} == wanted
        assert {row[4] for row in run(revenue.sql)} == {"EUR"}
        assert len(wanted) == 2
