"""Drives a `Registration` with plain numbers: no event loop, no socket, no clock but `Driver.now`.

It does what the actor and the hub do. Questions are answered by themselves with what the driver was told (targets, a
flow, credentials), except those named in `Driver.by_hand`, which wait in `Driver.question`. After each input it checks
what must always hold; `Driver.moves` collects the rows of the state table that were taken.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.edits import plan
from aiosipreg.engine.effects import (
    Answered,
    Ask,
    Changed,
    CloseFlow,
    Concluded,
    Connect,
    Connected,
    Flow,
    Keep,
    Kept,
    Locate,
    Located,
    NotAnswered,
    NotConnected,
    NotLocated,
    Send,
    TargetFailed,
)
from aiosipreg.engine.keepalive import KeepAlive
from aiosipreg.engine.memory import Memory, recall, remember
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.engine.regevent import ContactEvent, Notice
from aiosipreg.engine.registration import Registration
from aiosipreg.engine.setup import Setup
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.engine.timers import RetryPolicy, SipTimers
from aiosipreg.params import ProxyParams
from aiosipreg.states import RegistrationState
from aiosipreg.wire import Request, Response, SipUri, parse_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiosipreg.engine.effects import Answer, Effect
    from aiosipreg.engine.lease import Lease
    from aiosipreg.engine.session import Session

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState

IDENTITY = "sip:alice@example.org"
LOCAL = "198.51.100.7"
TIMERS = SipTimers()
START = 1000.0
NONCES = Random(7)


def target(
    number: int = 1, *, port: int = 5060, name: str = "example.org", transport: Transport = Transport.UDP
) -> Target:
    """One of the registrar's addresses."""
    return Target(f"192.0.2.{number}", port, transport, name)


def flow(
    to: Target | None = None, *, host: str = LOCAL, port: int = 5060, serial: int = 0, names: tuple[str, ...] = ()
) -> Flow:
    """The way to a target."""
    return Flow(to or target(), host, port, serial, names=names)


def params(**changes: Any) -> ProxyParams:
    """The settings of alice."""
    return ProxyParams(IDENTITY).replace(**changes)


def response_to(
    request: Request,
    status: int,
    *headers: str,
    seen: tuple[str, int] | None = None,
    reason: str = "Because",
    contacts: bool = True,
) -> Response:
    """An answer as a registrar would write it.

    Args:
        request: What it answers.
        status: Its status code.
        headers: Further header rows.
        seen: Host and port that the registrar saw the request come from; as sent when absent.
        reason: Its reason phrase.
        contacts: Whether a 2xx lists the contacts of the request unless ``headers`` have a Contact.
    """
    via = request.headers.get_all("Via")[0]
    if seen is not None:
        via = via.replace(";rport;", f";rport={seen[1]};received={seen[0]};")
    rows = [f"Via: {via}", f"From: {request.headers.get('From')}", f"To: {request.headers.get('To')};tag=server"]
    rows += [f"Call-ID: {request.call_id}", f"CSeq: {request.headers.get('CSeq')}", *headers, "Content-Length: 0"]
    if 200 <= status < 300 and contacts and not any(row.startswith("Contact:") for row in headers):
        kept = [row for row in request.headers.get_all("Contact") if row != "*" and "expires=0" not in row]
        rows += [f"Contact: {row}" for row in kept]
    return parse_response("\r\n".join([f"SIP/2.0 {status} {reason}", *rows, "", ""]))


def parse_response(text: str) -> Response:
    """An answer from its text."""
    response = parse_message(text.encode("utf-8", "surrogateescape"))
    assert isinstance(response, Response)
    return response


