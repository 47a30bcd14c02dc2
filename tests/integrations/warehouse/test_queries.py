"""Queries are written for the tables that are there; what they find in them is in tests/acceptance/test_warehouse_queries.py."""

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Workspace
from jetbridge.errors import PauseError
from jetbridge.integrations.warehouse import location, queries
from jetbridge.integrations.warehouse.models import Table
from jetbridge.integrations.warehouse.queries import QUESTIONS, Query, TablePlace

EMAIL = ["id", "user_id", "timestamp", "campaign_id", "campaign_name", "email_id", "context_traits_email"]


@pytest.fixture
def ref(home: Path) -> DestinationRef:
    row = Workspace.objects.create(name="Shop").destinations.create(name="Warehouse", kind="warehouse")
    ref = directory.destination(row.id)
    assert ref
    return ref


def loaded(ref: DestinationRef, schema: str, name: str, *columns: str, rows: int = 1, **typed: str) -> None:
    types = {**dict.fromkeys(columns, "text"), **typed}
    Table.objects.create(
        destination_id=ref.id, schema=schema, name=name, columns=types, rows=rows, loaded_at=datetime.now(UTC)
    )


def load_all(ref: DestinationRef) -> None:
    for name in ("email_delivered", "email_opened", "email_link_clicked"):
        loaded(ref, "mails", name, *EMAIL, "link_url")
    loaded(
        ref,
        "web",
        "order_completed",
        "id",
        "user_id",
        "timestamp",
        "currency",
        revenue="float",
        total="integer",
    )


def found(ref: DestinationRef, names: dict[str, str] | None = None, url: str = "") -> dict[str, Query]:
    return {query.name: query for query in queries.queries(ref, url, names or {})}


def test_before_the_first_load_each_says_what_makes_it_come(ref: DestinationRef) -> None:
    assert {name: query.problem for name, query in found(ref).items()} == {
        "open_rate": "It needs a table that comes with the first event Email Delivered and the first Email Opened.",
        "clicked": "It needs a table that comes with the first event Email Link Clicked.",
        "revenue": "It needs a table that comes with the first event Order Completed and the first Email Link Clicked.",
    }
    assert {query.sql for query in found(ref).values()} == {""}


def test_all_is_there_and_no_brace_is_left(ref: DestinationRef) -> None:
    load_all(ref)
    for query in found(ref).values():
        assert query.problem == ""
        assert not re.search("[{}]", query.sql)
        assert query.sql.endswith(";")
    assert 'FROM "mails"."email_delivered" AS d' in found(ref)["open_rate"].sql


def test_columns_that_are_not_there_are_left_out(ref: DestinationRef) -> None:
    load_all(ref)
    Table.objects.update(
        columns=dict.fromkeys(["id", "user_id", "timestamp", "email_id", "campaign_id"], "text")
    )
    Table.objects.filter(name="order_completed").update(
        columns={
            "id": "text",
            "user_id": "text",
            "timestamp": "timestamp",
            "revenue": "text",
            "total": "integer",
        }
    )
    now = found(ref)
    assert "campaign_name" not in now["open_rate"].sql
    assert now["clicked"].problem == (
        'It needs the column context_traits_email of "mails"."email_link_clicked", which is left out or did not come yet.'
    )
    revenue = now["revenue"].sql
    assert "p.total" in revenue
    assert not re.search(r"currency|p\.revenue|campaign_name", revenue)


def test_revenue_needs_a_number(ref: DestinationRef) -> None:
    load_all(ref)
    Table.objects.filter(name="order_completed").update(
        columns=dict.fromkeys(["id", "user_id", "timestamp", "revenue"], "text")
    )
    assert found(ref)["revenue"].problem == (
        'It needs a number in revenue or total of "web"."order_completed".'
    )


def test_the_source_with_the_most_emails_is_meant(ref: DestinationRef) -> None:
    load_all(ref)
    for name in ("email_delivered", "email_opened", "email_link_clicked"):
        loaded(ref, "more_mails", name, *EMAIL, "link_url", rows=7)
    loaded(ref, "app", "order_completed", *EMAIL, total="float", rows=0)
    assert '"more_mails"."email_opened"' in found(ref)["open_rate"].sql
    assert '"web"."order_completed"' in found(ref)["revenue"].sql


