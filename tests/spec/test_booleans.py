import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.spec.booleans import _CONSENT, ParsedBoolean, _without_gaps, parse_boolean, parse_unsubscribed

YES = ["yes", "y", "1", "on", "t", "true", "oui", "vrai", "ja", "j", "wahr", "sí", "si", "s", "sim", "verdadero", "verdadeiro", "sì", "vero", "tak", "prawda", "o", "da", "waar", "sant", "kyllä", "tosi", "ano", "áno", "pravda", "igen", "igaz", "evet", "doğru", "да", "правда", "так", "ναι", "taip", "jā", "jah", "はい", "是", "예", "✓", "✅", "1.0"]  # fmt: skip
NO = ["no", "n", "0", "off", "f", "false", "non", "faux", "nein", "falsch", "não", "nao", "falso", "nie", "fałsz", "falsz", "nee", "onwaar", "nej", "nei", "falskt", "ei", "ne", "nem", "hamis", "nu", "hayır", "yanlış", "нет", "ложь", "ні", "όχι", "いいえ", "否", "아니요", "0.0"]  # fmt: skip


@pytest.mark.parametrize("value", [True, 1, 1.0, *YES])
def test_what_means_yes(value: Any) -> None:
    assert parse_boolean(value) is ParsedBoolean.YES


@pytest.mark.parametrize("value", [False, 0, 0.0, -0.0, *NO])
def test_what_means_no(value: Any) -> None:
    assert parse_boolean(value) is ParsedBoolean.NO


@pytest.mark.parametrize("value", [None, "", " ", "\u200b\ufeff"])
def test_what_is_empty_says_nothing(value: Any) -> None:
    assert parse_boolean(value) is ParsedBoolean.MISSING


@pytest.mark.parametrize(
    "value",
    [
        2, -1, 0.5, 10**400, float("nan"), float("inf"), "2", "x", "X", "e", "h", "maybe", "null", "n/a", "-", "ok", "nai", "01",
        "2024-01-31", "2024-01-31T10:00:00Z", "unsubscribed", "yes no", "✗", "�", [], {}, [True], {"a": 1}, "y" * 200,
    ],
)  # fmt: skip
def test_what_is_in_doubt_is_unreadable(value: Any) -> None:
    assert parse_boolean(value) is ParsedBoolean.UNREADABLE


#: As a value of the trait `unsubscribed`.
UNSUBSCRIBED = ["unsubscribed", "unsubscribe", "opt-out", "opted-out", "abgemeldet", "ausgetragen", "désabonné", "désinscrite", "desuscrito", "dado-de-baja", "disiscritto", "descadastrado", "uitgeschreven", "afmeldt", "avmeldt", "wypisany", "odhlášen", "leiratkozott", "dezabonat", "отписан", "відписана", "配信停止", "退订"]  # fmt: skip
SUBSCRIBED = ["subscribed", "subscribe", "opt-in", "opted-in", "angemeldet", "abonné", "inscrite", "suscrito", "iscritto", "inscrito", "ingeschreven", "tilmeldt", "påmeldt", "zapisany", "feliratkozott", "abonat", "подписан", "підписана", "購読中", "订阅"]  # fmt: skip


@pytest.mark.parametrize("gap", ["-", " ", "", "_", "\u2011", " \u2013 "])
@pytest.mark.parametrize("word", [*UNSUBSCRIBED, *SUBSCRIBED])
def test_words_for_consent_answer_whether_somebody_has_unsubscribed(word: str, gap: str) -> None:
    said = ParsedBoolean.YES if word in UNSUBSCRIBED else ParsedBoolean.NO
    spelled = word.replace("-", gap)
    for each in (spelled, spelled.upper(), f" {spelled}\u200b", unicodedata.normalize("NFD", spelled)):
        assert parse_unsubscribed(each) is said
        assert parse_boolean(each) is ParsedBoolean.UNREADABLE  # it is no answer to any other question


@pytest.mark.parametrize(
    "value",
    [
        "cancelled", "inactive", "active", "pending", "cleaned", "bounced", "not subscribed", "never", "baja", "alta", "out", "in",
        "unsubscribed?", "subscribed unsubscribed", "unsubscribed 2024-01-31", "x", 2, ["unsubscribed"], {"a": "opt-out"},
        "unsubscribed" * 20,
    ],
)  # fmt: skip
def test_what_is_in_doubt_stays_unreadable_as_consent(value: Any) -> None:
    assert parse_unsubscribed(value) is ParsedBoolean.UNREADABLE


def test_no_word_says_both() -> None:
    words = [_without_gaps(word) for pair in _CONSENT.values() for words in pair for word in words.split()]
    assert sorted(set(words)) == sorted(words)
    assert {parse_boolean(word) for word in words} == {ParsedBoolean.UNREADABLE}


@pytest.mark.parametrize("value", [True, False, None, "", "oui", "nein", 1, 0])
def test_every_answer_is_one_to_consent(value: Any) -> None:
    assert parse_unsubscribed(value) is parse_boolean(value)


AROUND = mk.text(" \t\n\u00a0\u200b\ufeff\u200e", most=4)


@fuzz(
    PURE,
    word=mk.sampled_from(YES + NO),
    spelled=mk.sampled_from([str.lower, str.upper, str.title, str.swapcase]),
    before=AROUND,
    after=AROUND,
)
def test_case_blanks_and_what_nobody_sees_change_no_answer(
    word: str, spelled: Callable[[str], str], before: str, after: str
) -> None:
    assert parse_boolean(before + spelled(word) + after) is (
        ParsedBoolean.YES if word in YES else ParsedBoolean.NO
    )


@fuzz(
    PURE,
    value=mk.one_of(
        mk.just(None),
        mk.booleans(),
        mk.integers(),
        mk.floats(),
        mk.text(),
        mk.binary(12),
        mk.lists(mk.booleans(), most=3),
    ),
    examples=[{"value": "\ud800"}],
)
def test_any_value_is_answered(value: Any) -> None:
    assert parse_boolean(value) in ParsedBoolean
    assert parse_unsubscribed(value) in {parse_boolean(value), ParsedBoolean.YES, ParsedBoolean.NO}
