"""Fuzzers: a test that gets very many made-up inputs, each from a seed of its own.

A maker (`makers.py`) is a function of a `random.Random` that returns an input. Hypothesis draws some hundred to two
thousand inputs a second, plain random numbers make a hundred thousand: only so a million cases of each pure function
end within a night.

`make test` runs the same cases each time, so that it fails by a change of the code alone; `make fuzz` runs new ones each time.

A case that fails is made small: its random numbers are left out and lowered as long as it fails in the same way. The
report names the input and the seed; `FUZZ_SEED=<seed> python -m pytest <test>` runs that case alone.
"""

import functools
import inspect
import os
import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from secrets import randbits
from typing import Any, NamedTuple
from zlib import crc32

import pytest
from tests.makers import Maker

IS_FUZZ = "FUZZ" in os.environ


class Effort(NamedTuple):
    """Cases of one fuzzer, in `make test` and in `make fuzz`."""

    test: int
    fuzz: int

    @property
    def cases(self) -> int:
        return self.fuzz if IS_FUZZ else self.test


PURE = Effort(10_000, 1_000_000)
#: Over sockets, through pages, or with a database: a thousand times as slow.
WITH_IO = Effort(1_000, 10_000)

#: How long a case that has failed is made smaller.
SHRINK_SECONDS = 10.0
_FAILURES = (Exception, pytest.fail.Exception)


def fuzz(
    effort: Effort, *, per_run: int = 1, examples: Sequence[dict[str, Any]] = (), **makers: Maker[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call the test with what the makers make, by name, and with its fixtures.

    `per_run`: how many inputs one call takes, where a maker makes many of them. `examples`: inputs to begin with.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(test)
        runs = -(-effort.cases // per_run)

        @pytest.mark.fuzz(cases=runs * per_run)
        @functools.wraps(test)
        def run(*args: Any, **fixtures: Any) -> None:
            check = functools.partial(test, *args, **fixtures)
            for example in examples:
                check(**example)
            first = randbits(48) if IS_FUZZ else crc32(test.__qualname__.encode())
            seeds: Sequence[int] = range(first, first + runs)
            if "FUZZ_SEED" in os.environ:
                seeds = [int(os.environ["FUZZ_SEED"])]
            random = Random()
            for seed in seeds:
                random.seed(seed)
                try:
                    check(**{name: make(random) for name, make in makers.items()})
                except _FAILURES as error:
                    raise _smallest(check, makers, seed, error) from None

        parameters = [each for name, each in signature.parameters.items() if name not in makers]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return run

    return decorate


# ---- what has failed


class _Numbers(Random):
    """Random numbers that are noted as whole numbers, or those that are given, and then nothing but 0."""

    def __init__(self, seed: int, given: Sequence[int] | None = None) -> None:
        super().__init__(seed)
        self._given = iter(given) if given is not None else None
        self.used: list[int] = []

    def getrandbits(self, k: int, /) -> int:
        return self._next(k, super().getrandbits)

    def random(self) -> float:
        return self._next(53, lambda _: int(super(_Numbers, self).random() * 2**53)) * 2.0**-53

    def _next(self, bits: int, new: Callable[[int], int]) -> int:
        number = new(bits) if self._given is None else min(next(self._given, 0), 2**bits - 1)
        self.used.append(number)
        return number


def _smallest(
    check: Callable[..., None], makers: dict[str, Maker[Any]], seed: int, error: BaseException
) -> BaseException:
    """The error of the smallest case that fails alike, with a note that says how to see it again."""

    def failing(numbers: Sequence[int] | None) -> tuple[list[int], BaseException | None]:
        random = _Numbers(seed, numbers)
        try:
            check(**{name: make(random) for name, make in makers.items()})
        except _FAILURES as caught:
            if type(caught) is type(error):
                return random.used, caught
        return random.used, None

    until = time.monotonic() + SHRINK_SECONDS
    smallest, found = failing(None)
    is_smaller = found is not None
    while is_smaller:
        is_smaller = False
        for fewer in _fewer(smallest):
            if time.monotonic() > until:
                break
            used, caught = failing(fewer)
            if caught and (len(used), used) < (len(smallest), smallest):
                smallest, found, is_smaller = used, caught, True
                break
    random = _Numbers(seed, smallest if found else None)
    inputs = ", ".join(f"{name}={make(random)!r}" for name, make in makers.items())
    found = found or error
    found.add_note(f"It was called with {inputs}.\nFUZZ_SEED={seed} runs the case that this was found by.")
    return found


def _fewer(numbers: list[int]) -> Iterator[list[int]]:
    """What could be a smaller case: without some numbers, with a list that is one shorter, with lower numbers."""
    for size in (64, 16, 4, 2, 1):
        for at in range(0, len(numbers) - size + 1, max(1, size // 2)):
            yield numbers[:at] + numbers[at + size :]
    for at, length in enumerate(numbers):
        for item in range(at + 1, min(len(numbers), at + 1 + length)) if 0 < length < 64 else ():
            yield [*numbers[:at], length - 1, *numbers[at + 1 : item], *numbers[item + 1 :]]
    for at, number in enumerate(numbers):
        # Of the 53 bits of a fraction the first eight say what is chosen.
        for less in (0, number >> 45 << 45, number >> 1, number - (1 if number < 2**16 else 2**45)):
            if 0 <= less < number:
                yield [*numbers[:at], less, *numbers[at + 1 :]]
