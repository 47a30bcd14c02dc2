"""Measuring and printing: interleaved runs, medians, spread, and the target beside each figure."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

#: Does `count` things, and returns `count`. A setup that does not belong to the figure is done before.
Run = Callable[[], int]


@dataclass(frozen=True)
class Series:
    """Samples of one figure. `str()` is the median with the lowest and the highest."""

    samples: tuple[float, ...]
    form: str = "{:,.0f}"
    unit: str = "/s"

    @property
    def middle(self) -> float:
        return median(self.samples)

    def __str__(self) -> str:
        low, middle, high = (
            self.form.format(value) for value in (min(self.samples), self.middle, max(self.samples))
        )
        return f"{middle + self.unit:>14}  ({low} to {high}, n={len(self.samples)})"


def per_second(run: Run) -> float:
    begun = time.perf_counter()
    count = run()
    return count / (time.perf_counter() - begun)


def interleaved(samplers: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Series]:
    """Samples of each, in the order A-B-B-A, so that a slow minute of the machine falls on all alike."""
    samples: dict[str, list[float]] = {name: [] for name in samplers}
    for turn in range(2 * rounds):
        names = list(samplers) if turn % 2 == 0 else list(samplers)[::-1]
        for name in names:
            samples[name].append(samplers[name]())
    return {name: Series(tuple(values)) for name, values in samples.items()}


def ratios(one: Series, floor: Series) -> Series:
    """One's share of the floor, sample by sample: both were taken within the same turn."""
    pairs = zip(one.samples, floor.samples, strict=True)
    return Series(tuple(mine / bare for mine, bare in pairs), form="{:.2f}", unit="")


def title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def line(label: str, value: object, target: str = "") -> None:
    print(f"  {label:<43} {value}{f'   target {target}' if target else ''}", flush=True)


def compare(series: Mapping[str, Series], *, floor: str, targets: Mapping[str, tuple[str, str]]) -> None:
    """Print every series, and each one's share of the floor. `targets`: name -> (figure, share)."""
    for name, each in series.items():
        line(name, each, targets.get(name, ("", ""))[0])
    for name, each in series.items():
        if name != floor:
            line(f"  {name}: share of the floor", ratios(each, series[floor]), targets.get(name, ("", ""))[1])


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]
