"""The users of a core's accounts (floor 3): whom a request from the network may be for."""

from __future__ import annotations

__all__ = ["Users"]


class Users:
    """User parts of addresses-of-record; several accounts may have the same one.

    Looked up for every request, so a registrar that asks 100 000 accounts whether they are there is not answered by a
    look at all accounts for each.
    """

    __slots__ = ("_accounts",)

    def __init__(self) -> None:
        self._accounts: dict[str | None, int] = {}

    def __contains__(self, user: str) -> bool:
        return user in self._accounts

    def add(self, user: str | None) -> None:
        """An account has this user."""
        self._accounts[user] = self._accounts.get(user, 0) + 1

    def remove(self, user: str | None) -> None:
        """An account has this user no more."""
        self._accounts[user] -= 1
        if not self._accounts[user]:
            del self._accounts[user]
