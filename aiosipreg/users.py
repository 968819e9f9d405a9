"""The users of a core's accounts (floor 3): whom a request from the network may be for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Users"]


class Users:
    """User parts of addresses-of-record; several accounts may have the same one.

    Looked up for every request, so a registrar that asks 100 000 accounts whether they are there is not answered by a
    look at all accounts for each. They are counted when the first request comes: most accounts never get one.

    Args:
        users: Gives that of each account.
    """

    __slots__ = ("_counted", "_users")

    def __init__(self, users: Callable[[], Iterable[str | None]]) -> None:
        self._users = users
        self._counted: Counter[str | None] | None = None

    def __contains__(self, user: str) -> bool:
        if self._counted is None:
            self._counted = Counter(self._users())
        return user in self._counted

    def add(self, user: str | None) -> None:
        """One more account has this user."""
        if self._counted is not None:
            self._counted[user] += 1

    def remove(self, user: str | None) -> None:
        """An account that had this user has it no more."""
        if self._counted is not None:
            self._counted[user] -= 1
            if not self._counted[user]:
                del self._counted[user]
