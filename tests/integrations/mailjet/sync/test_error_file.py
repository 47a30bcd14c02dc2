"""The error file of a job names contacts in a format that nobody has documented: what cannot be placed counts for all."""

from typing import Any

import pytest

from jetbridge.integrations.mailjet.api.resources import Job
from jetbridge.integrations.mailjet.sync.bulk_jobs import OpenJob, rejected_emails


class _Account:
    def __init__(self, rows: list[dict[str, Any]] | None) -> None:
        self.client = self
        self._rows = rows

    def job_errors(self, _: int) -> list[dict[str, Any]] | None:
        return self._rows


def refused(rows: list[dict[str, Any]] | None, error: str = "1 row refused") -> set[str] | None:
    account: Any = _Account(rows)
    return rejected_emails(account, OpenJob(1, 2, 0, 0), Job(status="Completed", error=error, error_file="x"))


@pytest.mark.parametrize("written", ["ada@b.com", " ADA@b.com"])
def test_addresses_are_told_in_whatever_spelling(written: str) -> None:
    assert refused([{"Email": written, "Error": "no"}]) == {"ada@b.com"}


@pytest.mark.parametrize(
    "rows", [[{"Row": 3}], [{"email": "ada@b.com"}, {"Row": 3}], [{"Email": "no address"}], []]
)
def test_an_error_that_names_nobody_may_be_anybodys(rows: list[dict[str, Any]]) -> None:
    assert refused(rows) is None


def test_a_file_without_rows_and_no_error_are_no_error() -> None:
    assert refused([], error="") == set()


def test_an_empty_file_says_nothing_of_anybody() -> None:
    assert refused(None, error="") is None
