"""Glob patterns. The table is that of Segment's own tests (tsub, `matchers.test.ts`; Go, `path.Match`)."""

import time
from random import Random

import pytest
from tests.routing.fql import reference

from jetbridge.routing.fql import glob

TABLE = [
    ("abc", "abc", True), ("*", "abc", True), ("*c", "abc", True), ("*b", "abc", False), ("a*", "a", True), ("a*", "abc", True),
    ("a*", "ab/c", True), ("a*/b", "abc/b", True), ("a*/b", "a/c/b", True), ("a*b*c*d*e*/f", "axbxcxdxe/f", True),
    ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True), ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", True),
    ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", False), ("a*b?c*x", "abxbbxdbxebxczzx", True), ("a*b?c*x", "abxbbxdbxebxczzy", False),
    ("*a*b*c*", "abcabcabc", True), ("ab[c]", "abc", True), ("ab[b-d]", "abc", True), ("ab[e-g]", "abc", False),
    ("ab[^c]", "abc", False), ("ab[^b-d]", "abc", False), ("ab[^e-g]", "abc", True), ("a\\*b", "a*b", True), ("a\\*b", "ab", False),
    ("a?b", "a☺b", True), ("a[^a]b", "a☺b", True), ("a???b", "a☺b", False), ("[a-ζ]*", "\N{GREEK SMALL LETTER ALPHA}", True), ("*[a-ζ]", "A", False),
    ("a?b", "a/b", True), ("a*b", "a/b", True), ("[\\]a]", "]", True), ("[\\-]", "-", True), ("[x\\-]", "x", True), ("[x\\-]", "-", True),
    ("[x\\-]", "z", False), ("[\\-x]", "x", True), ("[\\-x]", "-", True), ("[\\-x]", "a", False), ("*x", "xxx", True), ("", "", True),
    ("", "a", False), ("?", "\n", True), ("**a**", "bab", True), ("[z-a]", "m", False), ("a[^z-a]", "ab", True),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text", "expected"), TABLE)
def test_what_a_pattern_matches(pattern: str, text: str, expected: object) -> None:
    assert glob.matcher(pattern)(text) is expected


@pytest.mark.parametrize(
    "pattern",
    ["[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]", "[", "[^", "[^bc", "a[", "[]", "[\\", "?" * 2_001],
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(glob.BadPattern):
        glob.matcher(pattern)


def test_an_escaped_text_matches_itself_alone() -> None:
    random = Random(0)
    for _ in range(500):
        text = "".join(random.choices("a*?[]\\^-", k=random.randrange(6)))
        assert glob.unescape(glob.escape(text)) == text
        assert glob.matcher(glob.escape(text))(text)
        assert not glob.matcher(glob.escape(text))(text + "a")


def test_it_matches_what_trying_everything_matches() -> None:
    random = Random(0)
    matched = 0
    for _ in range(5_000):
        pattern = "".join(
            random.choices(["a", "b", "*", "?", "[ab]", "[^a]", "[b-c]", "\\*"], k=random.randrange(7))
        )
        text = "".join(random.choices("abc*", k=random.randrange(8)))
        result = glob.matcher(pattern)(text)
        assert result is reference.matches(pattern, text)
        matched += result
    assert 300 < matched < 4_700


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 200 + "*b",
        "*" + "a?" * 900 + "b*",
        "*" + "[ab]" * 1_900 + "c",
        "*" + "?" * 1_900 + "b*",
        "*" + "a" * 1_900 + "b*",
        ("*" + "a?" * 4) * 200 + "b",
    ],
)
def test_no_pattern_explodes(pattern: str) -> None:
    """The largest text that a message holds; trying everything would take longer than the universe is old."""
    matches, text = glob.matcher(pattern), "a" * 32_768
    started = time.process_time()
    assert not matches(text)
    assert time.process_time() - started < 2


def test_time_grows_with_the_text_and_no_faster() -> None:
    matches = glob.matcher("*" + "a?" * 400 + "b*")

    def seconds(characters: int) -> float:
        text = "a" * characters
        runs = []
        for _ in range(5):
            started = time.process_time()
            matches(text)
            runs.append(time.process_time() - started)
        return min(runs)

    assert seconds(64_000) < 8 * seconds(16_000)
