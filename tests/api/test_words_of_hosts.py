"""What a host answered, and where an address leads, is on pages and in the API for editors, and nowhere for viewers."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse
from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.control.alerts import Alert, AlertNotification
from jetbridge.control.people import ApiToken, Role
from jetbridge.delivery import pauses
from jetbridge.delivery.models import DeliveryRecordRow, PauseRow, destination_consumer
from jetbridge.integrations.mailjet.models import RejectedValue
from jetbridge.jobs.models import Task
from jetbridge.text import for_editors, for_viewers

from .calls import CALLS
from .filled import NOON, Filled

#: Said by a host; whoever may not see it must not find it.
WORD = "w0rd-0f-a-h0st"
SENTENCE = f"Mailjet rejects it. (POST /x: 400 {for_editors(WORD)})"


@pytest.fixture
def spoken(shop: Filled) -> Filled:
    """The word everywhere that a sentence of an error goes."""
    ids = shop.ids
    reader = destination_consumer(ids["destination"])
    PauseRow.objects.update(reason=SENTENCE)
    DeliveryRecordRow.objects.update(detail=SENTENCE, response=WORD)
    Task.objects.filter(id=ids["task"]).update(problem=SENTENCE, ended_at=NOON)
    Alert.objects.update(message=SENTENCE)
    AlertNotification.objects.update(problem=SENTENCE)
    RejectedValue.objects.create(
        account_id=ids["account"], property="age", message=f"Mailjet says: {for_editors(WORD)}", total=1,
        email="ada@example.com", at=NOON,
    )  # fmt: skip
    pauses.pause(reader, "FORBIDDEN", SENTENCE)
    pauses.record_error([reader], SENTENCE)
    return shop


def answers_of_the_api(shop: Filled) -> Iterator[tuple[str, str]]:
    names = shop.ids | {"destination": shop.ids["destination"]}
    for call in CALLS:
        if call.method == "GET":
            answer = shop.call("GET", call.path[1:].format(**names))
            yield call.path, (answer.getvalue() if answer.streaming else answer.content).decode()


def pages(client: Client, shop: Filled) -> Iterator[tuple[str, str]]:
    ids: dict[str, Any] = {
        **shop.ids, "row": shop.ids["destination"], "workspace": shop.workspace.id, "record": shop.ids["failure"],
        "outcome": "failed", "code": "INVALID_EMAIL", "reason": "INVALID_EMAIL", "pause": 1, "kind": "mailjet",
    }  # fmt: skip
    for name, found in get_resolver().reverse_dict.lists():
        for path, _, _, _ in found if isinstance(name, str) else ():
            try:
                url = reverse(name, kwargs={key: ids[key] for key in path[0][1]})
            except (KeyError, NoReverseMatch):
                continue
            if url.startswith("/w/") and not url.endswith("/live") and "/import/" not in url:
                yield url, client.get(url).content.decode()


def test_a_viewer_finds_no_word_of_a_host_on_any_page(spoken: Filled, client_of: Any) -> None:
    seen = {
        role: {url for url, text in pages(client_of(role), spoken) if WORD in text}
        for role in ("editor", "viewer")
    }
    assert seen["viewer"] == set()
    assert len(seen["editor"]) >= 6, seen["editor"]


def test_nor_in_any_answer_of_the_api(spoken: Filled) -> None:
    seen = {}
    for role in (Role.EDITOR, Role.VIEWER):
        ApiToken.objects.update(role=role)
        seen[role] = {path for path, text in answers_of_the_api(spoken) if WORD in text}
    assert seen[Role.VIEWER] == set()
    assert len(seen[Role.EDITOR]) >= 5, seen[Role.EDITOR]


@fuzz(PURE, words=mk.text(most=400), around=mk.text(most=20))
def test_nothing_of_what_a_host_answers_is_left_for_viewers(words: str, around: str) -> None:
    import html  # noqa: PLC0415
    import json  # noqa: PLC0415

    marked = for_editors(WORD + words + WORD, 1_000)
    assert marked.isprintable()
    for cut in (len(marked), len(WORD) + 5):
        for written in (json.dumps(marked[:cut], ensure_ascii=False), f"<p>{html.escape(marked[:cut])}</p>"):
            assert WORD not in for_viewers(written)
            assert for_viewers(written)[0] + for_viewers(written)[-1] == written[0] + written[-1]
    plain = around.replace("❝", "")
    assert for_viewers(plain) == plain
