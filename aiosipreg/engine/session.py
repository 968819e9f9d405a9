"""What one account keeps from attempt to attempt: Call-ID and CSeq, nonces, the flow and the Contact that are bound."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from aiosipreg.engine.authenticator import Authenticator, Question
from aiosipreg.engine.contacts import Purpose, contact_address
from aiosipreg.engine.credentials import own_credentials
from aiosipreg.engine.edits import Edit, compare
from aiosipreg.engine.gruu import NO_GRUUS
from aiosipreg.engine.outbound import crowded
from aiosipreg.engine.register import RegisterSeries, read_grant
from aiosipreg.engine.transaction import ClientTransaction, new_branch
from aiosipreg.params import ExpiresIn, NatMode
from aiosipreg.states import Reason
from aiosipreg.wire import SipUri

if TYPE_CHECKING:
    from typing import TypeAlias

    from aiosipreg.engine.authenticator import Verdict
    from aiosipreg.engine.course import Course
    from aiosipreg.engine.effects import Flow
    from aiosipreg.engine.gruu import Gruus
    from aiosipreg.engine.memory import Memory
    from aiosipreg.engine.redirects import Hop
    from aiosipreg.engine.register import Grant
    from aiosipreg.engine.setup import Setup
    from aiosipreg.engine.targets import Target
    from aiosipreg.params import ProxyParams
    from aiosipreg.wire import NameAddr, Response

    # Of any length, so that the compiled form does not take it apart and make another one of it.
    _MadeFrom: TypeAlias = tuple[object, ...]

__all__ = ["Session"]

_USUAL_LIFETIME = 3600.0
_MOST_DOUBTFUL = 8
_CIRCUMSTANCES = 256


class Session:
    """What one account keeps from cycle to cycle.

    Attributes:
        params: The settings in force.
        setup: What all accounts have in common.
        series: Call-ID, From tag and CSeq.
        authenticator: Nonces and refusals.
        flow: The flow that accepted the registration; refreshes go there (REG-20).
        hop: The redirect that led to that flow, ``None`` if none did (RDR-7).
        contact: Our Contact as last sent, for the removal.
        bound: Our Contact as the registrar holds it; removed by the request that brings another one.
        listed: The same as the registrar wrote it in its newest answer.
        bound_extras: Further Contacts that the registrar holds.
        offered: The Contacts of the request that is out.
        doubtful: Contacts of requests that got no answer, the newest last: the registrar may hold them.
        home: Where the binding was taken before a restart; the first attempt begins there (REG-20).
        kept: What the store has of all this for certain, ``None`` without a store.
        avoid: The target that failed last; the next attempt prefers another (DNS-18).
        mapped: Our address as the registrar sees it, ``None`` if it sees what we see (NAT-2).
        public: The same, as far as the Contact follows it (NAT-3).
        flows: The flows of the account in the order of their reg-ids, this one among them; empty when it has no other.
        gruus: The GRUUs of the instance, which all flows have in common.
        reg_id: The number of this flow (RFC 5626 4.2.1).
        outbound: Whether the registrar bound our Contact to the flow that it came by (OUTB-7); ``None`` before its
            first word about that.
        shared: The Contact of the account that this one depends on, to be registered instead of an own one.
        answer: The newest final answer.
        asymmetric: The registrar sees another address each time, so the Contact is left alone (NAT-4).
        questions: How many questions were put so far; the number of each is its token.
    """

    __slots__ = (
        "_made_from", "_own", "answer", "asymmetric", "authenticator", "avoid", "bound", "bound_extras", "contact",
        "doubtful", "flow", "flows", "gruus", "home", "hop", "kept", "listed", "mapped", "offered", "outbound",
        "params", "public", "questions", "reg_id", "series", "setup", "shared",
    )  # fmt: skip

    def __init__(self, params: ProxyParams, setup: Setup, reg_id: int = 1) -> None:
        self.params = params
        self.setup = setup
        self.flows: tuple[Course, ...] = ()
        self.gruus = NO_GRUUS
        self.reg_id = reg_id
        self.outbound: bool | None = None
        self.flow: Flow | None = None
        self.hop: Hop | None = None
        self.contact: NameAddr | None = None
        self._own: NameAddr | None = None
        self._made_from: _MadeFrom | None = None
        self.bound: NameAddr | None = None
        self.listed: NameAddr | None = None
        self.bound_extras: tuple[NameAddr, ...] = ()
        self.offered: tuple[NameAddr, ...] = ()
        self.doubtful: tuple[NameAddr, ...] = ()
        self.home: Target | None = None
        self.kept: Memory | None = None
        self.avoid: Target | None = None
        self.mapped: tuple[str, int] | None = None
        self.public: tuple[str, int] | None = None
        self.shared: NameAddr | None = None
        self.asymmetric = False
        self.answer: Response | None = None
        self.questions = 0
        self.authenticator = Authenticator(setup)
        self._start_series()

    def renew(self) -> None:
        """Start a new Call-ID with the same registrar."""
        concessions = self.series.concessions
        self.share(self.gruus.renounced())
        self._start_series()
        self.series.concede(concessions)

    def contact_on(self, flow: Flow) -> NameAddr:
        """The Contact to register on this flow (REG-11, NAT-3, PUSH-9)."""
        series = self.series
        reg_id = self.reg_id if series.form.outbound else None
        public = self.public
        if public is not None and self._hopes_for_outbound:
            public = None
        shared = None if self.shared is None else str(self.shared)  # URIs that are equal need not be written the same.
        push = not series.concessions.without_push
        made_from: _MadeFrom = (flow, public, push, reg_id, shared)
        if self._own is None or self._made_from != made_from:
            self._own = _contact(self.params, flow, public, push, reg_id, self.shared)
            self._made_from = _kept_once(made_from)
        return self._own

    def first_target(self) -> Target | None:
        """Where an attempt begins, unless that has to be looked up: where the binding was taken (REG-20)."""
        return self.home if self.flow is None else self.flow.target

    @property
    def asks(self) -> bool:
        """Whether a flow has to be asked for, because there is none in use or something may stand in its way."""
        return self.flow is None or not self.setup.at_once(self.flow)

    def offer(self, purpose: Purpose, flow: Flow) -> NameAddr:
        """The Contact of the next request; if that registers, the registrar may hold it from now on."""
        if purpose is Purpose.REGISTER:
            self.contact = contact = self.contact_on(flow)
            self.offered = (contact, *self.params.further_contacts)
            return contact
        if purpose is not Purpose.FETCH and self.contact is not None:
            return self.contact
        return self.contact_on(flow)

    def prepare(self, purpose: Purpose, flow: Flow, *, kept: bool) -> NameAddr | Question | None:
        """Get ready for the next request.

        Args:
            purpose: What it is for.
            flow: Where it will be sent.
            kept: The store was asked, so it goes out in any case.

        Returns:
            Its Contact; or the credentials to be asked for before; or ``None`` if the store is to write something
            before, because the request depends on it.
        """
        question = self.authenticator.reclaim(flow.target.name)
        if question is not None:
            return question
        if self.offered and not kept:
            self.unanswered()
        contact = self.offer(purpose, flow)
        offered = self.offered if purpose is Purpose.REGISTER else ()
        covered = kept or self.kept is None or self.kept.covers(self.series, offered)
        return contact if covered else None

    def request(self, purpose: Purpose, flow: Flow, contact: NameAddr, now: float) -> ClientTransaction:
        """The next request."""
        branch, target, form = new_branch(self.setup.random), flow.target, self.series.form
        data = self.series.render(
            purpose,
            flow,
            branch,
            contact=contact,
            lifetime=form.lifetime,
            authorizations=self.authenticator.authorizations("REGISTER", form.request_uri, target.name),
            stale=self.stale(purpose, contact),
        )
        return ClientTransaction(branch, data, reliable=target.transport.reliable, timers=self.setup.timers, now=now)

    def unsent(self) -> None:
        """The request was not sent after all."""
        self.series.cseq -= 1
        self.offered = ()

    def challenged(self, response: Response, flow: Flow) -> Verdict | Question:
        """Take a 401 or 407 that came by this flow."""
        expected = self.params.realm
        names = (*flow.names, expected) if flow.names and expected is not None else flow.names
        return self.authenticator.challenged(response, flow.target.name, names)

    def answered(self, verdict: Verdict | Question, *, foreign: bool) -> Verdict | Question:
        """Answer what is asked from the account's own settings, as far as these go; see `own_credentials`."""
        while isinstance(verdict, Question):
            info = own_credentials(self.params, verdict.realm, foreign=foreign)
            if info is None:
                break
            verdict = self.authenticator.supply(info)
        return verdict

    def accept(self, purpose: Purpose, response: Response, contact: NameAddr, sent_at: float, flow: Flow) -> Grant:
        """Take a 2xx to the request that was sent with this Contact on this flow; raises `ParseError`."""
        registers = purpose is Purpose.REGISTER
        self.outbound = self.series.form.outbound and "outbound" in response.require
        grant = read_grant(response, contact, self.assumed if registers else 0.0, sent_at, flow, self.listed)
        self.listed = grant.binding.contact if grant.listed and grant.binding is not None else None
        if registers:
            self.bind(contact)
            gruus = self.gruus.learnt(grant.binding)
            if gruus is not self.gruus:
                self.share(gruus)
        if self.params.path_hosts and grant.doubt is Reason.NONE and self._strangers(grant.further.path):
            grant = grant._replace(doubt=Reason.UNEXPECTED_PROXY)
        return grant

    def tied_to(self, flow: Flow | None) -> Flow | None:
        """The flow if our Contact is bound to it, so that it is refreshed there and nowhere else (OUTB-10)."""
        return flow if self.outbound and flow == self.flow else None

    def share(self, gruus: Gruus) -> None:
        """Have these GRUUs; so has every flow of the account, because they all are one instance."""
        self.gruus = gruus
        for flow in self.flows:
            flow.session.gruus = gruus

    def bind(self, contact: NameAddr) -> None:
        """The registrar took what was sent, and holds nothing else of ours."""
        self.bound = contact
        self.bound_extras = self.params.further_contacts
        self.offered = self.doubtful = ()
        self.avoid = self.home = None

    def unbind(self) -> None:
        """The registrar dropped what it held of ours."""
        self.bound = None
        self.bound_extras = ()

    def unanswered(self) -> None:
        """Nobody knows what became of the request that was out."""
        if self.offered:
            self.doubtful = self.held()[-_MOST_DOUBTFUL:]
            self.offered = ()

    def release(self, *, confirmed: bool) -> None:
        """We want no binding any more; unless that is ``confirmed``, the registrar may still hold one."""
        self.doubtful = () if confirmed else self.held()[-_MOST_DOUBTFUL:]
        self.offered = ()
        self.unbind()

    def settle(self, response: Response) -> None:
        """Keep the newest answer small, unless it was a challenge and was answered: then another one will come."""
        if response.status not in (401, 407) or not self.offered:
            response.pack()

    def held(self) -> tuple[NameAddr, ...]:
        """The Contacts of ours that the registrar may hold, the newest last."""
        bound = () if self.bound is None else (self.bound,)
        found: list[NameAddr] = []
        for contact in (*bound, *self.bound_extras, *self.doubtful, *self.offered):
            # Compared as URIs (RFC 3261 19.1.4): what a registrar takes for the same must not be named twice.
            found = [other for other in found if other.uri != contact.uri]
            found.append(contact)
        return tuple(found)

    def stale(self, purpose: Purpose, contact: NameAddr) -> list[NameAddr]:
        """What the registrar may hold of ours and has to give up with this request (NAT-3, REG-22, REG-35)."""
        bound = self.bound
        same = bound is None or bound is contact or bound.uri == contact.uri
        if same and not self.doubtful and not self.bound_extras:
            return []  # Every usual request ends here.
        if purpose is not Purpose.REGISTER and purpose is not Purpose.REMOVE:
            return []
        if self.outbound and "reg-id" in contact.params:
            return []  # The new Contact takes the place of any other with its reg-id (RFC 5626 4.2.1).
        wanted = (contact, *self.params.further_contacts) if purpose is Purpose.REGISTER else (contact,)
        kept = [entry.uri for entry in wanted]
        return [entry for entry in self.held() if entry.uri not in kept]

    def learn(self, seen: tuple[str, int] | None, *, again: bool) -> bool:
        """Note where the far end saw us (NAT-2); return whether the Contact has to follow (NAT-3).

        Args:
            seen: Host and port, ``None`` when they are our own.
            again: The Contact has followed once in this attempt; if that was not enough, no other will do (NAT-4).
        """
        self.mapped = seen
        if self.params.nat is NatMode.OFF or self.shared is not None or seen == self.public or self.asymmetric:
            return False
        if self._hopes_for_outbound or self.gruus.public is not None:
            return False
        self.asymmetric = again
        if not again:
            self.public = seen
        return not again

    def holds_on(self, flow: Flow | None, response: Response) -> bool:
        """Whether we stay on the flow that this refusal came by: it works, and our Contact is bound to it (OUTB-11)."""
        return self.tied_to(flow) is not None and response.status != 430

    def reluctance(self, target: Target) -> tuple[bool, bool]:
        """What speaks against a target: it failed last (DNS-18), or another flow leads there already (OUTB-19)."""
        return target == self.avoid, crowded(target, self)

    def leave(self, target: Target | None) -> None:
        """The target failed: the next attempt begins at the registrar again and prefers another one (DNS-18)."""
        self.flow = self.hop = self.home = None
        self.avoid = target

    def adopt(self, params: ProxyParams) -> bool:
        """Take new settings; return whether they make another account of it, or one of another registrar (REG-38)."""
        moved = compare(self.params, params) is Edit.MOVE
        self.params = params
        self._own = None
        if moved:
            self.flow = self.hop = self.contact = self.home = self.public = self.mapped = self.avoid = None
            self.outbound = None
            self.share(self.gruus.renounced())
            self.release(confirmed=True)
            self.asymmetric = False
            self.authenticator = Authenticator(self.setup)
            self._start_series()
        else:
            self.series.adopt(params)
        return moved

    def mismatch(self, response: Response) -> str | None:
        """Which header shows that an answer is not to our last request, ``None`` if none (MSG-22)."""
        return self.series.mismatch(response, self.series.cseq)

    @property
    def lifetime(self) -> int:
        """The lifetime to ask for."""
        return self.series.form.lifetime

    @property
    def assumed(self) -> float:
        """The lifetime of a binding whose registrar names none: what was asked for, else an hour (REG-13)."""
        return _USUAL_LIFETIME if self.params.lifetime_in is ExpiresIn.NOWHERE else float(self.lifetime)

    def _start_series(self) -> None:
        self.series = RegisterSeries(self.params, self.setup)

    def _strangers(self, path: tuple[NameAddr, ...]) -> bool:
        """Whether requests to us come through a host that the settings do not name (RTE-2)."""
        known = {host.lower() for host in self.params.path_hosts}
        hosts = (entry.uri.host.lower() if isinstance(entry.uri, SipUri) else "" for entry in path)
        return not known.issuperset(hosts)

    @property
    def _hopes_for_outbound(self) -> bool:
        """Whether requests to us will take the flow, whatever the Contact says; the registrar may still deny it."""
        return self.series.form.outbound and self.outbound is not False


@lru_cache(_CIRCUMSTANCES)
def _kept_once(made_from: _MadeFrom) -> _MadeFrom:
    """What a Contact is made from beside the settings: the same for all accounts of a registrar."""
    return made_from


def _contact(
    params: ProxyParams,
    flow: Flow,
    public: tuple[str, int] | None,
    push: bool,
    reg_id: int | None,
    shared: NameAddr | None,
) -> NameAddr:
    own = contact_address(params, flow, public, push=push, reg_id=reg_id)
    if shared is None or not isinstance(shared.uri, SipUri):
        return own
    # REG-9, REG-10: where our own Contact would be sips, that of another account is too.
    secure = isinstance(own.uri, SipUri) and own.uri.secure
    return replace(own, uri=shared.uri.replace(scheme="sips") if secure else shared.uri)
