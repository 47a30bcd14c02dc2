"""Overview: figures that are right, whatever the period, and a page that is quick with two weeks of them."""

from collections import Counter
from typing import Any

import pytest
from django.utils import timezone
from tests.pages import collapsed

from jetbridge.console import charts
from jetbridge.control.models import Destination
from jetbridge.delivery import ledger, metrics, pauses
from jetbridge.delivery.base import DeliveryCounts
from jetbridge.delivery.models import LatencyBucket, MetricBucket
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.models import RejectedValue
from jetbridge.services.queries import destination_figures
from jetbridge.services.queries.destination_figures import PERIODS, format_latency, time_of, unit_of

from .conftest import OF_A_DESTINATION
from .delivered import Joined, identify, join

OWN = 16


@pytest.fixture
def joined(people: Any, event_log: SqliteEventLog) -> Joined:
    return join(people, event_log)


def tell(joined: Joined, **counts: Any) -> None:
    ledger.add(joined.row.id, DeliveryCounts(**counts))


def test_the_figures_of_a_period_and_since_the_beginning(
    joined: Joined, event_log: SqliteEventLog, client_of: Any
) -> None:
    event_log.append([identify(joined.source, f"u-{number}") for number in range(5)])
    counts = Counter({metrics.now(): 3})
    with ledger.commit(
        joined.row.id, 3, {joined.source.id: 3}, DeliveryCounts(received=counts)
    ) as delivery_counts:
        delivery_counts.delivered, delivery_counts.latencies = 1, Counter({metrics.bucket(150): 1})
        delivery_counts.filtered["UNSUPPORTED_EVENT_TYPE"] = 1
        delivery_counts.failed["INVALID_EMAIL"] = 1
    found = client_of("viewer").get(joined.url("destination")).context
    assert (found["figures"].received, found["figures"].about) == (5, False)
    assert found["outcomes"] == {"received": 3, "delivered": 1, "filtered": 1, "failed": 1}
    assert (found["pending"], found["figures"].totals.balanced) == (2, True)
    assert found["reasons"] == [
        ("failed", "INVALID_EMAIL", 1),
        ("filtered", "UNSUPPORTED_EVENT_TYPE", 1),
    ]
    assert (found["p50"], found["p95"]) == (format_latency(metrics.milliseconds(metrics.bucket(150))),) * 2


def test_what_came_before_the_period_and_was_not_read_yet_is_no_news(
    joined: Joined, event_log: SqliteEventLog
) -> None:
    event_log.append([identify(joined.source, "u-1", ago=7200) for _ in range(30)])
    event_log.append([identify(joined.source, "u-2") for _ in range(10)])
    hour = next(each for each in PERIODS if each.name == "1h")
    found = destination_figures.figures(joined.row.id, hour, event_log)
    assert found
    assert (found.received, found.about, found.totals.unread) == (10, True, 40)


@pytest.mark.parametrize("period", PERIODS, ids=lambda period: period.name)
@pytest.mark.parametrize("view", ["", "&as=table"])
def test_every_period_is_drawn_and_told(joined: Joined, client_of: Any, period: Any, view: str) -> None:
    tell(joined, delivered=7, latencies=Counter({metrics.bucket(80): 7}))
    answer = client_of("viewer").get(f"{joined.url('destination')}?period={period.name}{view}")
    assert answer.status_code == 200
    points = answer.context["figures"].points
    assert len(points) == period.minutes // period.step
    assert points[-1].outcomes["delivered"] == 7


