"""Where the accounts of a core meet the network (floor 4): sockets, DNS, one timetable, one transaction table."""

from __future__ import annotations

import asyncio
import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from aiosipreg.engine.marks import Marks
from aiosipreg.engine.replies import Then, decide
from aiosipreg.engine.targets import ResolutionFailed, Transport, without_descent
from aiosipreg.engine.transaction import TransactionTable
from aiosipreg.engine.uas import IncomingRequest, UserAgentServer
from aiosipreg.keepalives import KeepAlives
from aiosipreg.lanes import Lanes
from aiosipreg.net.resolver import Resolver
from aiosipreg.net.stream import StreamTransport
from aiosipreg.net.udp import UdpTransport
from aiosipreg.ports import NoTransport
from aiosipreg.timetable import Timetable
from aiosipreg.wire import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from random import Random
    from typing import TypeAlias

    from aiosipreg.engine.agreement import Upkeep
    from aiosipreg.engine.effects import CloseFlow, Flow, Send, TargetFailed
    from aiosipreg.engine.keepalive import KeepAlive
    from aiosipreg.engine.marks import Refusal
    from aiosipreg.engine.pacing import Pacing
    from aiosipreg.engine.session import Session
    from aiosipreg.engine.targets import Located, Target
    from aiosipreg.engine.timers import RetryPolicy, SipTimers
    from aiosipreg.net.handler import MessageHandler
    from aiosipreg.net.stats import Stats
    from aiosipreg.ports import Carrier, Expectant
    from aiosipreg.settings import DnsParams, TlsParams, TransportParams
    from aiosipreg.wire import Request, SipUri

    RequestHandler: TypeAlias = Callable[[IncomingRequest], Awaitable[Response | None]]
    Reply: TypeAlias = Callable[[bytes, tuple[str, int]], None]

__all__ = ["Hub"]

# Where no pace is set, attempts begin at once while no more than this wait for an answer or a connection. Beyond that
# they take turns, 200 toward each target: together the answers have room in the receive buffer that any Linux gives.
_UNCOUNTED: Final = 128

logger = logging.getLogger("aiosipreg.core")

# What a sips URI means by its transport parameter (RFC 5630 3.1.4, RFC 7118 5.2).
_SECURED = {"": "TLS", "TCP": "TLS", "WS": "WSS"}

# The field of `TransportParams`: who wants nothing in clear text gets no WebSocket in clear text either.
_SWITCHES = {
    Transport.UDP: "udp", Transport.TCP: "tcp", Transport.TLS: "tls", Transport.WS: "tcp", Transport.WSS: "tls"
}  # fmt: skip


