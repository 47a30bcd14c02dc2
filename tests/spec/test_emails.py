import unicodedata
from typing import Any

import pytest
from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.spec import emails
from jetbridge.spec.emails import MAX_LENGTH, normalise, spellings

#: What copied texts bring along: Unicode's characters without a shape.
INVISIBLE = "\u200b\ufeff\u2060\u00ad\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2069\u034f\u061c\u180e\ufe0f\U000e0041"
SMALL = "abcdefghijklmnopqrstuvwxyz0123456789"
PLAIN = mk.builds(
    "{}{}@{}.{}".format,
    mk.text(f"{SMALL}+_-", least=1, most=8),
    mk.one_of(mk.just(""), mk.builds(".{}".format, mk.text(SMALL, least=1, most=5))),
    mk.text(SMALL, least=1, most=8),
    mk.sampled_from(["com", "de", "example.org"]),
)
#: Texts of characters that an address could be made of, some of which stand for others.
TRICKY_CHARACTERS = "aAbBzZ09.-_+@ @@..ßẞſıİKÅéçüµªº²ﬁ①Σσς\u0301\u0327\u200b\u200c\u200d\ufeff\u0001\u0000\ufffd‎‏＠．ａＺ　。｡ｱ中例नُ\u094d=?'\"<>,;"  # fmt: skip
TRICKY = mk.one_of(
    mk.text(TRICKY_CHARACTERS, most=40),
    mk.builds("{}{}".format, mk.text(TRICKY_CHARACTERS, most=20), mk.text(most=20)),
)


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada@Example.COM", "ada@example.com"),
        ("  ada@example.com\n", "ada@example.com"),
        ("\u00a0ada@example.com", "ada@example.com"),
        ("ada+news@example.com", "ada+news@example.com"),
        ("a.d.a@gmail.com", "a.d.a@gmail.com"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("François@example.com", "françois@example.com"),
        ("Franc\u0327ois@example.com", "françois@example.com"),
        ("ÉLODIE@MÜNCHEN.DE", "élodie@xn--mnchen-3ya.de"),
        ("ada@xn--mnchen-3ya.de", "ada@xn--mnchen-3ya.de"),
        ("ada@XN--MNCHEN-3YA.de", "ada@xn--mnchen-3ya.de"),
        ("ada@straße.de", "ada@xn--strae-oqa.de"),
        ("用户@例子.测试", "用户@xn--fsqu00a.xn--0zwm56d"),
        ("ada@mail.example.co.uk", "ada@mail.example.co.uk"),
        ("\u200bada@example.com", "ada@example.com"),
        ("ada@example.com\ufeff ", "ada@example.com"),
        ("\u202aada@example.com\u202c", "ada@example.com"),
        ("a\u00add\u2060a@exam\u200bple.com", "ada@example.com"),
        ("a\u200cda@example.com", "ada@example.com"),
        ("ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ", "ada@example.com"),
        ("ＡＤＡ@example.com\u3000", "ada@example.com"),
        ("e\u200b\u0301va@example.com", "éva@example.com"),
        ("نامه\u200cای@example.com", "نامه\u200cای@example.com"),
        ("ada@foo_bar.com", "ada@foo_bar.com"),
        (f"{'a' * 70}@example.com", f"{'a' * 70}@example.com"),
    ],
)
def test_an_address_has_one_spelling(said: str, address: str) -> None:
    assert normalise(said) == address
    assert normalise(address) == address


