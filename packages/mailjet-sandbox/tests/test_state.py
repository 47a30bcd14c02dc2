import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mailjet_sandbox import snapshot

if TYPE_CHECKING:
    from conftest import Receiver


def test_account_outlives_the_process(open_box: Any, tmp_path: Path) -> None:
    with open_box(state_file=tmp_path / "deep" / "state.json") as box:
        list_id = box.new_list()
        box.define(age="int")
        box.manage(list_id, "a@example.com", age=3)
        box.manage(list_id, "b@example.com", "unsub")
        box.campaign(list_id, open=1)
        before = {
            name: box.get(name)
            for name in (
                "contactslist",
                "contact",
                "contactdata",
                "contactmetadata",
                "listrecipient",
                "message",
                "campaign",
            )
        }

    with open_box(state_file=tmp_path / "deep" / "state.json") as box:
        assert {name: box.get(name) for name in before} == before
        assert box.manage(list_id, "A@example.com", age=4)["ContactID"] == before["contact"][0]["ID"]
        assert box.new_list() == list_id + 1


def test_unfinished_job_and_undelivered_event_go_on(
    open_box: Any, tmp_path: Path, receiver: "Receiver"
) -> None:
    path = tmp_path / "state.json"
    receiver.status = 500
    with open_box(state_file=path, job_delay_seconds=60) as box:
        list_id = box.new_list()
        box.post("eventcallbackurl", {"EventType": "sent", "Url": receiver.url})
        box.call("POST", "/v3/send", {"FromEmail": "shop@example.com", "To": "a@example.com"})
        job_path = f"contactslist/{list_id}/managemanycontacts"
        job_id = box.post(job_path, {"Action": "addforce", "Contacts": [{"Email": "b@example.com"}]})[0][
            "JobID"
        ]
        box.until(lambda: receiver.calls)

    receiver.status = 200
    with open_box(state_file=path) as box:
        box.finished(f"{job_path}/{job_id}")
        box.until(lambda: box.call("GET", "/sandbox/events").json()["delivered"] == 1)
        assert [row["Email"] for row in box.get("contact")] == ["a@example.com", "b@example.com"]
    assert {event["MessageID"] for event in receiver.events} == {receiver.events[0]["MessageID"]}


def test_state_is_saved_from_time_to_time(
    open_box: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "INTERVAL_SECONDS", 0.05)
    path = tmp_path / "state.json"
    with open_box(state_file=path) as box:
        box.new_list("Before the crash")

        box.until(lambda: path.exists() and "Before the crash" in path.read_text())
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


def test_a_change_whose_body_comes_slowly_is_saved_too(
    open_box: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is saved while the body is still on its way, and again once it was taken."""
    monkeypatch.setattr(snapshot, "INTERVAL_SECONDS", 0.05)
    path = tmp_path / "state.json"

    def slowly() -> Iterator[bytes]:
        yield b'{"Name": '
        time.sleep(0.5)
        yield b'"Slow"}'

    with open_box(state_file=path) as box:
        response = box.http.request(
            "POST", f"{box.url}/v3/REST/contactslist", body=slowly(), headers={**box.http.headers}
        )
        assert response.status == 201
        box.until(lambda: path.exists() and "Slow" in path.read_text())


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xff", b"[]", b"[" * 50_000])
def test_file_that_is_no_state_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)

    with pytest.raises(snapshot.UnreadableState, match="is not a sandbox's state"):
        snapshot.StateFile(path, None).read()
    assert path.read_bytes() == content
