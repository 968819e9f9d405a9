"""What the actor of a registration, its account and its core need of each other (floor 3): protocols, no code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aiosipreg.timetable import Timed

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Sequence

    from aiosipreg.auth import AuthChallenge, AuthInfo
    from aiosipreg.credentials import Keyring
    from aiosipreg.engine.agreement import Upkeep
    from aiosipreg.engine.effects import (
        Answer,
        Ask,
        Changed,
        CloseFlow,
        Concluded,
        Connect,
        Effect,
        Flow,
        Send,
        TargetFailed,
    )  # fmt: skip
    from aiosipreg.engine.marks import Refusal
    from aiosipreg.engine.registration import Registration
    from aiosipreg.engine.session import Session
    from aiosipreg.engine.targets import Target
    from aiosipreg.params import ProxyParams
    from aiosipreg.settings import TlsParams
    from aiosipreg.users import Users
    from aiosipreg.wire import Response, SipUri

__all__ = [
    "Account",
    "Applicant",
    "Carrier",
    "Expectant",
    "Host",
    "Machine",
    "NoTransport",
    "Owner",
    "Records",
]


M_contra = TypeVar("M_contra", contravariant=True)


class NoTransport(Exception):
    """A URI asks for a transport that the core does not have."""


class Carrier(Protocol):
    """What brings messages to targets, by one or several transports."""

    def flow(self, target: Target, tls: TlsParams, /) -> Flow | None:
        """The flow to a target if it takes no waiting; raises `OSError`."""
        ...

    async def open(self, target: Target, tls: TlsParams, /) -> Flow:
        """The flow to a target; raises `OSError`."""
        ...

    def way(self, target: Target, /) -> Flow | None:
        """The flow to a target if it takes no waiting and is the same for everybody; ``None`` also without a route."""
        ...

    def send(self, flow: Flow, data: bytes) -> None:
        """Send one message; raises `OSError`."""

    def receiving(self, serial: int, /) -> bool:
        """Whether a message is just arriving on a connection."""
        ...

    def fail(self, serial: int, cause: str) -> None:
        """End a connection that is found dead."""

    def hang_up(self, serial: int, cause: str) -> None:
        """End a connection that works, politely; those who use it are told."""

    def doubt(self, serial: int, since: float, /) -> None:
        """Give a connection to nobody any more if nothing came in on it since then, although it should have."""

    def use(self, serial: int, *, in_use: bool) -> None:
        """Whether anybody uses the flows with this serial."""

    def forget(self) -> None:
        """The network has changed: what is known of it, and connections over it, are of no use for new flows."""

    async def close(self) -> None:
        """Close everything; idempotent."""


class Expectant(Timed, Protocol):
    """Who waits for answers and deadlines."""

    @property
    def identity(self) -> str:
        """The account."""
        ...

    @property
    def session(self) -> Session:
        """Call-ID and CSeq, to tell answers to us from others."""
        ...

    def received(self, response: Response) -> None:
        """An answer came."""

    def failed(self, cause: str, row: str = "RSP-REF") -> None:
        """The request did not arrive, or the connection under it was lost: a row of section 8."""

    def flow_lost(self, flow: Flow, cause: str) -> None:
        """A flow that it uses is gone."""

    def proved(self) -> None:
        """The flow that carries its binding answered a keep-alive (OUTB-16)."""

    def admitted(self) -> None:
        """It is this one's turn (OVL-8)."""

    def recovered(self) -> None:
        """A target that this one found silent, or was kept from, answers (OVL-7)."""


class Host(Protocol):
    """What a runner needs of the core."""

    def now(self) -> float:
        """The loop's time."""
        ...

    def wake(self, runner: Expectant, at: float | None, /) -> None:
        """Have ``runner.due()`` called at that time instead of any earlier wish."""

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run a coroutine as a task of the core."""
        ...

    def located(self, uri: SipUri) -> Sequence[Target] | None:
        """What `locate` would find, ``None`` if that takes waiting; raises the same."""
        ...

    async def locate(self, uri: SipUri) -> Sequence[Target]:
        """Resolve a URI; raises `ResolutionFailed`, and `NoTransport` when none of ours leads there."""
        ...

    def refusal(self, runner: Expectant, target: Target, now: float, *, insist: bool) -> Refusal | None:
        """Why nothing is to be sent to a target now, as far as attempts of any account have shown (DNS-17, OVL-7)."""
        ...

    def target_failed(self, runner: Expectant, failure: TargetFailed, flow: Flow | None) -> None:
        """An attempt of the runner at a target came to nothing; its last request went out on that flow."""

    def close_flow(self, wish: CloseFlow) -> None:
        """Close a flow for all who use it."""

    def admit(self, runner: Expectant, target: Target, now: float) -> bool:
        """Whether an attempt may begin toward a target now; if not, ``runner.admitted()`` is called later."""
        ...

    def release(self, runner: Expectant, now: float, /) -> None:
        """The runner's attempt waits for no answer any more."""

    def forget(self, runner: Expectant) -> None:
        """The runner makes no more attempts."""

    async def keep(self, session: Session) -> None:
        """Have what must outlive the process written down; never raises."""

    def flow(self, target: Target, tls: TlsParams) -> Flow | None:
        """The flow to a target if it takes no waiting; raises `OSError`."""
        ...

    async def open(self, target: Target, tls: TlsParams) -> Flow:
        """The flow to a target; raises `OSError`."""
        ...

    def send(self, runner: Expectant, send: Send) -> None:
        """Send a request whose answers go to the runner; raises `OSError`."""

    def done(self, branch: str, now: float, /) -> None:
        """No answer to this request is expected any more."""

    def use(self, runner: Expectant, flow: Flow) -> None:
        """Keep the connection, and call ``runner.flow_lost()`` when it is gone all the same."""

    def leave(self, runner: Expectant, flow: Flow) -> None:
        """The runner does not use the connection any more."""

    def maintain(self, runner: Expectant, upkeep: Upkeep | None) -> None:
        """Keep the flow of its binding alive, and tell it when the flow is found dead; ``None`` for none any more."""


