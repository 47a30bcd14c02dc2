"""What a program is told when it does not get what it asked for: a status and a sentence, as JSON."""

import msgspec
from django.http import HttpResponse

JSON = "application/json"


class Problem(msgspec.Struct):
    """`error` is a sentence for a person: what is wrong, and with what."""

    error: str


class Refused(Exception):
    def __init__(self, status: int, sentence: str, **headers: str) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, headers

    def response(self) -> HttpResponse:
        body = msgspec.json.encode(Problem(str(self)))
        headers = {name.replace("_", "-"): value for name, value in self.headers.items()}
        return HttpResponse(body, status=self.status, content_type=JSON, headers=headers)
