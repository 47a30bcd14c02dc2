from typing import Any

import pytest

from jetbridge.spec.emails import normalise


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
        ("ÉLODIE@MÜNCHEN.DE", "élodie@münchen.de"),
        ("ada@xn--mnchen-3ya.de", "ada@xn--mnchen-3ya.de"),
        ("用户@例子.测试", "用户@例子.测试"),
        ("ada@mail.example.co.uk", "ada@mail.example.co.uk"),
    ],
)
def test_an_address_has_one_spelling(said: str, address: str) -> None:
    assert normalise(said) == address
    assert normalise(address) == address


@pytest.mark.parametrize(
    "said",
    [
        None, 7, True, [], {}, "", " ", "ada", "@example.com", "ada@", "ada@example", "ada@example.c",
        "ada@@example.com", "ada@b@example.com", "a da@example.com", "ada@exa mple.com", "ada@.com", "ada@example..com",
        ".ada@example.com", "ada.@example.com", "a..da@example.com", "Ada <ada@example.com>", "ada@example.com,b@c.de",
        "ada@example.com.", "ada\x00@example.com", "ada\uff20example.com", f"{'a' * 250}@b.de",
    ],
)  # fmt: skip
def test_what_is_no_address_has_none(said: Any) -> None:
    assert normalise(said) is None
