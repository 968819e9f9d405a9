"""What must outlive the process, as one value: of each account so much that a restart goes on with the same binding.

A record is written before the request goes out that depends on it, because a process may be killed at any moment:

* A Contact is in the record before the registrar can hold it, so whoever comes after can take it away again.
* CSeq numbers are reserved in steps. The record has the highest number that may be used; a request with a higher one
  waits until the next step is written, and a restart goes on above it. So CSeq never falls, whatever was lost, and in
  the life of an account hardly any request waits: each time that something else is written a new step is reserved.

Both are one question, `Memory.covers`, asked before each request; the cycle puts a `Keep` if the answer is no.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiosipreg.engine.realm import Nonce
from aiosipreg.engine.redirects import Hop
from aiosipreg.engine.repairs import Concessions
from aiosipreg.engine.targets import Target
from aiosipreg.wire import NameAddr, SipUri

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiosipreg.engine.course import Course
    from aiosipreg.engine.register import RegisterSeries
    from aiosipreg.engine.session import Session
    from aiosipreg.params import ProxyParams

__all__ = ["Memory", "recall", "remember"]

# An attempt sends 16 requests at most, so that one which is covered when it begins hardly ever waits in the middle.
_STEP: Final = 64

# RFC 3261 8.1.1.5: numbers stay below 2**31; a series that comes near begins anew (MSG-17).
_HIGHEST: Final = 2**31 - 2**20


@dataclass(frozen=True, slots=True)
class Memory:
    """What is kept of one account; no secret is in it (SEC-39).

    Attributes:
        place: Address-of-record, registrar and routes: a record is good for no other.
        instance_id: The URN of ``+sip.instance`` (OUTB-1).
        call_id: Call-ID of the series, and its tag.
        cseq: The highest number that may have been used.
        contacts: Contacts of ours that the registrar may hold, the newest last.
        expires_at: Until when it may hold them, in ``loop.time()``.
        target: Where the binding was taken (REG-20).
        backup: The backup server that it belongs to, ``None`` for the registrar itself.
        public: Our address as the registrar sees it (NAT-2).
        nonces: Nonces with their counts (AUTH-28).
        concessions: What the registrar wants otherwise than the settings, such as the floor of a 423.
    """

    place: tuple[str, ...] = ()
    instance_id: str | None = None
    call_id: str = ""
    cseq: int = 0
    contacts: tuple[str, ...] = ()
    expires_at: float | None = None
    target: Target | None = None
    backup: str | None = None
    public: tuple[str, int] | None = None
    nonces: tuple[Nonce, ...] = ()
    concessions: Concessions = field(default_factory=Concessions)

    def covers(self, series: RegisterSeries, contacts: Iterable[NameAddr]) -> bool:
        """Whether all is written that the next request of a series depends on.

        Args:
            series: The series.
            contacts: The Contacts that it registers.
        """
        written = self.call_id == series.call_id and series.cseq < self.cseq
        return written and all(str(contact) in self.contacts for contact in contacts)


def remember(course: Course, *, reserve: bool = True) -> Memory:
    """What there is to keep of an account now.

    Args:
        course: Its machine.
        reserve: Claim numbers for what is sent until the next record; not needed when nothing is sent any more.
    """
    session = course.session
    series = session.series
    contacts = tuple(str(contact) for contact in session.held())
    hop = session.hop
    # Where a redirect led is not kept: if that is still wanted, the registrar will say so again (RDR-7).
    flow = session.flow if hop is None or hop.ours else None
    target = flow.target if flow is not None else session.home
    return Memory(
        place=_place(session.params),
        instance_id=session.params.instance_id,
        call_id=series.call_id,
        cseq=series.cseq + (_STEP if reserve else 0),
        contacts=contacts,
        expires_at=_expires_at(course) if contacts else None,
        target=target,
        backup=str(hop.uri) if target is not None and hop is not None else None,
        public=session.public,
        nonces=session.authenticator.nonces(),
        concessions=series.concessions,
    )


def recall(course: Course, memory: Memory, now: float) -> None:
    """Go on where the process before this one stopped.

    Args:
        course: The machine of the account, in which nothing has happened yet.
        memory: What was kept; an empty one means that from now on there is something that keeps.
        now: The time.
    """
    session = course.session
    if memory.place[:2] != _place(session.params)[:2]:
        # Settings that make another account of it: what is left at the other registrar runs out.
        session.kept = Memory()
        return
    session.kept = memory
    series = session.series
    if memory.cseq < _HIGHEST:
        series.call_id, series.cseq = memory.call_id, memory.cseq
    series.concede(memory.concessions)
    session.public = memory.public
    session.authenticator.recall(memory.nonces)
    if memory.expires_at is not None and now < memory.expires_at:
        session.doubtful = tuple(NameAddr.parse(contact) for contact in memory.contacts)
        session.contact = session.doubtful[0]
        _return(session, memory)
        course.lease.residual_until = memory.expires_at


def _return(session: Session, memory: Memory) -> None:
    """Begin where the binding was taken (REG-20), if the settings still lead there."""
    backup = memory.backup
    if memory.place != _place(session.params) or not (backup is None or backup in session.params.backup_servers):
        return
    session.home = memory.target
    session.hop = Hop(SipUri.parse(backup), ours=True) if backup is not None else None


def _place(params: ProxyParams) -> tuple[str, ...]:
    return (str(params.aor), str(params.registrar), *params.routes)


def _expires_at(course: Course) -> float:
    lease, session = course.lease, course.session
    # A request whose answer was not seen may have bound for as long as it asked; too late does no harm.
    asked = lease.started_at + session.lifetime
    return max(lease.expires_at or 0.0, lease.residual_until or 0.0, asked)
