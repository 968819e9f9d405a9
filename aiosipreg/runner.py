"""The actor of one registration (floor 4): performs what the machine asks for, and feeds it what comes back.

What needs no waiting (a datagram answered by a datagram, a timer that sends a refresh) happens within the call, in the
same turn of the event loop. A task exists only while a question is open: a name being resolved, a socket being opened,
a provider being asked. A machine has one question open at a time, and a new one supersedes it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Generic, TypeVar

from aiosipreg.engine.effects import (
    Answered,
    Ask,
    Changed,
    Concluded,
    Connect,
    Connected,
    Flow,
    Keep,
    Kept,
    Locate,
    Located,
    NotConnected,
    NotLocated,
    Send,
    TargetFailed,
)
from aiosipreg.engine.targets import ResolutionFailed
from aiosipreg.net.failure import TransportFailure
from aiosipreg.ports import Machine, NoTransport

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from aiosipreg.engine.agreement import Upkeep
    from aiosipreg.engine.effects import Answer, CloseFlow, Effect
    from aiosipreg.engine.session import Session
    from aiosipreg.ports import Account, Host
    from aiosipreg.settings import TlsParams
    from aiosipreg.timetable import Entry
    from aiosipreg.wire import Response

__all__ = ["Runner"]

logger = logging.getLogger("aiosipreg.proxy")


M = TypeVar("M", bound=Machine)

_NO_FLOWS: frozenset[Flow] = frozenset()


class Runner(Generic[M]):
    """Drives one machine.

    Attributes:
        machine: What is driven.
        entry: Where its deadline stands in the timetable.
        wanted_at: The deadline.
    """

    __slots__ = (
        "_account", "_branch", "_host", "_insists", "_question", "_queued", "_sent_on", "_tls", "_upkeep", "_used",
        "entry", "machine", "wanted_at",
    )  # fmt: skip

    def __init__(self, machine: M, account: Account[M], host: Host) -> None:
        self.machine = machine
        self.wanted_at: float | None = None
        self.entry: Entry | None = None
        self._account = account
        self._host = host
        self._branch: str | None = None
        self._question: asyncio.Task[None] | None = None
        self._queued: Connect | None = None
        self._insists = False
        self._sent_on: Flow | None = None
        self._tls: TlsParams | None = None
        self._used = _NO_FLOWS
        self._upkeep: Upkeep | None = None

    @property
    def session(self) -> Session:
        """Call-ID and CSeq of what is driven."""
        return self.machine.session

    @property
    def identity(self) -> str:
        """The account."""
        return str(self.machine.session.params.aor)

    def enter(self, make: Callable[[M, float], list[Effect]], *, insist: bool = False) -> None:
        """Give the machine an input and perform what it causes; never raises (ROB-8).

        Args:
            make: Gives the input.
            insist: The application wants the attempt that this begins, dead as the server may be (OVL-7).
        """
        self._insists = self._insists or insist
        try:
            now = self._host.now()
            self._perform(make(self.machine, now), now)
        except Exception:
            self._crashed()

    def due(self) -> None:
        """The machine's deadline has come."""
        self.enter(lambda machine, now: machine.tick(now))

    def received(self, response: Response) -> None:
        """An answer to our request; `enter` without its detour, for this is what comes most."""
        try:
            now = self._host.now()
            self._perform(self.machine.received(response, now), now)
        except Exception:
            self._crashed()

    def failed(self, cause: str, row: str = "RSP-REF") -> None:
        """Our request did not arrive, or the connection under it was lost."""
        self.enter(lambda machine, now: machine.failed(cause, now, row))

    def flow_lost(self, flow: Flow, cause: str) -> None:
        """A connection that we may use is gone."""
        self.enter(lambda machine, now: machine.flow_lost(flow, cause, now))

    def admitted(self) -> None:
        """It is our turn toward the target (OVL-8)."""
        connect, self._queued = self._queued, None
        if connect is not None:
            self.enter(lambda _machine, now: self._connect(connect, now, admitted=True))

    def recovered(self) -> None:
        """A target that we found silent, or were kept from, answers."""
        self.enter(lambda machine, now: machine.recovered(now))

    def proved(self) -> None:
        """The flow that carries our binding answered a keep-alive."""
        self.enter(lambda machine, _now: machine.proved())

    def close(self) -> None:
        """Let go of everything that outlives a call."""
        now = self._host.now()
        self._host.release(self, now)
        self._host.forget(self)
        if self._question is not None:
            self._question.cancel()
        self._host.wake(self, None)
        self._expect(None, now)
        self._sent_on = None
        if self._used:
            self._use(None)
        self._maintain(None)

    async def run(self, inquiry: Coroutine[None, None, Answer]) -> None:
        """Wait for the answer to the machine's question, and feed it in."""
        try:
            answer = await inquiry
        except Exception:
            # Left to the task group it would end every account of the core.
            self._question = None
            self._crashed()
            return
        self._question = None
        self.enter(lambda machine, now: machine.take(answer, now))

    def _crashed(self) -> None:
        """Give the account up, visibly, after an error that is ours (called from an ``except`` block)."""
        logger.exception("%s: unexpected error, the account is given up", self.identity)
        self._perform(self.machine.crash(), self._host.now())

    def _perform(self, effects: list[Effect], now: float) -> None:
        """Carry out what the machine wants; what it wants because of that comes after what it wanted before."""
        for effect in effects:
            match effect:
                case Send():
                    effects += self._send(effect, now)
                case Changed() | Concluded():
                    self._account.report(self.machine, effect, now)
                case Connect():
                    effects += self._connect(effect, now)
                case Ask():
                    effects += self._ask(effect, now)
                case Locate():
                    effects += self._locate(effect, now)
                case _:
                    self._do(effect)
        self._follow(now)

    def _do(self, effect: Keep | TargetFailed | CloseFlow) -> None:
        """Carry out what comes seldom, and causes nothing at once."""
        match effect:
            case Keep():
                self._inquire(self._keep(effect))
            case TargetFailed():
                self._host.target_failed(self, effect, self._sent_on)
            case _:
                self._host.close_flow(effect)

    def _follow(self, now: float) -> None:
        """Tell what the machine waits for and holds by now."""
        machine, host = self.machine, self._host
        branch, flow, upkeep = machine.branch, machine.flow, machine.upkeep
        if branch != self._branch:
            self._expect(branch, now)
        if self._queued is not None and self._queued.token != machine.question:
            self._queued = None  # The attempt ended, or went on elsewhere: its turn is for another one.
        if branch is None and self._queued is None and self._question is None:
            host.release(self, now)
            self._insists = False
            self._sent_on = None
        if self._used or self._sent_on is not None or (flow is not None and flow.serial):
            self._use(flow)
        if upkeep is not self._upkeep:
            self._maintain(upkeep)
        host.wake(self, machine.deadline)

    def _expect(self, branch: str | None, now: float) -> None:
        if self._branch is not None:
            self._host.done(self._branch, now)
        self._branch = branch

    def _use(self, bound: Flow | None) -> None:
        """Tell which connections are needed, in case that they get lost, or idle (TRA-11, TRA-13)."""
        flows = frozenset([flow for flow in (bound, self._sent_on) if flow is not None and flow.serial])
        for flow in self._used - flows:
            self._host.leave(self, flow)
        for flow in flows - self._used:
            self._host.use(self, flow)
        self._used = flows

    def _maintain(self, upkeep: Upkeep | None) -> None:
        """Tell how the flow of the binding is to be kept alive."""
        if upkeep != self._upkeep:
            self._host.maintain(self, upkeep)
        self._upkeep = upkeep

    def _send(self, send: Send, now: float) -> list[Effect]:
        # A datagram leaves by the socket of all, which nobody can lose.
        self._sent_on = send.flow if send.flow.serial else None
        try:
            self._host.send(self, send)
        except OSError as error:
            return self.machine.failed(str(error), now, _row(error))
        return []

    def _locate(self, locate: Locate, now: float) -> list[Effect]:
        try:
            targets = self._host.located(locate.uri)
        except (ResolutionFailed, NoTransport) as error:
            return self.machine.take(_not_located(locate, error), now)
        if targets is None:
            self._inquire(self._resolve(locate))
            return []
        return self.machine.take(Located(locate.token, targets), now)

    def _connect(self, connect: Connect, now: float, *, admitted: bool = False) -> list[Effect]:
        """Begin toward a target, unless other attempts have shown that it is no use, or once it is our turn."""
        machine, host, target = self.machine, self._host, connect.target
        refusal = host.refusal(self, target, now, insist=self._insists)
        if refusal is not None:
            return machine.take(NotConnected(connect.token, refusal.cause, refusal.row, refusal.until), now)
        if not admitted and not host.admit(self, target, now):
            self._queued = connect
            return []
        flow, tls = connect.flow, self._account.tls(machine.session.params, connect)
        # A flow is of no use any more to who trusts others by now, or shows another certificate (TLS-7).
        renewed = flow is not None and tls != self._tls
        self._tls = tls
        try:
            if flow is None or renewed:
                flow = host.flow(target, tls)
        except OSError as error:
            return machine.take(NotConnected(connect.token, str(error), _row(error)), now)
        if flow is None:
            self._inquire(self._open(connect, tls))
            return []
        return machine.take(Connected(connect.token, flow), now)

    def _ask(self, ask: Ask, now: float) -> list[Effect]:
        params = self.machine.session.params
        info = self._account.known(params, ask)
        inquiry = self._account.inquiry(params, ask) if info is None else None
        if inquiry is not None:
            self._inquire(inquiry)
            return []
        return self.machine.take(Answered(ask.token, info), now)

    def _inquire(self, inquiry: Coroutine[None, None, Answer]) -> None:
        if self._question is not None:
            self._question.cancel()
        task = self._host.spawn(self.run(inquiry))
        # Cancelled before its first turn it never awaits what it was made for, and Python would complain of that.
        task.add_done_callback(lambda _: inquiry.close())
        # An eager task (Python 3.12) may have ended within the call.
        self._question = None if task.done() else task

    async def _keep(self, keep: Keep) -> Answer:
        await self._host.keep(self.session)
        return Kept(keep.token)

    async def _resolve(self, locate: Locate) -> Answer:
        try:
            return Located(locate.token, await self._host.locate(locate.uri))
        except (ResolutionFailed, NoTransport) as error:
            return _not_located(locate, error)

    async def _open(self, connect: Connect, tls: TlsParams) -> Answer:
        try:
            return Connected(connect.token, await self._host.open(connect.target, tls))
        except OSError as error:
            return NotConnected(connect.token, str(error), _row(error))


def _row(error: OSError) -> str:
    """The row of section 8 that decides what an error means."""
    return error.row if isinstance(error, TransportFailure) else "RSP-REF"


def _not_located(locate: Locate, error: ResolutionFailed | NoTransport) -> NotLocated:
    if isinstance(error, NoTransport):
        return NotLocated(locate.token, str(error), absent=True, hopeless=True)
    return NotLocated(locate.token, str(error), error.absent)
