"""Asking a registrar for its bindings without changing any (RFC 3261 10.2.3, REG-21): a machine of one attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiosipreg.engine.contacts import Purpose
from aiosipreg.engine.cycle import Cycle, Step
from aiosipreg.engine.effects import Concluded
from aiosipreg.engine.outcome import Outcome
from aiosipreg.engine.replies import TROUBLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosipreg.engine.effects import Answer, Effect, Flow
    from aiosipreg.engine.session import Session
    from aiosipreg.wire import Response

__all__ = ["Query"]


class Query:
    """One fetch.

    It has a session, and so a Call-ID, of its own: beside a running registration its CSeq could not be in order, and
    an answer to it could be taken for one to a REGISTER that binds.
    """

    __slots__ = ("_cycle", "session")

    def __init__(self, session: Session, now: float) -> None:
        self.session = session
        self._cycle = Cycle(session, Purpose.FETCH, now)

    @property
    def deadline(self) -> float | None:
        """When `tick` is wanted next."""
        return self._cycle.deadline

    @property
    def branch(self) -> str | None:
        """The branch whose answer is awaited."""
        return self._cycle.branch

    @property
    def question(self) -> int:
        """The token of the question that was put last."""
        return self._cycle.token

    @property
    def flow(self) -> Flow | None:
        """The flow that carries a binding: a query makes none."""
        return None

    @property
    def upkeep(self) -> None:
        """Nor is there anything to be kept alive."""
        return

    def proved(self) -> list[Effect]:
        """Nor can it prove good."""
        return []

    def start(self, now: float) -> list[Effect]:
        """Begin."""
        return self._follow(lambda cycle: cycle.start(now))

    def take(self, answer: Answer, now: float) -> list[Effect]:
        """The answer to a question."""
        return self._follow(lambda cycle: cycle.take(answer, now))

    def failed(self, cause: str, now: float, row: str = "RSP-REF") -> list[Effect]:
        """The transport lost the request; ``row`` of section 8 says how."""
        return self._follow(lambda cycle: cycle.failed(cause, now, row))

    def flow_lost(self, flow: Flow, cause: str, now: float) -> list[Effect]:
        """A connection is gone."""
        return self._follow(lambda cycle: cycle.flow_lost(flow, cause, now))

    def received(self, response: Response, now: float) -> list[Effect]:
        """An answer to the request with our `branch`."""
        return self._follow(lambda cycle: cycle.received(response, now))

    def tick(self, now: float) -> list[Effect]:
        """Let time pass."""
        return self._follow(lambda cycle: cycle.tick(now))

    def recovered(self, now: float) -> list[Effect]:
        """A server that had answered nobody answers again: a fetch is made once only."""
        return []

    def crash(self) -> list[Effect]:
        """An input raised what it must not raise."""
        self._cycle.abandon()
        return [Concluded(Outcome(TROUBLES["INTERNAL"]))]

    def _follow(self, enter: Callable[[Cycle], list[Effect]]) -> list[Effect]:
        """Give the attempt its input, and conclude when it ends with that: once."""
        if self._cycle.step is Step.OVER:
            return []
        effects, outcome, grant = enter(self._cycle), self._cycle.outcome, self._cycle.grant
        if outcome is None:
            return effects
        return [*effects, Concluded(outcome, None if grant is None else grant.bindings)]
