"""Every call with values that its schema allows, and with some that it forbids: what schemathesis makes of our document.

The things in a path are there, so that a body reaches what it is for. Nothing stays: each case is rolled back.
"""

import random
import socket
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from tests.fuzz import IS_FUZZ

from .calls import CALLS, DOCUMENT
from .filled import Filled

#: A case costs some 50 ms, nearly all of it to make it up. So a run takes some calls, and `make fuzz` all of them.
SAMPLE = CALLS if IS_FUZZ else random.Random(1).sample(CALLS, 12)
#: Of each call, as many with allowed as with forbidden values.
CASES = 100 if IS_FUZZ else 4

load_all_checks()
#: `not_a_server_error` would refuse 503, with which a Mailjet that does not respond is reported.
CHECKED = CHECKS.get_by_names(
    [
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
    ]
)


@pytest.fixture
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: Any, *_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is not looked up in this test")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture
def _one_connection() -> Iterator[None]:
    """As with Django's own test client: a request closes no connection, or there would be nothing to roll back."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def operations() -> list[Any]:
    """Without authentication, which other tests look at: half of the forbidden values would be wrong tokens."""
    document = deepcopy(DOCUMENT)
    del document["components"]["securitySchemes"]
    for path in document["paths"].values():
        for operation in path.values():
            del operation["security"]
    schema = schemathesis.openapi.from_dict(document)
    schema.app = get_wsgi_application()
    sample = {(call.method, call.path) for call in SAMPLE}
    found = [result.ok() for result in schema.get_all_operations()]
    return [row for row in found if (row.method.upper(), row.path) in sample]


@pytest.mark.fuzz(cases=2 * CASES * len(SAMPLE))
@pytest.mark.usefixtures("_offline", "_one_connection")
def test_a_call_responds_as_its_schema_says(shop: Filled, operations: list[Any]) -> None:
    statuses: Counter[tuple[GenerationMode, int]] = Counter()

    def run(operation: Any, mode: GenerationMode) -> None:
        ids = {row.name: shop.ids[row.name] for row in operation.path_parameters}

        @settings(max_examples=CASES, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode, path_parameters=ids))
        def check(case: Case) -> None:
            with transaction.atomic():
                response = case.call(headers={"Authorization": f"Bearer {shop.secret}"})
                transaction.set_rollback(True)
            statuses[mode, response.status_code] += 1
            assert response.status_code != 500, (case.as_curl_command(), response.text)
            case.validate_response(response, checks=CHECKED)

        check()

    for operation in operations:
        run(operation, GenerationMode.POSITIVE)
        if operation.query or operation.body:  # else there is nothing that could be wrong
            run(operation, GenerationMode.NEGATIVE)
    assert len(operations) == len(SAMPLE)
    assert not [status for _, status in statuses if status == 401]
    assert (GenerationMode.POSITIVE, 200) in statuses, statuses
