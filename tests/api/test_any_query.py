"""Whatever stands in a query, in a form or in a path where a number or a name is meant: no page and no endpoint breaks."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from tests import makers as mk
from tests.console.test_access import ROUTES
from tests.fuzz import WITH_IO, fuzz

from jetbridge import console

from .calls import CALLS, Call
from .filled import Filled


def walked(resolver: URLResolver, above: str = "") -> Iterator[tuple[str, str]]:
    for pattern in resolver.url_patterns:
        path = f"{above}{pattern.pattern}"
        if isinstance(pattern, URLPattern):
            yield str(pattern.name), path
        else:
            yield from walked(pattern, path)


_CONSOLE = Path(console.__file__).parent
_ASKED = re.compile(r'\.get(?:list)?\("(\w+)"|\bname="(\w+)"')
#: Every name that a page asks a query or a form for, or that a field of a form has.
NAMES = sorted(
    {"before", "after", "q", "confirmed"}
    | {
        asked or field
        for path in [*_CONSOLE.rglob("*.py"), *_CONSOLE.rglob("*.html")]
        for asked, field in _ASKED.findall(path.read_text())
    }
)
TRICKY = mk.sampled_from(
    [
        *("-1", "0", "1", "+1", "1_0", " 1 ", "1.5", "1e3", "NaN", "-0", "0x1", "9" * 19, "9" * 5_000),
        *(str(2**31), str(2**63 - 1), str(2**63), str(2**64), "٣", "²", "１", "", "\0", "a\nb", "\r\n"),  # noqa: RUF001
        *(
            "../..",
            "//x.example",
            "http://x.example",
            "/",
            "/" * 3_000,
            "é" * 2_000,
            "%s",
            "[",
            "pause",
            "yes",
        ),
    ]
)
VALUES = mk.one_of(TRICKY, TRICKY, mk.builds(str, mk.integers()), mk.text(most=20))


def queries(random: Random) -> dict[str, str]:
    """Some names, mostly a few, or all: a page knows few of them."""
    return {name: VALUES(random) for name in random.sample(NAMES, int(len(NAMES) * random.random() ** 3))}


#: For each part of a path: what is there (None), or a number and a text that are put in its place.
ODD_PARTS = mk.tuples(
    mk.builds(str, mk.integers(0)), mk.builds(lambda text: text.replace("/", "") or "-", VALUES)
)
PARTS = mk.lists(mk.one_of(*[mk.just(None)] * 4, ODD_PARTS), least=4)
#: Name -> path with its converters, e.g. "w/<int:workspace>/sources/".
PATHS = dict(walked(get_resolver()))
#: What pages call the things that `filled` names otherwise.
ALSO = {
    "row": "destination",
    "task_id": "task",
    "token_id": "token",
    "record": "failure",
    "erasure_id": "receipt",
}
#: Others would ask somebody in vain, or wait.
CALLS_OTHERS = ("connection-", "account-", "alert-test", "destination-new", "destination-tester")


@pytest.fixture
def restored(shop: Filled) -> Iterator[Callable[[], None]]:
    """`restored()` brings the state back that `shop` has made. A transaction around each page instead would lock the
    database, and pages wait some seconds to see whether it can be written.
    """
    with closing(sqlite3.connect(":memory:")) as copy:
        connection.ensure_connection()
        connection.connection.backup(copy)
        yield lambda: copy.backup(connection.connection)


@pytest.fixture
def session(client_of: Any) -> str:
    """The cookie of an owner."""
    return str(client_of("owner").cookies[settings.SESSION_COOKIE_NAME].value)


@fuzz(
    WITH_IO,
    name=mk.sampled_from(ROUTES),
    parts=PARTS,
    query=queries,
    form=mk.one_of(mk.just(None), queries),
    examples=[
        {"name": "destination-enable", "parts": [], "query": {}, "form": {"tab": "-1"}},
        {"name": "account-lists", "parts": [], "query": {"connection": "9" * 5_000}, "form": None},
    ],
)
def test_no_page_breaks(
    shop: Filled,
    session: str,
    restored: Any,
    *,
    name: str,
    parts: list[Any],
    query: dict[str, str],
    form: Any,
) -> None:
    path, client = address(shop, name, parts), Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = session
    if form is None or name.startswith(CALLS_OTHERS):
        answer = client.get(path, query)
    else:
        answer = client.post(path, form, query_params=query)
        restored()
    assert answer.status_code < 500, (path, answer.content)


def address(shop: Filled, name: str, parts: list[tuple[str, str] | None]) -> str:
    known = {**shop.ids, "workspace": shop.workspace.id}
    instead = iter(parts)

    def part(match: re.Match[str]) -> str:
        kind, what = match.groups()
        odd = next(instead, None)
        if odd is None:
            return str(known.get(ALSO.get(what, what), 1))
        return odd[0] if kind == "int" else odd[1]

    return "/" + re.sub(r"<(\w+):(\w+)>", part, PATHS[name])


def requests(random: Random) -> tuple[Call, dict[str, int | None], dict[str, str]]:
    """A call, the numbers in its path (None: what is there), and a query, most of whose names it knows."""
    call = random.choice([call for call in CALLS if call.method == "GET"])
    query = {name: VALUES(random) for name in call.parameters if random.random() < 0.5}
    if random.random() < 0.2:
        query[random.choice(NAMES)] = VALUES(random)
    numbers = mk.one_of(mk.just(None), mk.integers(0))
    return call, {name: numbers(random) for name in call.ids}, query


@fuzz(WITH_IO, request=requests)
def test_no_call_breaks(shop: Filled, request: tuple[Call, dict[str, int | None], dict[str, str]]) -> None:
    call, odd, query = request
    path = call.at(**{name: shop.ids[name] if number is None else number for name, number in odd.items()})
    answer = Client().get(f"/api/v1/{path}", query, headers={"authorization": f"Bearer {shop.secret}"})
    assert answer.status_code < 500 or answer.status_code == 503, (path, query, answer.content)
