"""One attempt to register, refresh, remove or fetch, with all the round trips it needs (section 8 of the requirements).

A cycle resolves, connects, sends, answers challenges, repairs what can be repaired and walks the list of targets. It
ends with an `Outcome`; what that means for the account is decided by `engine.registration`.
"""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING

from aiosipreg.engine.authenticator import Question, Verdict
from aiosipreg.engine.contacts import Purpose
from aiosipreg.engine.effects import (
    Answered,
    Ask,
    Connect,
    Connected,
    Keep,
    Kept,
    Locate,
    Located,
    NotConnected,
    NotLocated,
    Send,
    TargetFailed,
)
from aiosipreg.engine.outcome import capped_retry_after
from aiosipreg.engine.redirects import Detour
from aiosipreg.engine.register import mapped_address
from aiosipreg.engine.repairs import repair
from aiosipreg.engine.replies import TROUBLES, Then, decide, warned
from aiosipreg.engine.report import all_realms
from aiosipreg.engine.size import LARGEST_DATAGRAM
from aiosipreg.engine.transaction import TransactionState
from aiosipreg.engine.walk import Walk
from aiosipreg.errors import ParseError
from aiosipreg.states import Reason

if TYPE_CHECKING:
    from aiosipreg.engine.effects import Answer, Effect, Flow
    from aiosipreg.engine.outcome import Outcome
    from aiosipreg.engine.register import Grant
    from aiosipreg.engine.replies import Row
    from aiosipreg.engine.session import Session
    from aiosipreg.engine.targets import Target
    from aiosipreg.engine.transaction import ClientTransaction
    from aiosipreg.wire import NameAddr, Response

__all__ = ["Cycle", "Step"]

_MOST_REQUESTS = 16


class Step(enum.Enum):
    """What a cycle waits for."""

    LOCATING = "locating"
    CONNECTING = "connecting"
    TRYING = "trying"
    ASKING = "asking"
    KEEPING = "keeping"
    OVER = "over"


