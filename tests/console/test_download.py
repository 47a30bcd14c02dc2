"""Files that are made while they are sent."""

import asyncio
from collections.abc import Iterator

from jetbridge.api.download import Download


def test_parts_are_made_one_by_one_and_closed_by_who_leaves() -> None:
    made: list[str] = []

    def parts() -> Iterator[bytes]:
        try:
            for number in range(3):
                made.append(f"part {number}")
                yield f"{number}\n".encode()
        finally:
            made.append("closed")

    async def read_one() -> bytes:
        response = Download(parts(), "people.csv")
        first = await anext(aiter(response))
        assert made == ["part 0"]
        response.close()
        return first

    assert asyncio.run(read_one()) == b"0\n"
    assert made == ["part 0", "closed"]


def test_all_parts_arrive() -> None:
    async def read(response: Download) -> list[bytes]:
        return [part async for part in response]

    assert asyncio.run(read(Download(iter([b"a", b"b"]), "people.csv"))) == [b"a", b"b"]
    response = Download(iter([b"a", b"b"]), "people.csv")
    assert list(response) == [b"a", b"b"]
    assert response["content-disposition"] == 'attachment; filename="people.csv"'