def challenge(realm: str = "example.org", nonce: str | None = None, *more: str, proxy: bool = False) -> str:
    """A challenge row, with a new nonce unless one is given."""
    name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
    fresh = nonce if nonce is not None else f"{NONCES.getrandbits(64):016x}"
    return f"{name}: " + ", ".join([f'Digest realm="{realm}"', f'nonce="{fresh}"', 'qop="auth"', *more])


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as it went out."""

    at: float
    request: Request
    flow: Flow
    branch: str
    again: bool

    @property
    def contacts(self) -> list[str]:
        """The rows of Contact."""
        return list(self.request.headers.get_all("Contact"))

    @property
    def lifetime(self) -> int:
        """The wished lifetime: of the first Contact, else of the header."""
        contacts = self.request.contacts
        value = contacts[0].expires if contacts else None
        chosen = value if value is not None else self.request.expires
        assert chosen is not None
        return chosen

    @property
    def authorized(self) -> bool:
        """Whether it has credentials."""
        return "Authorization" in self.request.headers or "Proxy-Authorization" in self.request.headers


class Driver:
    """One machine and its surroundings.

    Attributes:
        now: The time.
        targets: What every name resolves to.
        info: The answer to every question for credentials.
        local: Local address of every flow.
        serial: Which connection to a target there is.
        by_hand: Kinds of questions that are not answered by themselves.
        question: The open question of these kinds.
        sent: Every request, copies included.
        events: Every change that was reported.
        moves: Names of the rows of the state table that were taken, in order.
        questions: How often each kind of question was put.
        failures: Targets that were told to have failed, with the row that says how and the Retry-After.
        dropped: Answers that the hub would not have let through, with the reason.
    """

    def __init__(
        self,
        settings: ProxyParams | None = None,
        *,
        seed: int = 1,
        retry: RetryPolicy | None = None,
        timers: SipTimers = TIMERS,
        targets: Sequence[Target] = (),
        policy: DigestPolicy | None = None,
        keepalive: KeepAlive | None = None,
        reg_id: int = 1,
        at_once: Callable[[Flow], bool] = lambda _: False,
        way: Callable[[SipUri], Flow | None] = lambda _: None,
    ) -> None:
        self.now = START
        self.settings = settings or params()
        self.targets: list[Target] = list(targets) or [target()]
        self.info: AuthInfo | None = AuthInfo("alice", password="secret")
        self.local = LOCAL
        self.serial = 0
        self.proves: tuple[str, ...] = ()
        self.by_hand: set[type[Effect]] = set()
        self.question: Locate | Connect | Ask | Keep | None = None
        self.sent: list[Sent] = []
        self.events: list[Changed] = []
        self.questions: Counter[type[Effect]] = Counter()
        self.asked: list[Locate | Connect | Ask | Keep] = []
        self.failures: list[tuple[Target, str, float | None]] = []
        self.dropped: list[str] = []
        self.closed: list[Flow] = []
        setup = Setup(
            random=Random(seed),
            timers=timers,
            retry=retry or RetryPolicy(),
            digest=policy or DigestPolicy(),
            keepalive=keepalive or KeepAlive(),
            user_agent="test",
            at_once=at_once,
            way=way,
        )
        self.machine = Registration(self.settings, setup, reg_id)
        self.moves: list[str] = []
        self._state = NONE
        self._cseq: dict[str, int] = {}

    # What is seen.

    @property
    def state(self) -> RegistrationState:
        return self.machine.state

    @property
    def lease(self) -> Lease:
        return self.machine.lease

    @property
    def session(self) -> Session:
        return self.machine.session

    @property
    def requests(self) -> list[Sent]:
        """What was sent, without copies."""
        return [sent for sent in self.sent if not sent.again]

    @property
    def last(self) -> Sent:
        return self.requests[-1]

    @property
    def event(self) -> Changed:
        return self.events[-1]

    @property
    def states(self) -> list[RegistrationState]:
        """The states that were reported, in order."""
        return [event.state for event in self.events]

    @property
    def wait(self) -> float | None:
        """Seconds until the next attempt by itself."""
        return None if self.lease.retry_at is None else self.lease.retry_at - self.now

    def waits(self, low: float, high: float) -> bool:
        """Whether the next attempt comes after so many seconds."""
        return self.wait is not None and low - 1e-6 <= self.wait <= high + 1e-6

    # Inputs.

    def enter(self, make: Callable[[Registration, float], list[Effect]]) -> list[Effect]:
        """Give the machine an input, and perform what it causes."""
        effects = make(self.machine, self.now)
        todo = deque(effects)
        while todo:
            todo.extend(self._perform(todo.popleft()))
        self._check()
        return effects

    def register(self) -> None:
        self.enter(lambda machine, now: machine.register(now))

    def refresh(self) -> None:
        self.enter(lambda machine, now: machine.refresh(now))

    def unregister(self, **more: Any) -> None:
        self.enter(lambda machine, now: machine.unregister(now, **more))

    def edit(self, **changes: Any) -> None:
        """Commit changed settings, as a draft does."""
        old, self.settings = self.settings, self.settings.replace(**changes)
        edit = plan(old, self.settings)
        self.enter(lambda machine, now: machine.edit(self.settings, edit, now))

    def credentials_changed(self, *, certificate: bool = False) -> None:
        self.enter(lambda machine, now: machine.credentials_changed(now, certificate=certificate))

    def network(self, *, up: bool) -> None:
        self.enter(lambda machine, now: machine.network(now, reachable=up))

    def network_changed(self) -> None:
        self.enter(lambda machine, now: machine.network_changed(now))

    def wake(self) -> None:
        self.enter(lambda machine, now: machine.wake(now))

    def pause(self) -> None:
        self.enter(lambda machine, _now: machine.pause())

    def resume(self) -> None:
        self.enter(lambda machine, now: machine.resume(now))

    def notified(self, event: ContactEvent, *, trusted: bool = True, **more: float) -> None:
        """The registrar tells of our Contact."""
        self.enter(lambda machine, now: machine.notified(Notice(event, trusted, **more), now))

    def recovered(self) -> None:
        """A target that had been silent answered somebody."""
        self.enter(lambda machine, now: machine.recovered(now))

    def close(self) -> None:
        self.enter(lambda machine, _now: machine.close())

    def crash(self) -> None:
        self.enter(lambda machine, _now: machine.crash())

    def tick(self, at: float | None = None) -> None:
        """Let time pass until ``at``, without regard to deadlines in between."""
        self.now = self.now if at is None else at
        self.enter(lambda machine, now: machine.tick(now))

    def lost(self, cause: str = "Connection refused", row: str = "RSP-REF") -> None:
        """The transport lost the request."""
        self.enter(lambda machine, now: machine.failed(cause, now, row))

    def flow_lost(self, lost: Flow | None = None, cause: str = "closed by the server") -> None:
        """A connection is gone, the one used last unless another is named."""
        self.enter(lambda machine, now: machine.flow_lost(lost or self.last.flow, cause, now))

    def answer(self, answer: Answer) -> None:
        """Answer a question, also one that is not open any more."""
        if self.question is not None and self.question.token == answer.token:
            self.question = None
        self.enter(lambda machine, now: machine.take(answer, now))

    # Answers to what is open.

    def locate(self, *targets: Target) -> None:
        assert isinstance(self.question, Locate)
        self.answer(Located(self.question.token, targets))

    def not_located(self, cause: str = "no such name", *, absent: bool = True) -> None:
        assert isinstance(self.question, Locate)
        self.answer(NotLocated(self.question.token, cause, absent))

    def connect(self) -> None:
        assert isinstance(self.question, Connect)
        self.answer(Connected(self.question.token, flow(self.question.target, host=self.local, serial=self.serial)))

    def not_connected(
        self, cause: str = "Network is unreachable", row: str = "RSP-REF", *, until: float | None = None
    ) -> None:
        assert isinstance(self.question, Connect)
        self.answer(NotConnected(self.question.token, cause, row, until))

    def supply(self, info: AuthInfo | None) -> None:
        assert isinstance(self.question, Ask)
        self.answer(Answered(self.question.token, info))

    def not_supplied(self, cause: str = "the vault is closed") -> None:
        assert isinstance(self.question, Ask)
        self.answer(NotAnswered(self.question.token, cause))

    def keep(self, *, written: bool = True) -> None:
        assert isinstance(self.question, Keep)
        if written:
            self.session.kept = remember(self.machine)
        self.answer(Kept(self.question.token))

    def recall(self, memory: Memory | None = None) -> None:
        """Have a store from now on, with what it has of the account."""
        recall(self.machine, memory or Memory(), self.now)
        self._cseq[self.session.series.call_id] = self.session.series.cseq

    # What the registrar does.

    def final(self, status: int, *headers: str, **more: Any) -> None:
        """Answer the newest request."""
        self.deliver(response_to(self.last.request, status, *headers, **more))

    def challenged(self, *more: str, realm: str = "example.org", nonce: str | None = None) -> None:
        """Answer the newest request with 401."""
        self.final(401, challenge(realm, nonce, *more))

    def ok(self, *headers: str, **more: Any) -> None:
        """Answer the newest request with 200, granting what was asked for."""
        self.final(200, *headers, **more)

    def deliver(self, response: Response) -> None:
        """Hand an answer in, as the hub does: by its branch, after a look at what it is an answer to."""
        via = response.via
        if via is None or via.branch != self.machine.branch:
            self.dropped.append("branch")
            return
        mismatch = self.session.mismatch(response)
        if mismatch is not None:
            self.dropped.append(mismatch)
            return
        self.enter(lambda machine, _now: machine.received(response, self.now))
        self.session.settle(response)

    # Time.

    def step(self) -> float:
        """Go to the machine's next deadline; the new time."""
        deadline = self.machine.deadline
        assert deadline is not None
        self.tick(max(deadline, self.now))
        after = self.machine.deadline
        assert after is None or after > self.now, "a deadline that is not passed by its tick would spin"
        return self.now

    def run(self, until: float, react: Callable[[Driver], None] = lambda driver: None) -> None:
        """Let time pass deadline by deadline; ``react`` plays the rest of the world at each."""
        react(self)
        while (deadline := self.machine.deadline) is not None and deadline <= until:
            self.step()
            react(self)
        self.now = until

    # How it is done.

    def _perform(self, effect: Effect) -> list[Effect]:
        match effect:
            case Send():
                self._note(effect)
            case Changed():
                assert effect.old is self._state, "a silent change"
                self._state = effect.state
                self.events.append(effect)
                self.moves.append(effect.transition.id)
            case TargetFailed():
                assert effect.at == self.now
                self.failures.append((effect.target, effect.row.id, effect.retry_after))
            case CloseFlow():
                self.closed.append(effect.flow)
            case Concluded():
                raise AssertionError("only queries conclude")
            case Locate() | Connect() | Ask() | Keep():
                return self._put(effect)
        return []

    def _put(self, question: Locate | Connect | Ask | Keep) -> list[Effect]:
        self.questions[type(question)] += 1
        self.asked.append(question)
        self.question = None
        if type(question) in self.by_hand:
            self.question = question
            return []
        match question:
            case Locate(token=token):
                return self.machine.take(Located(token, tuple(self.targets)), self.now)
            case Connect(token=token, target=to, flow=named):
                there = named or flow(to, host=self.local, serial=self.serial, names=self.proves)
                return self.machine.take(Connected(token, there), self.now)
            case Ask(token=token):
                return self.machine.take(Answered(token, self.info), self.now)
            case Keep(token=token):
                self.session.kept = remember(self.machine)
                return self.machine.take(Kept(token), self.now)

    def _note(self, send: Send) -> None:
        request = parse_message(send.data)
        assert isinstance(request, Request)
        assert request.via is not None
        assert request.via.branch == send.branch
        self.sent.append(Sent(self.now, request, send.flow, send.branch, send.again))
        cseq = request.cseq
        assert cseq is not None
        assert request.call_id is not None
        before = self._cseq.get(request.call_id, 0)
        # REG-5: by exactly one for every new request, the same for a copy.
        assert cseq.number == before + (not send.again)
        self._cseq[request.call_id] = cseq.number

    def _check(self) -> None:
        """What section 9.2 promises of each state."""
        lease, deadline = self.lease, self.machine.deadline
        cycle = self.machine._cycle
        assert lease.state is self._state, "a silent change"
        if self.state in (NONE, CLEARED):
            assert (cycle, lease.binding, deadline) == (None, None, None)
        elif self.state is PROGRESS:
            assert cycle is not None
        elif self.state is OK:
            assert cycle is None
            assert lease.binding is not None
            assert lease.refresh_at is not None
            assert deadline is not None
        elif self.state is REFRESHING:
            assert lease.binding is not None
            assert deadline is not None
        else:
            assert (cycle, lease.binding) == (None, None)