class Hub:
    """What runners need of the world outside their account, and the way of messages to them.

    Args:
        group: Runs the tasks.
        stats: Counters to keep.
        transports: Local sockets.
        dns: How names are resolved.
        timers: SIP timers.
        retry: When a dead server is probed.
        random: Secure randomness.
        is_ours: Whether a user part belongs to an account.
        accounts: How many accounts there are.
        on_request: The application's handler of requests from the network.
        pacing: The pace toward each target, ``None`` for that at which answers come.
        keepalive: How flows are kept alive.
        keep: Writes down what must outlive the process.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        *,
        stats: Stats,
        transports: TransportParams,
        dns: DnsParams,
        timers: SipTimers,
        retry: RetryPolicy,
        random: Random,
        is_ours: Callable[[str], bool],
        accounts: Callable[[], int],
        on_request: RequestHandler | None,
        pacing: Pacing | None,
        keepalive: KeepAlive,
        keep: Callable[[Session], Awaitable[None]],
    ) -> None:
        self.stats = stats
        loop = asyncio.get_running_loop()
        # The loop's time, as all ask for it.
        self.now: Callable[[], float] = loop.time
        self._group = group
        self._carriers = _carriers(transports, timers, self, stats)
        self._usual = tuple(each for each in self._carriers if not each.websocket)
        self._usual_names = [each.value for each in self._usual]
        self._resolver = Resolver(dns, random=random, stats=self.stats)
        self._timetable = Timetable(loop)
        # Who is to be called at which time instead of any earlier wish.
        self.wake: Callable[[Expectant, float | None], None] = self._timetable.set
        self._keepalives = KeepAlives(keepalive, self._carriers, self._timetable, random)
        self._pacing = pacing
        self._asking = 0
        self._keep = keep
        self._random = random
        self._lanes = Lanes(pacing, self._timetable, random)
        # Whose attempt waits for no answer any more.
        self.release: Callable[[Expectant, float], None] = self._lanes.release
        self._marks: Marks[Expectant] = Marks(retry, timers, random)
        self._table: TransactionTable[tuple[Expectant, Flow]] = TransactionTable(timers)
        # Which branch needs no answer any more.
        self.done: Callable[[str, float], None] = self._table.close
        self._users: dict[int, set[tuple[Expectant, Flow]]] = {}
        self._uas = UserAgentServer(timers, is_ours, accounts, random)
        self._on_request = on_request
        self._patience = timers.timer_f
        self._consulting: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Close the sockets and the resolver, and end what the application was asked; idempotent."""
        self._timetable.close()
        for task in self._consulting:
            task.cancel()
        carriers = dict.fromkeys(self._carriers.values())
        await asyncio.gather(self._resolver.close(), *(carrier.close() for carrier in carriers))

    # For the runners.

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run a coroutine as a task of the core."""
        task = self._group.create_task(work)
        self._asking += 1
        task.add_done_callback(self._asked)
        return task

    def _asked(self, _task: asyncio.Task[None]) -> None:
        self._asking -= 1

    def network_changed(self) -> None:
        """Forget what belongs to the network as it was (REG-35): addresses, routes, connections."""
        self._marks.network_changed(self.now())
        self._resolver.forget()
        for carrier in dict.fromkeys(self._carriers.values()):
            carrier.forget()

    def located(self, uri: SipUri) -> Sequence[Target] | None:
        """What `locate` would find, ``None`` if that takes waiting; raises the same."""
        located = self._resolver.at_hand(uri, self._transports_for(uri))
        return None if located is None else self._ordered(located)

    async def locate(self, uri: SipUri) -> Sequence[Target]:
        """Resolve a URI; raises `ResolutionFailed`, and `NoTransport` when none of ours leads there."""
        return self._ordered(await self._resolver.locate(uri, self._transports_for(uri)))

    def _transports_for(self, uri: SipUri) -> tuple[Transport, ...]:
        wanted = (uri.params.get("transport") or "").upper()
        if uri.secure:
            wanted = _SECURED.get(wanted, wanted)
        if not wanted or wanted in self._usual_names:
            return self._usual
        # It has to be asked for: no phone tries WebSocket just because DNS offers it.
        chosen = tuple(each for each in self._carriers if each.value == wanted)
        if not chosen:
            raise NoTransport(f"{uri} wants {wanted}, and there is only {', '.join(self._usual_names)}")
        if find_spec("websockets") is None:
            raise NoTransport(f"{uri} wants {wanted}: install aiosipreg with the extra `ws`, which brings `websockets`")
        return self._usual + chosen

    def _ordered(self, located: Located) -> Sequence[Target]:
        if len(located.targets) == 1:
            return located.targets
        # Before and after: what stands in front because a target failed must not open a way down either.
        return without_descent(self._marks.order(without_descent(located.targets), self.now()))

    def refusal(self, runner: Expectant, target: Target, now: float, *, insist: bool) -> Refusal | None:
        """Why nothing is to be sent to a target now, as far as attempts of any account have shown (DNS-17, OVL-7)."""
        return self._marks.refusal(target, runner, now, insist=insist) if self._marks.held else None

    def target_failed(self, runner: Expectant, failure: TargetFailed, flow: Flow | None) -> None:
        """An attempt of the runner at a target came to nothing; its last request went out on that flow."""
        self._marks.failed(failure, runner, runner.identity)
        if failure.row.id == "RSP-F0" and flow is not None and flow.target == failure.target:
            # It may be the connection alone that leads nowhere: the next attempt must not go by the same one.
            self._carriers[flow.target.transport].doubt(flow.serial, failure.at - self._patience)

    def close_flow(self, wish: CloseFlow) -> None:
        """Close a flow for all who use it: they register on another one, spread out (F-16)."""
        self._carriers[wish.flow.target.transport].hang_up(wish.flow.serial, wish.cause)

    def forget(self, runner: Expectant) -> None:
        """The runner makes no more attempts."""
        self._marks.forget(runner)

    def admit(self, runner: Expectant, target: Target, now: float) -> bool:
        """Whether an attempt may begin toward a target now; if not, ``runner.admitted()`` is called later (OVL-8)."""
        if self._is_quiet:
            self.release(runner, now)
            return True
        return self._lanes.admit(runner, target, now)

    def at_once(self, flow: Flow) -> bool:
        """Whether `refusal`, `admit` and `flow` would let anybody's request go out on this flow now."""
        if self._marks.held or not self._is_quiet:
            return False
        return self._carriers[flow.target.transport].way(flow.target) == flow

    def way(self, uri: SipUri) -> Flow | None:
        """The flow that `located`, `refusal`, `admit` and `flow` would lead anybody's request for this URI to now.

        ``None`` if one of them has something to say; and where there is a choice of targets, since accounts differ in
        what they avoid, or a connection, since they differ in whom they trust.
        """
        if self._marks.held or not self._is_quiet:
            return None
        try:
            located = self._resolver.at_hand(uri, self._transports_for(uri))
        except (ResolutionFailed, NoTransport):
            return None
        if located is None or len(located.targets) != 1:
            return None
        carrier = self._carriers.get(located.targets[0].transport)
        return None if carrier is None else carrier.way(located.targets[0])

    @property
    def _is_quiet(self) -> bool:
        """Whether nobody waits for a turn."""
        return self._pacing is None and len(self._table) + self._asking < _UNCOUNTED

    async def keep(self, session: Session) -> None:
        """Have what must outlive the process written down; never raises."""
        await self._keep(session)

    def flow(self, target: Target, tls: TlsParams) -> Flow | None:
        """The flow to a target if it takes no waiting; raises `OSError`."""
        return self._carrier(target).flow(target, tls)

    async def open(self, target: Target, tls: TlsParams) -> Flow:
        """The flow to a target; raises `OSError`."""
        return await self._carrier(target).open(target, tls)

    def send(self, runner: Expectant, send: Send) -> None:
        """Send a request whose answers go to the runner; raises `OSError`."""
        self._carriers[send.flow.target.transport].send(send.flow, send.data)
        # Not before: what the system refused waits for no answer, and nobody would ever take it out of the table.
        self._table.open(send.branch, (runner, send.flow))
        self.stats.sent += 1
        self.stats.retransmitted += send.again

    def use(self, runner: Expectant, flow: Flow) -> None:
        """Keep the connection, and call ``runner.flow_lost()`` when it is gone all the same."""
        users = self._users.setdefault(flow.serial, set())
        if not users:
            self._carriers[flow.target.transport].use(flow.serial, in_use=True)
        users.add((runner, flow))

    def leave(self, runner: Expectant, flow: Flow) -> None:
        """The runner does not use the connection any more."""
        users = self._users.get(flow.serial, set())
        users.discard((runner, flow))
        if not users and self._users.pop(flow.serial, None) is not None:
            self._carriers[flow.target.transport].use(flow.serial, in_use=False)

    def maintain(self, runner: Expectant, upkeep: Upkeep | None) -> None:
        """Keep the flow of its binding alive, and tell it when the flow is found dead; ``None`` for none any more."""
        self._keepalives.maintain(runner, upkeep)

    def _carrier(self, target: Target) -> Carrier:
        """What leads to a target: not all are switched on, and a large request asks for TCP (TRA-2)."""
        carrier = self._carriers.get(target.transport)
        if carrier is None:
            raise OSError(f"{target.transport.value} is switched off")
        return carrier

    # From the sockets.

    def response_received(self, response: Response, source: tuple[str, int], serial: int) -> None:
        """Hand an answer to the runner that waits for it, or count why not (TXN-9, TXN-10, MSG-22, SEC-15, SEC-16)."""
        stats = self.stats
        via, cseq = response.via, response.cseq
        branch = via.branch if via is not None else None
        if via is None or cseq is None or branch is None:
            stats.dropped["malformed"] += 1
            return
        owner = self._table.match(branch, cseq.method)
        if owner is None:
            stats.dropped["repeated" if self._table.is_repeat(branch) else "unmatched"] += 1
            return
        runner, flow = owner
        if source[0] != flow.target.host or serial != flow.serial:
            # SEC-15, SEC-16: it counts only from the address and on the connection that the request went to,
            stats.dropped["foreign source"] += 1
            return
        if (via.host, via.port) != (flow.host, flow.port):
            # and only with the address that we wrote (TRA-9).
            stats.dropped["foreign sent-by"] += 1
            return
        session = runner.session
        mismatch = session.mismatch(response)
        if mismatch is not None:
            stats.dropped[f"mismatch: {mismatch}"] += 1
            return
        stats.received += 1
        runner.received(response)
        if self._marks.held and decide(response.status).then is not Then.NEXT_TARGET:
            for waiting in self._marks.answered(flow.target, self.now()):
                waiting.recovered()
        session.settle(response)

    def request_lost(self, branch: str, cause: str) -> None:
        """Tell who sent the request that it did not arrive (TXN-8, TRA-12)."""
        owner = self._table.match(branch, "REGISTER")
        if owner is not None:
            owner[0].failed(cause)

    def connection_lost(self, serial: int, cause: str) -> None:
        """Tell everybody who uses a connection that it is gone (TRA-13)."""
        self._keepalives.connection_lost(serial)
        for runner, flow in self._users.pop(serial, ()):
            runner.flow_lost(flow, cause)

    def pong_received(self, serial: int) -> None:
        """A CRLF came in on a connection."""
        self._keepalives.pong_received(serial)

    def stun_received(self, data: bytes, source: tuple[str, int]) -> bool:
        """A STUN message came in; return whether anybody waited for it."""
        return self._keepalives.stun_received(data, source)

    def request_received(self, request: Request, source: tuple[str, int], serial: int, reply: Reply) -> None:
        """Answer a request, or hand it to the application (TRA-17)."""
        taken = self._uas.received(request, source, self.now(), serial)
        if isinstance(taken, str):
            self.stats.dropped[taken] += 1
        elif isinstance(taken, bytes):
            self.stats.requests += 1
            _send(reply, taken, source)
        elif self._on_request is None:
            self._respond(taken, self._uas.default(taken), reply)
        else:
            task = self._group.create_task(self._consult(taken, self._on_request, reply))
            self._consulting.add(task)
            task.add_done_callback(self._consulting.discard)

    async def _consult(self, incoming: IncomingRequest, handler: RequestHandler, reply: Reply) -> None:
        """Ask the application; what it does not answer gets the answer of the table (ROB-8)."""
        response: Response | None = None
        try:
            # After Timer F nobody waits for an answer any more.
            async with asyncio.timeout(self._patience):
                response = await handler(incoming)
        except Exception:
            logger.exception("on_request failed; %s gets the default answer", incoming.request.method)
        self._respond(incoming, response if isinstance(response, Response) else self._uas.default(incoming), reply)

    def _respond(self, incoming: IncomingRequest, response: Response, reply: Reply) -> None:
        data = self._uas.answered(incoming, response, self.now())
        if data is None:
            self.stats.dropped["answer too large"] += 1
            return
        self.stats.requests += 1
        _send(reply, data, incoming.source)


def _carriers(
    params: TransportParams, timers: SipTimers, handler: MessageHandler, stats: Stats
) -> dict[Transport, Carrier]:
    """What is enabled, the preferred first (DNS-8)."""
    streams = StreamTransport(params, timers.timer_f, handler, stats)
    carriers: dict[Transport, Carrier] = {
        Transport.TLS: streams,
        Transport.UDP: UdpTransport(params, handler, stats),
        Transport.TCP: streams,
        Transport.WSS: streams,
        Transport.WS: streams,
    }
    return {name: it for name, it in carriers.items() if getattr(params, _SWITCHES[name]) is not None}


def _send(reply: Reply, data: bytes, source: tuple[str, int]) -> None:
    try:
        reply(data, source)
    except OSError as error:
        logger.debug("an answer to %s was not sent: %s", source, error)
