"""One fetch of an account's bindings, from the call to its result (floor 4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from aiosipreg.engine.effects import Concluded
from aiosipreg.engine.query import Query
from aiosipreg.engine.report import told
from aiosipreg.errors import CoreClosedError, RegistrationError, RegistrationRejected
from aiosipreg.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiosipreg.auth import AuthInfo
    from aiosipreg.engine.effects import Answer, Ask, Changed
    from aiosipreg.engine.register import Binding
    from aiosipreg.engine.session import Session
    from aiosipreg.ports import Host

__all__ = ["Fetch"]


class Asker(Protocol):
    """The account on whose behalf is asked."""

    @property
    def identity(self) -> str:
        """The account in log lines."""
        ...

    def known(self, ask: Ask) -> AuthInfo | None:
        """Credentials that are at hand."""
        ...

    def inquiry(self, ask: Ask) -> Coroutine[None, None, Answer] | None:
        """The question to the auth provider."""
        ...


class Fetch:
    """Asks, and holds the result for whoever waits."""

    def __init__(self, asker: Asker, session: Session, host: Host) -> None:
        self._asker = asker
        self._result: asyncio.Future[tuple[Binding, ...]] = asyncio.get_running_loop().create_future()
        self._runner = Runner(Query(session, host.now()), self, host)

    async def run(self, timeout: float | None) -> tuple[Binding, ...]:
        """Ask, and wait for the list.

        Args:
            timeout: Seconds to wait.

        Raises:
            RegistrationError: The registrar refused, or could not be reached.
            TimeoutError: It did not answer in time.
            CoreClosedError: The account was removed meanwhile.
        """
        self._runner.enter(lambda query, now: query.start(now))
        try:
            async with asyncio.timeout(timeout):
                return await self._result
        finally:
            self._runner.close()

    def end(self) -> None:
        """The account is gone."""
        if not self._result.done():
            self._result.set_exception(CoreClosedError(f"{self.identity} was removed while it was asked"))

    @property
    def identity(self) -> str:
        """The account in log lines."""
        return self._asker.identity

    def known(self, ask: Ask) -> AuthInfo | None:
        """Credentials that are at hand."""
        return self._asker.known(ask)

    def inquiry(self, ask: Ask) -> Coroutine[None, None, Answer] | None:
        """The question to the auth provider."""
        return self._asker.inquiry(ask)

    def report(self, report: Changed | Concluded) -> None:
        """The attempt ended."""
        if self._result.done() or not isinstance(report, Concluded):
            return
        outcome = report.outcome
        if outcome.grant is not None:
            self._result.set_result(outcome.grant.bindings)
            return
        kind = RegistrationRejected if outcome.response is not None else RegistrationError
        self._result.set_exception(kind(f"{self.identity}: {told(outcome)}"))
