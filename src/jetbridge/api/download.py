"""A file that is made while it is sent: large ones begin at once, and stand in no memory."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse


class Download(StreamingHttpResponse):
    """`parts` is read in the thread of the request, also under ASGI, where Django would read all of it before the first byte."""

    def __init__(self, parts: Iterable[bytes], filename: str, **options: Any) -> None:
        super().__init__(parts, content_type="application/octet-stream", **options)
        self.headers["Content-Disposition"] = f'attachment; filename="{filename}"'

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = iter(self)
        while (part := await sync_to_async(lambda: next(parts, None))()) is not None:
            yield part
