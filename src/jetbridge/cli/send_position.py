"""How far a file has been sent, beside the file, so that an interrupted `send` goes on where it was."""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Position:
    """Of `file`, as long as `identity` is the same: where it goes, how it is read, and every byte of it."""

    file: Path
    identity: str

    @property
    def path(self) -> Path:
        return self.file.with_name(self.file.name + ".jetbridge-position")

    def load(self) -> int:
        """The number of the row up to which all were accepted (`Place.number`); 0 if nothing is known."""
        try:
            stored = json.loads(self.path.read_text())
            return int(stored["place"]) if stored["of"] == self._digest else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def store(self, place: int) -> None:
        """Replace the position at once or not at all."""
        new = self.path.with_name(self.path.name + ".new")
        with new.open("w") as file:
            json.dump({"of": self._digest, "place": place}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)

    def clear(self) -> None:
        with suppress(FileNotFoundError):
            self.path.unlink()

    @property
    def _digest(self) -> str:
        return hashlib.sha256(self.identity.encode()).hexdigest()
