"""Server-sent events: the one way in which a page of the console stays open.

Every live page is a `LiveResponse`, so each ends when its person may not see it any more; the middleware refuses any
other (`middleware.py`). It ends, too, when the browser leaves, and after some minutes by itself: the browser comes again
and is asked again who it is.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import StreamingHttpResponse

from jetbridge.console.access import MemberRequest, is_still_allowed

CONTENT_TYPE = "text/event-stream"

EVERY_SECONDS = 0.5
#: A sign of life for proxies and for us: writing to a browser that has left fails.
SILENT_SECONDS = 10.0
END_SECONDS = 300.0
#: Whether the person may still watch is asked so often, and before anything is shown.
ALLOWED_SECONDS = 2.0
#: Browsers that watch at once: in all, and of one person.
WATCHERS, WATCHERS_OF_ONE = 50, 8

#: The next event (`event_of`), "" if there is none. May block.
Look = Callable[[], str]
#: Opens what looks, and closes it. Both may block.
Feed = Callable[[], AbstractContextManager[Look]]

T = TypeVar("T")


class LiveResponse(StreamingHttpResponse):
    """What `feed` finds, twice a second, as long as the member of the request may see it."""

    def __init__(self, request: MemberRequest, feed: Feed) -> None:
        may_watch = partial(is_still_allowed, request)
        super().__init__(
            events(request.user.id, may_watch, feed),
            content_type=CONTENT_TYPE,
            headers={"X-Accel-Buffering": "no"},
        )


def event_of(html: str, last_id: int) -> str:
    """An event whose data is HTML. The browser gives its id back when it comes again."""
    lines = "".join(f"data: {line}\n" for line in html.splitlines() if line.strip())
    return f"id: {last_id}\n{lines}\n"


class _Watchers:
    """How many watch. In one event loop only."""

    def __init__(self) -> None:
        self._by_user: dict[int, int] = {}

    @contextmanager
    def place(self, user: int) -> Iterator[bool]:
        """Whether there is a place; it is given back at the end."""
        mine = self._by_user.get(user, 0)
        if mine >= WATCHERS_OF_ONE or sum(self._by_user.values()) >= WATCHERS:
            yield False
            return
        self._by_user[user] = mine + 1
        try:
            yield True
        finally:
            self._by_user[user] -= 1
            if not self._by_user[user]:
                del self._by_user[user]


_watchers = _Watchers()


async def events(user: int, may_watch: Callable[[], bool], feed: Feed) -> AsyncIterator[str]:
    """End once `may_watch()` is False; nothing is shown before it was asked."""
    with _watchers.place(user) as has_place:
        if not has_place:
            yield "event: end\ndata: too many\n\n"
            return
        context = feed()
        look = await _in_thread(context.__enter__)
        try:
            async for part in _parts(look, may_watch):
                yield part
        finally:
            await _in_thread(lambda: context.__exit__(None, None, None))
            await _in_thread(connections.close_all)


async def _parts(look: Look, may_watch: Callable[[], bool]) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    begun = sent_at = allowed = time.monotonic()
    while (now := time.monotonic()) - begun < END_SECONDS:
        event = await _in_thread(look)
        if event or now - allowed > ALLOWED_SECONDS:
            if not await _in_thread(may_watch):
                return
            allowed = now
        if event:
            yield event
            sent_at = now
        elif now - sent_at > SILENT_SECONDS:
            yield ": still here\n\n"
            sent_at = now
        await asyncio.sleep(EVERY_SECONDS)


async def _in_thread(function: Callable[[], T]) -> T:
    """In the request's own thread: the connections it opens there are used again, and closed there."""
    return await sync_to_async(function, thread_sensitive=True)()
