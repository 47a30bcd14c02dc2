"""How far a file has been sent, beside the file, so that an interrupted `send` goes on where it was."""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HEAD_BYTES = 65_536


@dataclass(frozen=True)
class Position:
    """Bound to the address, the file's size and its first bytes: a file that changed starts anew."""

    file: Path
    url: str

    @property
    def path(self) -> Path:
        return self.file.with_name(self.file.name + ".jetbridge-position")

    def load(self) -> int:
        """The line up to which everything was accepted; 0 if nothing is known."""
        try:
            stored = json.loads(self.path.read_text())
            return int(stored["line"]) if stored["of"] == self._fingerprint() else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def store(self, line: int) -> None:
        """Replace the position at once or not at all."""
        new = self.path.with_name(self.path.name + ".new")
        with new.open("w") as file:
            json.dump({"of": self._fingerprint(), "line": line}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)

    def clear(self) -> None:
        with suppress(FileNotFoundError):
            self.path.unlink()

    def _fingerprint(self) -> str:
        with self.file.open("rb") as file:
            head = file.read(HEAD_BYTES)
        return f"{self.url} {self.file.stat().st_size} {hashlib.sha256(head).hexdigest()}"
