"""What is raised when there is no way to a target, or not any more (floor 3)."""

from __future__ import annotations

__all__ = ["TransportFailure"]


class TransportFailure(OSError):
    """A failure that means more than "unreachable".

    Attributes:
        row: The row of section 8 that decides what follows.
    """

    def __init__(self, cause: str, row: str) -> None:
        super().__init__(cause)
        self.row = row
