"""Receivers check signatures as the two schemes document it: over the bytes, and by parsing and writing anew."""

import gzip
import hashlib
import hmac
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from jetbridge.integrations.webhook import payload, signing
from jetbridge.integrations.webhook.client import WebhookClient
from jetbridge.spec.message import Message

from .conftest import SHARED, SIGNING

NOW = datetime.now(UTC)
CLIENT = WebhookClient(
    7, "https://example.com/in", shared_secret=SHARED, signing_secret=SIGNING, now=lambda: NOW
)

#: Values that every JSON library writes alike. Those of 17 digits or with exponents differ between languages.
ORDINARY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.decimals(-100_000, 100_000, places=2).map(float)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcdefg é", min_size=1, max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_segments_signature_is_over_the_body() -> None:
    request = CLIENT.request(b'{"a":1}', ["m1"])
    expected = hmac.new(SHARED.encode(), b'{"a":1}', hashlib.sha1).hexdigest()
    assert request.headers["X-Signature"] == expected


def test_the_standards_own_library_accepts_it_and_nothing_else() -> None:
    now = datetime.now(UTC)  # what is older than five minutes is refused
    request = replace(CLIENT, now=lambda: now).request(b'{"a":1}', ["m1"])
    assert Webhook(SIGNING).verify(request.body, dict(request.headers)) == {"a": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(SIGNING).verify(b'{"a":2}', dict(request.headers))


def test_a_retry_keeps_its_id_and_is_signed_anew() -> None:
    later = WebhookClient(7, CLIENT.url, signing_secret=SIGNING, now=lambda: NOW + timedelta(seconds=9))
    first, second = CLIENT.request(b"{}", ["m1", "m2"]), later.request(b"{}", ["m1", "m2"])
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    others = [CLIENT.request(b"{}", ids) for ids in (["m1"], ["m2", "m1"], ["m1m2"])]
    assert len({request.headers["webhook-id"] for request in [first, *others]}) == 4


def test_what_is_signed_is_what_comes_out_of_the_compressed_body() -> None:
    body = b'{"a":1}'
    assert gzip.decompress(gzip.compress(body, 6, mtime=0)) == body


@pytest.mark.parametrize(
    ("secret", "is_good"),
    [
        (SIGNING, True),
        (SIGNING.removeprefix("whsec_"), True),
        ("whsec_MTIz", False),
        ("no base64!", False),
        ("é" * 40, False),
    ],
)
def test_a_secret_of_the_wrong_form_is_refused(secret: str, is_good: bool) -> None:  # noqa: FBT001 - a table
    assert (signing.secret_problem(secret) == "") is is_good


def _message(properties: Any) -> Message:
    return Message(
        type="track",
        message_id="m1",
        event="E",
        timestamp=NOW,
        received_at=NOW,
        user_id="u",
        properties=properties,
    )


@settings(max_examples=300)
@given(st.dictionaries(st.text("abc", min_size=1), ORDINARY, max_size=5))
def test_who_parses_and_writes_anew_in_python_gets_the_same_bytes(properties: Any) -> None:
    body = payload.encode(payload.whole(_message(properties)))
    assert json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode() == body


def test_who_parses_and_writes_anew_in_javascript_gets_the_same_bytes(tmp_path: Path) -> None:
    bodies: list[str] = []

    @given(st.dictionaries(st.text("abc", min_size=1), ORDINARY, max_size=5))
    def collect(properties: Any) -> None:
        bodies.append(payload.encode(payload.whole(_message(properties))).decode())

    collect()
    assert len(bodies) >= 100
    (tmp_path / "bodies.json").write_text(json.dumps(bodies))
    script = """
const bodies = JSON.parse(require("fs").readFileSync(process.argv[1]));
console.log(JSON.stringify(bodies.filter((body) => JSON.stringify(JSON.parse(body)) !== body)));
"""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("node")), "-e", script, str(tmp_path / "bodies.json")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == []


def test_whole_numbers_have_no_fraction() -> None:
    assert (
        payload.encode({"a": 2.0, "b": [1.5, -0.0], "c": {"d": 1e30}})
        == b'{"a":2,"b":[1.5,0],"c":{"d":1e30}}'
    )