class Account(Protocol[M_contra]):
    """What the runners of an account need of it; ``params`` are the settings in force for the one that asks."""

    def report(self, machine: M_contra, report: Changed | Concluded, now: float, /) -> None:
        """The state of a machine changed, or the query has ended."""

    def tls(self, params: ProxyParams, connect: Connect) -> TlsParams:
        """Whom the account trusts on the way to a target, and how it proves who it is."""
        ...

    def known(self, params: ProxyParams, ask: Ask) -> AuthInfo | None:
        """Credentials that are at hand."""
        ...

    def inquiry(self, params: ProxyParams, ask: Ask) -> Coroutine[None, None, Answer] | None:
        """Ask the auth provider; ``None`` when there is none."""
        ...


class Machine(Protocol):
    """What a runner drives: a `Registration`, or a query."""

    @property
    def session(self) -> Session:
        """Call-ID and CSeq, to tell answers to us from others."""
        ...

    @property
    def deadline(self) -> float | None:
        """When `tick` is wanted next."""
        ...

    @property
    def branch(self) -> str | None:
        """The branch whose answer is awaited."""
        ...

    @property
    def question(self) -> int | None:
        """The token of the question that was put last, ``None`` when no answer is of interest any more."""
        ...

    @property
    def flow(self) -> Flow | None:
        """The flow that carries a binding."""
        ...

    @property
    def upkeep(self) -> Upkeep | None:
        """How that flow is to be kept alive."""
        ...

    def take(self, answer: Answer, now: float) -> list[Effect]:
        """The answer to a question."""
        ...

    def failed(self, cause: str, now: float, row: str = "RSP-REF") -> list[Effect]:
        """The transport lost the request; ``row`` of section 8 says how."""
        ...

    def flow_lost(self, flow: Flow, cause: str, now: float) -> list[Effect]:
        """A connection is gone."""
        ...

    def received(self, response: Response, now: float) -> list[Effect]:
        """An answer to our request."""
        ...

    def tick(self, now: float) -> list[Effect]:
        """Let time pass."""
        ...

    def recovered(self, now: float) -> list[Effect]:
        """A target that had been silent answers."""
        ...

    def proved(self) -> list[Effect]:
        """The flow that carries the binding answered a keep-alive."""
        ...

    def crash(self) -> list[Effect]:
        """An input raised what it must not raise."""
        ...


class Records(Protocol):
    """Where the machines of accounts are kept from one run of the program to the next."""

    def add(self, machine: Registration, /) -> None:
        """Keep a machine, and let it go on where it stood."""

    def drop(self, machine: Registration, /) -> None:
        """Its binding is not wanted any more, nor its record."""


class Applicant(Protocol):
    """What the flows of an account need of it."""

    _core: Owner
    _host: Host

    def _tell(self, changed: Changed) -> None:
        """Report a change to whoever listens."""

    def _challenge(self, params: ProxyParams, ask: Ask) -> AuthChallenge:
        """A question for the auth provider, in words."""
        ...


class Owner(Protocol):
    """What an account needs of its core; what is not public is private to the package."""

    _auth_timeout: float
    _keyring: Keyring
    _tls: TlsParams
    _users: Users

    @property
    def _keeper(self) -> Records:
        """What outlives the process."""
        ...

    def _start_registration(self, params: ProxyParams, reg_id: int = 1) -> Registration:
        """A new machine with the core's timers and policies."""
        ...

    def _publish(self, proxy: Any) -> None:
        """Something happened to an account: tell all whom it concerns beyond the account itself."""
