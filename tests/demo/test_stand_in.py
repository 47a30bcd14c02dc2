"""The stand-in takes what Segment would take, and nothing else."""

import json

import pytest
import urllib3

from jetbridge.demo.stand_in import SegmentStandIn

BATCH = {"batch": [{"type": "track", "event": "Email Opened"}]}


@pytest.mark.parametrize(
    ("path", "key", "status", "taken"),
    [
        ("/v1/batch", "right", 200, BATCH["batch"]),
        ("/v1/batch", "wrong", 401, []),
        ("/v1/track", "right", 404, []),
    ],
)
def test_it_takes_batches_with_its_write_key_only(
    path: str, key: str, status: int, taken: list[dict[str, str]]
) -> None:
    with SegmentStandIn() as segment, urllib3.PoolManager() as pool:
        write_key = segment.write_key if key == "right" else "wrong"
        headers = urllib3.make_headers(basic_auth=f"{write_key}:")
        answer = pool.request("POST", segment.url + path, body=json.dumps(BATCH), headers=headers)
        assert answer.status == status
        assert segment.tracks == taken
