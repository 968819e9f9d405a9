"""Which requests are copies of one another, and what the first copy was answered (RFC 3261 17.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiosipreg.wire import Request, Via

__all__ = ["Transactions", "transaction_key"]

_COOKIE: Final = "z9hg4bk"
_TIMER_J: Final = 32.0


@dataclass(frozen=True, slots=True)
class _Remembered:
    until: float
    answer: bytes | None


class Transactions:
    """The requests of the last 32 seconds with their answers."""

    def __init__(self) -> None:
        self._memory: dict[tuple[str, ...], _Remembered] = {}

    def recall(self, key: tuple[str, ...], now: float) -> tuple[bool, bytes | None]:
        """Whether a request came before, and what it was answered.

        Args:
            key: What ``transaction_key`` says of it.
            now: The time in seconds.

        Returns:
            Whether it came before; its answer, ``None`` if it got none.
        """
        # Entries are in order of time, so the lapsed ones come first.
        while self._memory:
            oldest = next(iter(self._memory))
            if self._memory[oldest].until > now:
                break
            del self._memory[oldest]
        remembered = self._memory.get(key)
        return (False, None) if remembered is None else (True, remembered.answer)

    def remember(self, key: tuple[str, ...], answer: bytes | None, now: float) -> None:
        """Keep an answer for Timer J."""
        # Taken out first, so that the newest entry is the last one.
        self._memory.pop(key, None)
        self._memory[key] = _Remembered(now + _TIMER_J, answer)

    def clear(self) -> None:
        """Know no request any more."""
        self._memory.clear()


def transaction_key(request: Request, via: Via) -> tuple[str, ...]:
    """What two copies of one request share (RFC 3261 17.2.3)."""
    if via.branch is not None and via.branch.lower().startswith(_COOKIE):
        return (via.branch.lower(), via.host.lower(), str(via.port), request.method)
    # RFC 2543 clients have no unique branch.
    headers = request.headers
    return (str(via), request.uri, *(headers.get(name) or "" for name in ("From", "Call-ID", "CSeq")))
