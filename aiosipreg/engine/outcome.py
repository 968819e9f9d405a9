"""How an attempt ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiosipreg.engine.timers import LONGEST_RETRY_AFTER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiosipreg.engine.register import Grant
    from aiosipreg.engine.replies import Row
    from aiosipreg.engine.targets import Target
    from aiosipreg.wire import Response

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a cycle ended.

    Attributes:
        row: The row of section 8 that decided it.
        response: The last answer, if one decided.
        grant: What a 2xx said.
        sent_at: When the decisive request was first sent.
        cause: What the transport, the resolver or the provider said, for people.
        target: Where the last request went, or was to go.
        tried: Targets that failed, or the server that could not be resolved, with the cause of each.
    """

    row: Row
    response: Response | None = None
    grant: Grant | None = None
    sent_at: float = 0.0
    cause: str = ""
    target: Target | None = None
    tried: Mapping[str, str] = field(default_factory=dict)

    @property
    def unprotected(self) -> bool:
        """Whether an answer decided that anybody on the way could have forged (SEC-17)."""
        return self.response is not None and self.target is not None and not self.target.transport.secure

    @property
    def retry_after(self) -> float | None:
        """The Retry-After of the answer in seconds, capped (SEC-21)."""
        wait = self.response.retry_after if self.response is not None else None
        return None if wait is None else min(float(wait), LONGEST_RETRY_AFTER)
