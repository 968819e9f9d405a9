"""One fetch of an account's bindings, from the call to its result (floor 4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiosipreg.engine.effects import Concluded
from aiosipreg.engine.query import Query
from aiosipreg.errors import CoreClosedError
from aiosipreg.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiosipreg.auth import AuthInfo
    from aiosipreg.engine.effects import Answer, Ask, Changed, Connect
    from aiosipreg.engine.session import Session
    from aiosipreg.params import ProxyParams
    from aiosipreg.ports import Account, Host
    from aiosipreg.settings import TlsParams

__all__ = ["Fetch"]


class Fetch:
    """Asks, and holds the result for whoever waits.

    Args:
        account: On whose behalf is asked.
        session: For this question alone.
        host: What runners need.
    """

    def __init__(self, account: Account[Any], session: Session, host: Host) -> None:
        self._account = account
        self._result: asyncio.Future[Concluded] = asyncio.get_running_loop().create_future()
        self._runner = Runner(Query(session, host.now()), self, host)

    async def run(self, timeout: float | None) -> Concluded:
        """Ask, and wait for what comes of it.

        Args:
            timeout: Seconds to wait.

        Raises:
            TimeoutError: Nothing came in time.
            CoreClosedError: The account was removed meanwhile.
        """
        self._runner.enter(lambda query, now: query.start(now), insist=True)
        try:
            async with asyncio.timeout(timeout):
                return await self._result
        finally:
            self._runner.close()

    def end(self) -> None:
        """The account is gone."""
        if not self._result.done():
            self._result.set_exception(CoreClosedError(f"{self._runner.identity} was removed while it was asked"))

    def tls(self, params: ProxyParams, connect: Connect) -> TlsParams:
        """Whom the account trusts on the way to a target, and how it proves who it is."""
        return self._account.tls(params, connect)

    def known(self, params: ProxyParams, ask: Ask) -> AuthInfo | None:
        """Credentials that are at hand."""
        return self._account.known(params, ask)

    def inquiry(self, params: ProxyParams, ask: Ask) -> Coroutine[None, None, Answer] | None:
        """The question to the auth provider."""
        return self._account.inquiry(params, ask)

    def report(self, _machine: Query, report: Changed | Concluded, _now: float) -> None:
        """The attempt ended."""
        if not self._result.done() and isinstance(report, Concluded):
            self._result.set_result(report)
