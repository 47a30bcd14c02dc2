"""What a person chose on the command line."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    quick: bool = False

    @property
    def rounds(self) -> int:
        """Rounds of A-B-B-A."""
        return 2 if self.quick else 4

    def size(self, full: int) -> int:
        return full // 5 if self.quick else full
