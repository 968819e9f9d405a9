"""How an attempt ended."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from aiosipreg.engine.replies import Row
from aiosipreg.engine.targets import Target
from aiosipreg.engine.timers import LONGEST_RETRY_AFTER, LONGEST_SECURE_RETRY_AFTER
from aiosipreg.wire import Response

__all__ = ["NOTHING_TRIED", "Outcome", "capped_retry_after"]

NOTHING_TRIED: Final[Mapping[str, str]] = MappingProxyType({})
"""What failed in an attempt that succeeded at once: one for all accounts."""


def capped_retry_after(response: Response | None, target: Target | None) -> float | None:
    """The Retry-After of an answer in seconds, capped (SEC-21); ``None`` without one.

    Args:
        response: The answer.
        target: Who sent it.
    """
    wait = response.retry_after if response is not None else None
    if wait is None:
        return None
    secure = target is not None and target.transport.secure
    return min(float(wait), LONGEST_SECURE_RETRY_AFTER if secure else LONGEST_RETRY_AFTER)


class Outcome(NamedTuple):
    """How a cycle ended.

    Attributes:
        row: The row of section 8 that decided it.
        response: The last answer, if one decided.
        cause: What the transport, the resolver or the provider said, for people.
        target: Where the last request went, or was to go.
        tried: Targets that failed, or the server that could not be resolved, with the cause of each.
        until: Nothing was sent, because what another account met says that it is no use before this time (OVL-7,
            DNS-17).
    """

    row: Row
    response: Response | None = None
    cause: str = ""
    target: Target | None = None
    tried: Mapping[str, str] = NOTHING_TRIED
    until: float | None = None

    @property
    def unprotected(self) -> bool:
        """Whether an answer decided that anybody on the way could have forged (SEC-17)."""
        return self.response is not None and self.target is not None and not self.target.transport.secure

    @property
    def retry_after(self) -> float | None:
        """The Retry-After of the answer in seconds, capped."""
        return capped_retry_after(self.response, self.target)