def test_names_that_were_chosen_for_email_events_are_used(ref: DestinationRef) -> None:
    load_all(ref)
    names = {"Email Delivered": "Mail Arrived"}
    assert "the first event Mail Arrived" in found(ref, names)["open_rate"].problem
    loaded(ref, "mails", "mail_arrived", *EMAIL)
    assert '"mails"."mail_arrived"' in found(ref, names)["open_rate"].sql


def test_a_table_that_is_not_loaded_does_not_count(ref: DestinationRef) -> None:
    load_all(ref)
    Table.objects.filter(name="email_opened").update(loaded_at=None)
    assert "Email Opened" in found(ref)["open_rate"].problem


def test_a_schema_named_like_the_file_is_named_in_full(ref: DestinationRef, home: Path) -> None:
    load_all(ref)
    url = location.file_url(location.warehouse_folder() / "mails.duckdb")
    assert 'FROM "mails"."mails"."email_delivered" AS d' in found(ref, url=url)["open_rate"].sql


def test_the_file_that_a_removed_warehouse_has_left_is_nobodys(ref: DestinationRef, home: Path) -> None:
    """It may be of another workspace; who may read the disk can rename it."""
    left = location.default_file(ref.id + 1)
    with pytest.raises(PauseError, match="named like the own file of a warehouse"):
        location.open_database(ref, location.file_url(left))
    assert location.open_database(ref, location.file_url(location.default_file(ref.id)))
    assert location.open_database(ref, location.file_url(left.with_name("shop.duckdb")))


@pytest.mark.parametrize(
    ("url", "command"),
    [
        (
            "postgresql://ann:s3cret@db.example:5433/shop?sslmode=require",
            "PSQL 'postgresql://ann@db.example:5433/shop?sslmode=require'",
        ),
        (
            "postgresql://a%20b:s3cret@[::1]/d%2Fb",
            "",
        ),
        (
            "postgresql://a%20b:s3cret@[::1]/db?sslmode=verify-full",
            "PSQL 'postgresql://a%20b@[::1]:5432/db?sslmode=verify-full&sslrootcert=system'",
        ),
        ("mysql://ann:s3cret@db.example/shop", ""),
    ],
)
def test_a_server_is_opened_without_its_password(home: Path, url: str, command: str) -> None:
    psql = "PGOPTIONS='-c default_transaction_read_only=on' psql"
    assert queries.open_command(3, url) == command.replace("PSQL", psql)


def test_a_file_is_opened_to_read(home: Path) -> None:
    path = location.warehouse_folder() / "a b.duckdb"
    command = queries.open_command(3, location.file_url(path))
    assert shlex.split(command) == ["duckdb", "-readonly", str(path.resolve())]
    assert queries.open_command(3, "") == f"duckdb -readonly {location.default_file(3)}"


DOCUMENTED: dict[str, TablePlace] = {
    "delivered": TablePlace("mailjet_events.email_delivered", dict.fromkeys(EMAIL, "text")),
    "opened": TablePlace("mailjet_events.email_opened", dict.fromkeys(EMAIL, "text")),
    "clicked": TablePlace("mailjet_events.email_link_clicked", dict.fromkeys([*EMAIL, "link_url"], "text")),
    "purchased": TablePlace(
        "shop.order_completed", {"revenue": "float", "total": "float", "currency": "text"}
    ),
}
BEGIN, END = "<!-- made by tests/integrations/warehouse/test_queries.py -->\n", "\n<!-- end -->"


def test_the_page_has_the_queries_as_they_are() -> None:
    """To write it anew: WRITE_DOCS=1."""
    made = [
        f"**{question.title}.** {question.help}\n\n```sql\n{queries.fill(question.text, DOCUMENTED)}\n```"
        for question in QUESTIONS
    ]
    page = Path(__file__).parents[3] / "docs/destinations/warehouse.md"
    text = page.read_text()
    written = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    assert written == "\n\n".join(made)
