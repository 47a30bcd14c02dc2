"""A process that writes a row through dlt and deletes it again, for who sets a warehouse up. What it is to do it reads as JSON."""

import sys
import tempfile
from pathlib import Path

import msgspec

from jetbridge.errors import DeliveryError, PauseError
from jetbridge.integrations.warehouse.database import TableRefused
from jetbridge.integrations.warehouse.dlt_places import DltPlace
from jetbridge.integrations.warehouse.dlt_runner import Runner


class TryOut(msgspec.Struct):
    place: DltPlace
    schema: str
    address: str


class Problem(msgspec.Struct):
    """`is_final`: a person has to act."""

    code: str
    message: str
    is_final: bool


def main() -> None:
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=TryOut)
    problem = None
    with tempfile.TemporaryDirectory(prefix="jetbridge-dlt-") as folder:
        try:
            Runner(request.place, Path(folder), request.address).try_out(request.schema)
        except DeliveryError as error:
            problem = Problem(error.code, str(error), isinstance(error, PauseError))
        except TableRefused as error:
            problem = Problem("WAREHOUSE_FORBIDDEN", str(error), is_final=True)
    sys.stdout.buffer.write(msgspec.json.encode(problem))


if __name__ == "__main__":
    main()