class Cycle:
    """One attempt.

    Attributes:
        purpose: What it is for.
        step: What it waits for.
        token: Of the question that was put last.
        outcome: Set when it is over.
        grant: What the 2xx said that ended it.
        sent_at: When the newest request was first sent; before there is one, when it began.
        flow: Where its requests go, ``None`` before that is known.
        requests: How many requests it has sent, retransmissions not counted.
        waited: Seconds until the first of them could be sent.
        walk: The targets in turn, and what became of each.
    """

    __slots__ = (
        "_challenge", "_contact", "_detour", "_ends_at", "_last", "_repaired", "_session", "_target", "_transaction",
        "flow", "grant", "outcome", "purpose", "requests", "sent_at", "step", "token", "waited", "walk",
    )  # fmt: skip

    def __init__(self, session: Session, purpose: Purpose, now: float) -> None:
        self.purpose = purpose
        self.step = Step.LOCATING
        self.outcome: Outcome | None = None
        self.grant: Grant | None = None
        self.sent_at = now
        self.requests = 0
        self.waited = 0.0
        self.walk = Walk()
        self._session = session
        # Waiting for one's turn toward a target does not count (OVL-8): set when the first request goes out.
        self._ends_at = math.inf
        self.token = 0
        self.flow = session.flow
        self._target: Target | None = None
        self._transaction: ClientTransaction | None = None
        self._contact: NameAddr | None = None
        self._challenge: Response | None = None
        self._repaired: set[str] = set()
        self._last = False
        self._detour = Detour(session.params, session.hop)
        session.authenticator.begin()

    @property
    def deadline(self) -> float | None:
        """When `tick` is wanted next; ``None`` while others keep the time."""
        if self.step is Step.OVER:
            return None
        if self.step is Step.TRYING and self._transaction is not None:
            return min(self._transaction.deadline, self._ends_at)
        return self._ends_at if self._ends_at < math.inf else None

    @property
    def branch(self) -> str | None:
        """The branch whose answer is awaited."""
        return self._transaction.branch if self.step is Step.TRYING and self._transaction is not None else None

    @property
    def binds(self) -> bool:
        """Whether a registration is out that the registrar may have taken already."""
        return self.purpose is Purpose.REGISTER and self.step is Step.TRYING

    def start(self, now: float) -> list[Effect]:
        """Begin: at the target that took the binding if there is one (REG-20), else by resolving the next hop."""
        self._target = self._session.first_target()
        if self._target is None:
            return self._locate(now)
        self._detour.allows(self._target)
        # A removal does not wait for its turn: shutdown is bounded.
        return self._connect() if self.purpose is Purpose.REGISTER and self._session.asks else self._transmit(now)

    def take(self, answer: Answer, now: float) -> list[Effect]:
        """The answer to the open question; any other comes too late and is ignored."""
        if answer.token != self.token or self.step in (Step.TRYING, Step.OVER):
            return []
        match answer:
            case Connected(flow=flow):
                self.flow, self._target = flow, flow.target
                return self._transmit(now)
            case Answered(info=info):
                return self._authenticate(self._session.authenticator.supply(info), now)
            case Located(targets=targets):
                self.walk.offer(targets, self._session.reluctance, self._detour.allows)
                return self._next_target(now)
            case NotLocated():
                return self._not_located(answer, now)
            case NotConnected():
                return self._not_connected(answer, now)
            case Kept():
                return self._transmit(now, kept=True)
            case _:
                return self._end(TROUBLES["RSP-CB"], cause=answer.cause)

    def _not_connected(self, answer: NotConnected, now: float) -> list[Effect]:
        if self.flow is not None and self.flow.target == self._target and self._target in self.walk.widened:
            return self._transmit(now)  # TRA-3: TCP was there for the size alone.
        return self._leave(TROUBLES[answer.row], answer.cause, now, until=answer.until)

    def failed(self, cause: str, now: float, row: str = "RSP-REF") -> list[Effect]:
        """The transport lost the request (TXN-8, TRA-12), or the connection under it (TRA-13)."""
        if self.step is not Step.TRYING:
            return []
        if row == "RSP-CLOSE" and row not in self._repaired and self.purpose is Purpose.REGISTER and not self._last:
            self._repaired.add(row)
            self.flow = None
            return self._connect()  # What the far end has long forgotten looks open until something is sent on it.
        return self._leave(TROUBLES[row], cause, now)

    def flow_lost(self, flow: Flow | None, cause: str, now: float) -> list[Effect]:
        """A connection is gone: so is the request that waits for its answer on it, and the next needs another one."""
        if self.flow != flow:
            return []
        if self.step is Step.TRYING:
            return self.failed(cause, now, "RSP-CLOSE")
        self.flow = None
        return []

    def received(self, response: Response, now: float) -> list[Effect]:
        """An answer to the request with our `branch`."""
        transaction = self._transaction
        if self.step is not Step.TRYING or transaction is None or not transaction.received(response.status):
            return []
        self._session.answer = response
        row = decide(response.status)
        if row.then is not Then.CHALLENGE:
            self._session.authenticator.passed()
        if row.then is Then.SUCCEED:
            return self._succeed(row, response, now)
        self._session.offered = ()
        return self._refused(row, response, now)

    def _refused(self, row: Row, response: Response, now: float) -> list[Effect]:
        if self._last:
            return self._end(row, response)
        match row.then:
            case Then.CHALLENGE:
                return self._challenged(response, now)
            case Then.REPAIR:
                return self._repair(row, response, now)
            case Then.NEXT_TARGET:
                return self._leave(row, f"{response.status}", now, response)
            case Then.REDIRECT:
                return self._redirected(row, response, now)
            case _:
                return self._fail(warned(row, response, self._detour.registrar), now, response)

    def tick(self, now: float) -> list[Effect]:
        """Let time pass."""
        transaction = self._transaction
        if self.step is Step.TRYING and transaction is not None:
            if transaction.tick(now) and self.flow is not None:
                return [Send(self.flow, transaction.data, transaction.branch, again=True)]
            if transaction.state is TransactionState.TIMED_OUT:
                return self._leave(TROUBLES["RSP-F0"], "no answer", now)
            if transaction.state is TransactionState.TIMED_OUT_PROCEEDING:
                return self._end(TROUBLES["RSP-F1"])
        if self.step is not Step.OVER and now >= self._ends_at:
            return self._end(TROUBLES["RSP-LOC"])
        return []

    def finish(self) -> None:
        """Let the request that is out be the last: whatever becomes of it ends the attempt (F-10, F-32)."""
        self._last = True

    def abandon(self) -> None:
        """Stop where it stands; nothing that still arrives has an effect (TXN-14)."""
        self.step = Step.OVER
        if self._session.answer is not None and self._session.offered:
            self._session.answer.pack()  # It was not yet, because another one was expected.

    def _put(self, step: Step) -> int:
        """Wait for the answer to a question: its token, which no question of an earlier attempt had."""
        self.step = step
        self._session.questions += 1
        self.token = self._session.questions
        return self.token

    def _locate(self, now: float) -> list[Effect]:
        way = self._session.setup.way(self._detour.next_hop)
        if way is None:
            return [Locate(self._put(Step.LOCATING), self._detour.next_hop)]
        self.walk.offer((way.target,), self._session.reluctance, self._detour.allows)
        return self._next_target(now, way)

    def _not_located(self, answer: NotLocated, now: float) -> list[Effect]:
        cause = self.walk.unlocated(self._detour.next_hop, answer.cause)
        excused = self._detour.excuses(hopeless=answer.hopeless)
        row, response = self.walk.why if excused else (TROUBLES[answer.row], None)
        return self._fail(row, now, response, cause=cause)

    def _leave(
        self, row: Row, cause: str, now: float, response: Response | None = None, until: float | None = None
    ) -> list[Effect]:
        """The target is no good: tell so if that is news, then go on to the next one, or end."""
        target = self._target
        assert target is not None  # noqa: S101
        stays = response is not None and self._session.holds_on(self.flow, response)
        self.walk.leave(target, row, cause, response, until)
        if not stays:
            self._session.leave(target)
        news = [] if until is not None else [TargetFailed(target, row, capped_retry_after(response, target), now)]
        return [*news, *(self._end(row, response) if stays else self._go_on(cause, now))]

    def _go_on(self, cause: str, now: float) -> list[Effect]:
        if self._last or self.purpose in (Purpose.REMOVE, Purpose.CLEAR):
            # Another server may not know of our binding; REG-25 leaves no time to look for it.
            return self._end(*self.walk.why, cause=cause)
        if not self.walk.listed and now < self._ends_at:
            # Where the binding was taken is no good any more; the registrar itself may know another place.
            self._detour = Detour(self._session.params)
            return self._locate(now)
        return self._next_target(now)

    def _next_target(self, now: float, way: Flow | None = None) -> list[Effect]:
        target, (row, response) = self.walk.next(), self.walk.why
        if target is None:
            return self._fail(row, now, response, cause=self.walk.summary(response))
        if now >= self._ends_at:
            return self._end(TROUBLES["RSP-LOC"], cause=self.walk.summary())
        self._target = target
        if way is None:
            return self._connect()
        self.flow = way
        return self._transmit(now)

    def _connect(self) -> list[Effect]:
        assert self._target is not None  # noqa: S101
        tied = self._session.tied_to(self.flow)
        return [Connect(self._put(Step.CONNECTING), self._target, tied, self._detour.foreign)]

    def _transmit(self, now: float, *, kept: bool = False) -> list[Effect]:
        session, flow = self._session, self.flow
        if self.requests >= _MOST_REQUESTS:
            return self._end(TROUBLES["RSP-LOC"])
        if flow is None:
            return self._connect()
        contact = session.prepare(self.purpose, flow, kept=kept)
        if isinstance(contact, Question):
            return self._authenticate(contact, now)
        if contact is None:
            return [Keep(self._put(Step.KEEPING))]
        session.series.ask(self._detour.registrar)
        transaction = session.request(self.purpose, flow, contact, now)
        if len(transaction.data) > LARGEST_DATAGRAM:
            stream = self.walk.widen(flow.target, self._detour.next_hop, session.params)
            if stream is not None:
                session.unsent()
                return [Connect(self._put(Step.CONNECTING), stream)]
        if self.requests == 0:
            self.waited = now - self.sent_at
            self._ends_at = now + 4 * session.setup.timers.timer_f  # DNS-19
        self.requests += 1
        self.step, self.sent_at = Step.TRYING, now
        self._contact, self._transaction = contact, transaction
        return [Send(flow, transaction.data, transaction.branch)]

    def _succeed(self, row: Row, response: Response, now: float) -> list[Effect]:
        session, flow, contact = self._session, self.flow, self._contact
        assert flow is not None and contact is not None  # noqa: S101, PT018
        doubt = session.authenticator.accepted(response)
        if doubt is Reason.SERVER_NOT_AUTHENTICATED and session.setup.digest.require_server_proof:
            return self._end(TROUBLES["RSP-200F"], response)
        session.flow, session.hop = flow, self._detour.hop
        try:
            grant = session.accept(self.purpose, response, contact, self.sent_at, flow)
        except ParseError as error:
            return self._end(TROUBLES["RSP-200C"], response, cause=str(error))
        follows = self.purpose is Purpose.REGISTER and not self._last
        if follows and session.learn(grant.public, again="NAT-3" in self._repaired):
            self._repaired.add("NAT-3")
            return self._transmit(now)
        return self._end(row, response, grant=grant if doubt is Reason.NONE else grant._replace(doubt=doubt))

    def _challenged(self, response: Response, now: float) -> list[Effect]:
        assert self.flow is not None  # noqa: S101
        # The first Contact that gets bound is already the right one when the challenge told our public address.
        if self._session.learn(mapped_address(response, self.flow), again="NAT-2" in self._repaired):
            self._repaired.add("NAT-2")
        self._challenge = response
        return self._authenticate(self._session.challenged(response, self.flow), now)

    def _authenticate(self, verdict: Verdict | Question, now: float) -> list[Effect]:
        verdict = self._session.answered(verdict, foreign=self._detour.foreign)
        if isinstance(verdict, Question):
            assert self._target is not None  # noqa: S101
            asked = verdict.realm, verdict.algorithms, verdict.attempt, verdict.stale
            return [Ask(self._put(Step.ASKING), *asked, self._target, self._detour.foreign)]
        challenge = self._challenge
        if verdict is Verdict.ANSWER or challenge is None:
            return self._transmit(now)
        return self._end(TROUBLES[verdict.value], challenge, cause=all_realms(challenge))

    def _repair(self, row: Row, response: Response, now: float) -> list[Effect]:
        """Send again with what the answer objects to changed, once for each kind of objection."""
        series = self._session.series
        conceded = None
        if self.purpose is Purpose.REGISTER and row.id not in self._repaired:
            conceded = repair(response.status, response, series.params, series.concessions)
        if conceded is None:
            refused = TROUBLES["REG-28"] if response.status == 423 else row._replace(then=Then.STOP)
            return self._fail(refused, now, response)
        self._repaired.add(row.id)
        series.concede(conceded)
        return self._transmit(now)

    def _redirected(self, row: Row, response: Response, now: float) -> list[Effect]:
        """Go where a 3xx sends us, as far as that is allowed (RDR-1 to RDR-6)."""
        if self.purpose is not Purpose.REGISTER:
            return self._end(row, response)
        return self._fail(row, now, response, cause=self._detour.take(response))

    def _fail(self, row: Row, now: float, response: Response | None = None, *, cause: str = "") -> list[Effect]:
        """It came to nothing here: where a redirect led to besides (RDR-3), or a backup server, may say yes."""
        detour, removes = self._detour, self.purpose in (Purpose.REMOVE, Purpose.CLEAR)
        if removes or not detour.leads_on(row) or now >= self._ends_at:
            return self._end(row, response, cause=cause)
        detour.follow()
        self.walk.turn(row, response)
        self.flow = None
        if detour.foreign:
            self._session.renew()
        return self._locate(now)

    def _end(
        self, row: Row, response: Response | None = None, *, grant: Grant | None = None, cause: str = ""
    ) -> list[Effect]:
        self.abandon()
        if grant is None and self._detour.hop is not None:
            # RDR-7: where a redirect led counts for one attempt only, unless we are accepted there.
            self._session.leave(self._target)
        self.grant = grant
        self.outcome = self.walk.outcome(row, response, cause, self._target)
        return []
