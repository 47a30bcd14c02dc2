"""Which batch each destination works on, in this process: an erasure waits until one that was read before it is over."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

_batches: dict[int, object] = {}


@contextmanager
def batch(destination: int) -> Iterator[None]:
    """From before its messages are read, and it is known who is suppressed, until all is written."""
    _batches[destination] = object()
    try:
        yield
    finally:
        _batches.pop(destination, None)


def of(destinations: Iterable[int]) -> dict[int, object]:
    """The batches that are open now, by destination."""
    return {id_: _batches[id_] for id_ in destinations if id_ in _batches}


def open_still(batches: Mapping[int, object]) -> list[int]:
    """The destinations of those that have not ended since."""
    return [id_ for id_, token in batches.items() if _batches.get(id_) is token]