@pytest.mark.parametrize(
    "said",
    [
        None, 7, True, [], {}, "", " ", "\u200b", "ada", "@example.com", "ada@", "ada@example", "ada@example.c",
        "ada@@example.com", "ada@b@example.com", "a da@example.com", "ada@exa mple.com", "ada@.com", "ada@example..com",
        "b@example..com", ".ada@example.com", "ada.@example.com", "a..da@example.com", "Ada <ada@example.com>",
        "ada@example.com,b@c.de", "ada@example.com.", "ada\x00@example.com", "ada\ufffd@example.com", "a\x01@example.com",
        f"{'a' * 250}@b.de", f"{'é' * 130}@example.com", f"ada@{'b' * 64}.com", "ada@-example.com", "ada@example-.com",
        "ada@192.168.0.10", "'ada@example.com'", "ada@exam'ple.com", "x²@example.com", "ª@example.com", "ſ@example.com",
        "x\u2460@example.com", "ﬁ@example.com", "ｱ@example.com", "ada@exªmple.com", "ada@例子。测试", "a＠b@example.com",
        "=?utf-8?q?x?=@example.com", "=?UTF-8?B?w6k=?=@example.com", "ada@i❤.ws", "a\ud800@example.com",
    ],
)  # fmt: skip
def test_what_is_no_address_has_none(said: Any) -> None:
    assert normalise(said) is None


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("ada@example.com", ["ada@example.com"]),
        ("ada@xn--mnchen-3ya.de", ["ada@xn--mnchen-3ya.de", "ada@münchen.de"]),
        ("ada@xn--99999.de", ["ada@xn--99999.de"]),
        ("xn--ada@example.com", ["xn--ada@example.com"]),
    ],
)
def test_an_address_is_known_by_both_spellings_of_its_domain(address: str, written: list[str]) -> None:
    assert spellings(address) == written


@fuzz(
    PURE,
    local=mk.text(f"{SMALL}+_.-", least=1, most=9),
    labels=mk.lists(mk.text(f"{SMALL}-", least=1, most=9), least=1, most=3),
    last=mk.text(SMALL, least=1, most=4),
    examples=[
        {"local": "a" * 62, "labels": ["b"], "last": "de"},
        {"local": "a", "labels": ["b" * 63], "last": "de"},
        {"local": "a", "labels": ["b" * 64], "last": "de"},
    ],
)
def test_the_quick_path_and_the_careful_one_agree(local: str, labels: list[str], last: str) -> None:
    said = f"{local}@{'.'.join([*labels, last])}"
    assert emails.normalise(said) == emails.normalise(f"\u200b{said}")  # which is not plain


@fuzz(
    PURE,
    address=PLAIN,
    invisible=mk.lists(mk.tuples(mk.integers(0, 40), mk.sampled_from(INVISIBLE)), most=5),
    wide=mk.integers(0, 2**40 - 1),
)
def test_what_nobody_sees_and_full_width_forms_change_no_mailbox(
    address: str, invisible: list[tuple[int, str]], wide: int
) -> None:
    """`wide`: a bit for each character."""
    said = [chr(ord(char) + 0xFEE0) if wide >> at & 1 else char for at, char in enumerate(address)]
    for at, char in invisible:
        said.insert(at, char)
    assert normalise("".join(said)) == normalise(address)


@fuzz(
    PURE,
    address=mk.sampled_from(["x@example.com", "aé@b.de"]),
    at=mk.integers(0, 1),
    char=mk.sampled_from(mk.characters("L", "N", "S", "P")),
    examples=[
        {"address": "x@example.com", "at": 1, "char": "²"},
        {"address": "x@example.com", "at": 0, "char": "ſ"},
        {"address": "x@example.com", "at": 0, "char": "ϴ"},
    ],
)
def test_a_character_that_stands_for_others_is_refused(address: str, at: int, char: str) -> None:
    """NFKC names what stands for something else; what is canonically the same character (NFC) stays."""
    stands_for_others = unicodedata.normalize("NFKC", char) != unicodedata.normalize("NFC", char)
    folded = "\uff01" <= char <= "\uff5e" or char in "\u3164\uffa0"
    if stands_for_others and not folded:
        assert normalise(address[:at] + char + address[at:]) is None


@fuzz(
    PURE,
    said=mk.one_of(mk.builds("{}@{}.{}".format, TRICKY, TRICKY, TRICKY), TRICKY),
    examples=[
        {"said": "\u4f8be\u0301\u094d\u0301\u200c\u200c@z-nb.ad"},
        {"said": "\u4f8be\u094d\u0301\u0301\u200c\u200c@z-nb.ad"},
    ],
)
def test_any_text_has_one_spelling_or_none(said: str) -> None:
    address = normalise(said)
    if address is None:
        return
    local, _, domain = address.rpartition("@")
    assert normalise(address) == address
    assert domain.isascii()
    assert "@" not in local
    assert ".." not in address
    assert len(address.encode()) <= MAX_LENGTH
    assert unicodedata.normalize("NFKC", address) == address
    assert {normalise(each) for each in spellings(address)} == {address}
