"""The fuzzers themselves: what they make up, and what they say of a case that failed."""

import re
from inspect import signature
from random import Random
from typing import Any

import pytest
from tests import makers as mk
from tests.fuzz import Effort, fuzz

FEW = Effort(1_000, 1_000)


def failure_of(check: Any, *args: Any) -> str:
    with pytest.raises(AssertionError) as raised:
        check(*args)
    (note,) = raised.value.__notes__
    return str(note)


def test_a_case_that_fails_is_made_small_and_its_seed_brings_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    @fuzz(FEW, words=mk.lists(mk.text("abcx", most=20)), number=mk.integers(0, 10**6))
    def check(words: list[str], number: int) -> None:
        calls.append(words)
        assert not any("xx" in word for word in words)

    note = failure_of(check)
    assert "It was called with words=['xx'], number=0." in note
    [seed] = re.findall(r"FUZZ_SEED=(\d+) ", note)
    monkeypatch.setenv("FUZZ_SEED", seed)
    calls.clear()
    assert failure_of(check) == note
    assert "xx" in "".join(calls[0])


def test_a_case_becomes_no_other_failure_as_it_is_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    @fuzz(FEW, number=mk.integers(0, 1_000))
    def check(number: int) -> None:
        if number < 300:
            raise ValueError
        assert number < 500

    seed = next(seed for seed in range(1_000) if Random(seed).randint(0, 1_000) >= 500)
    monkeypatch.setenv("FUZZ_SEED", str(seed))
    assert "It was called with number=500." in failure_of(check)


def test_examples_come_first_and_fixtures_stay() -> None:
    seen = []

    @fuzz(FEW, number=mk.integers(0, 9), examples=[{"number": 10}])
    def check(tmp_path: str, number: int) -> None:
        assert tmp_path == "here"
        seen.append(number)

    assert list(signature(check).parameters) == ["tmp_path"]
    check("here")
    assert seen[0] == 10
    assert len(seen) == 1 + FEW.cases
    assert set(seen[1:]) == set(range(10))


def test_many_inputs_of_one_run_count_each() -> None:
    runs = []

    @fuzz(Effort(95, 1_000), per_run=10, numbers=mk.lists(mk.integers(), least=10, most=10))
    def check(numbers: list[int]) -> None:
        runs.append(numbers)

    check()
    assert len(runs) == 10
    assert check.pytestmark[0].kwargs == {"cases": 100}  # type: ignore[attr-defined]


def test_every_kind_of_text_and_number_comes() -> None:
    random = Random(1)
    letters = {char for _ in range(2_000) for char in mk.text(most=40)(random)}
    assert set(map(chr, range(32, 127))) < letters
    assert {"\0", "\u200b", "\u202e", "\uff11", "\x85"} < letters
    assert max(letters) > "\U00010000"
    assert not any("\ud800" <= char <= "\udfff" for char in mk.any_character())
    numbers = [mk.integers()(random) for _ in range(5_000)]
    assert {0, 1, -1, 2**53, 2**63 - 1, 2**63, -(2**63), 2**64} < set(numbers)
    assert max(numbers) > 2**100
    fractions = [mk.floats()(random) for _ in range(5_000)]
    assert {float("inf"), float("-inf"), 0.0} < set(fractions)
    assert any(number != number for number in fractions)  # noqa: PLR0124 - NaN
    assert {len(mk.binary(9)(random)) for _ in range(500)} == set(range(10))
    assert {len(mk.dictionaries(mk.integers(), mk.integers())(random)) for _ in range(500)} == set(range(5))
