"""Pauses are remembered: why, since when, until when, and who ended them."""

from pathlib import Path

from jetbridge.delivery import pauses
from jetbridge.delivery.models import ConsumerOffset, PauseRow

READER = "destination:1"


def test_a_hold_is_remembered_from_its_first_word_to_its_release(home: Path) -> None:
    ConsumerOffset.objects.create(consumer=READER, position=0)
    pauses.pause(READER, "INVALID_AUTHENTICATION", "Mailjet responded 401.")
    pauses.pause(READER, "INVALID_AUTHENTICATION", "Mailjet answered 403.")
    (row,) = PauseRow.objects.all()
    assert (row.code, row.reason, row.ended_at) == ("INVALID_AUTHENTICATION", "Mailjet answered 403.", None)
    assert pauses.resume_by_hand(READER)
    assert not pauses.resume_by_hand(READER)
    (row,) = PauseRow.objects.all()
    assert (row.by_hand, row.ended_at is None) == (True, False)


def test_another_reason_is_another_hold(home: Path) -> None:
    ConsumerOffset.objects.create(consumer=READER, position=0)
    pauses.pause(READER, "LIST_NOT_FOUND", "There is no list 1.")
    pauses.pause(READER, "CIRCUIT_OPEN", "Nearly everything is refused.")
    pauses.resume(READER)
    rows = PauseRow.objects.order_by("id").values_list("code", "by_hand")
    assert list(rows) == [("LIST_NOT_FOUND", False), ("CIRCUIT_OPEN", False)]
    assert not PauseRow.objects.filter(ended_at=None).exists()


def test_who_does_not_read_is_not_held(home: Path) -> None:
    pauses.pause("destination:2", "LIST_NOT_FOUND", "There is no list 1.")
    assert not PauseRow.objects.exists()