def test_two_busy_weeks_are_read_in_few_queries(joined: Joined, client_of: Any, queries: Any) -> None:
    first = metrics.now() - metrics.KEPT + 1
    hours = [*range(first // 60 * 60 + 60, metrics.now() - metrics.SINGLY, 60)]
    times = [*hours, *range(metrics.now() - metrics.SINGLY, metrics.now() + 1)]
    MetricBucket.objects.bulk_create(
        MetricBucket(destination_id=joined.row.id, minute=minute, outcome=outcome, reason=reason, total=9)
        for minute in times
        for outcome, reason in (("received", ""), ("delivered", ""), ("failed", "A"), ("filtered", "B"))
    )
    LatencyBucket.objects.bulk_create(
        LatencyBucket(destination_id=joined.row.id, minute=minute, bucket=bucket, total=3)
        for minute in times
        for bucket in range(20, 40)
    )
    client = client_of("viewer")
    client.get(f"{joined.url('destination')}?period=10m")
    for period in PERIODS:
        with queries() as seen:
            assert client.get(f"{joined.url('destination')}?period={period.name}").status_code == 200
        assert len(seen) == OF_A_DESTINATION + OWN, [query["sql"] for query in seen]


def test_values_that_do_not_arrive_are_said_where_all_else_is_well(joined: Joined, client_of: Any) -> None:
    client = client_of("viewer")
    assert "Some values do not arrive" not in client.get(joined.url("destination")).content.decode()
    for name in ("a", "b", "c", "d", "e"):
        RejectedValue.objects.create(
            account_id=joined.account.id,
            property=name,
            message="text where Mailjet has int",
            email="x@y.z",
            at=timezone.now(),
        )
    page = client.get(joined.url("destination")).content.decode()
    assert "<code>a</code> text where Mailjet has int" in collapsed(page)
    assert "and 2 more" in collapsed(page)
    assert f"{joined.url('destination-contacts')}#rejected-values" in page


@pytest.mark.usefixtures("worker_at_home")
@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("running", "now, being sent"),
        ("stalled", "nothing moves; the oldest for 5 min"),
        ("paused", "waiting for the pause to end"),
        ("disabled", "to be enabled"),
    ],
)
def test_pending_says_what_it_waits_for(
    joined: Joined, event_log: SqliteEventLog, client_of: Any, state: str, words: str
) -> None:
    event_log.append([identify(joined.source, "u-1", ago=300 if state == "stalled" else 0)])
    if state == "paused":
        pauses.pause(joined.reader, "FORBIDDEN", "The keys are refused.")
    Destination.objects.update(enabled=state != "disabled")
    page = client_of("viewer").get(joined.url("destination")).content.decode()
    assert words in collapsed(page)
    assert "1 not read yet" in page
    assert "not confirmed yet" not in page


def test_bars_and_lines_tell_their_numbers_under_the_pointer(joined: Joined, client_of: Any) -> None:
    now = metrics.now()
    tell(joined, delivered=2, latencies=Counter({metrics.bucket(150): 2}))
    context = client_of("viewer").get(f"{joined.url('destination')}?period=10m").context
    assert context["outcome_hovers"][-1].text == f"{time_of(now):%H:%M} UTC: 2 delivered"
    assert context["outcome_hovers"][0].text.endswith(": nothing")
    assert "p50 1" in context["latency_hovers"][-1].text


def test_without_a_delivery_there_is_no_latency(joined: Joined, client_of: Any) -> None:
    assert (
        "Nothing was delivered in the last hour."
        in client_of("viewer").get(joined.url("destination")).content.decode()
    )


def test_a_paused_page_renews_nothing(joined: Joined, client_of: Any) -> None:
    client = client_of("viewer")
    renewed = 'hx-select="#figures"'
    assert renewed in client.get(joined.url("destination")).content.decode()
    assert renewed not in client.get(f"{joined.url('destination')}?pause=1").content.decode()


def test_that_no_worker_runs_is_said(joined: Joined, client_of: Any) -> None:
    assert "No worker is running" in client_of("viewer").get(joined.url("destination")).content.decode()


@pytest.mark.parametrize(
    ("highest", "top"), [(150.0, "200 ms"), (1_450.0, "2 s"), (262_000.0, "6 min"), (4e6, "2 h")]
)
def test_a_scale_of_latencies_is_round_in_its_unit(highest: float, top: str) -> None:
    assert charts.lines({"p50": [highest]}, format_latency, unit_of).scale[0] == top


def test_a_latency_reads_well() -> None:
    assert [format_latency(ms) for ms in (None, 0, 12.4, 1_540, 90_000, 7_200_000)] == [
        "",
        "0 ms",
        "12 ms",
        "1.54 s",
        "1.5 min",
        "2 h",
    ]


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 2), (1, 2), (3, 4), (7, 8), (9, 10), (11, 20), (450, 600), (1_000, 1_000)]
)
def test_a_scale_ends_at_a_round_number(highest: float, top: float) -> None:
    assert charts.nice_top(highest) == top


def test_one_failure_among_a_million_is_seen() -> None:
    drawn = charts.bars([{"delivered": 1_000_000, "failed": 1}], ("delivered", "failed"))
    assert [(part.name, part.height >= charts.LEAST) for part in drawn.parts] == [
        ("delivered", True),
        ("failed", True),
    ]


def test_a_gap_is_no_line() -> None:
    drawn = charts.lines({"p50": [1, 2, None, 3, None]})
    assert [path.count("M") for _, path in drawn.paths] == [1]
    assert len(drawn.dots) == 1


def test_a_whole_that_is_nothing_does_not_flow() -> None:
    assert charts.flow({"delivered": 0}) == []
    assert [each.name for each in charts.flow({"failed": 1, "pending": 0, "delivered": 9})] == [
        "failed",
        "delivered",
    ]
