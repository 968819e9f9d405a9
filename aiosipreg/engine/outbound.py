"""The flows of one account (RFC 5626): what they have in common, and which of them are wanted.

Each flow is a `Registration` of its own, with its reg-id, its Call-ID and its proxy. The first that gets an answer
tells whether the registrar knows outbound; if it does not, one flow is all that the account may have, since a second
one would replace its binding (OUTB-8, F-56).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiosipreg.engine.lease import Intent
from aiosipreg.states import Reason, RegistrationState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiosipreg.engine.course import Course
    from aiosipreg.engine.session import Session
    from aiosipreg.engine.targets import Target

__all__ = ["alive", "crowded", "join", "review", "waits"]


def join(flows: tuple[Course, ...], leaving: Iterable[Course] = ()) -> None:
    """Let the flows of an account know of each other, and have the GRUUs of the first.

    Args:
        flows: All of them, in the order of their reg-ids.
        leaving: Those that are none any more but for a binding: they know the others, and are not known.
    """
    gruus, others = flows[0].session.gruus, flows if len(flows) > 1 else ()
    for flow in (*flows, *leaving):
        flow.session.flows, flow.session.gruus = others, gruus


def alive(flow: Course) -> bool:
    """Whether any flow of the account is known to work, so that an attempt to have another may wait longer (F-55)."""
    return any(map(_works, flow.session.flows or (flow,)))


def crowded(target: Target, session: Session) -> bool:
    """Whether another flow than that of the ``session`` leads to this address already (OUTB-19)."""
    others = [flow.session.flow for flow in session.flows if flow.session is not session]
    return any(flow is not None and flow.target.host == target.host for flow in others)


def waits(flow: Course) -> bool:
    """Whether a flow that is idle may not begin yet, whoever wishes it to (F-56)."""
    flows = flow.session.flows
    if not flows:
        return False
    if any(other.intent is Intent.REGISTER for other in flows):
        return flow not in review(flows)[0]
    return flow is not flows[0]


def review(flows: tuple[Course, ...]) -> tuple[tuple[Course, ...], tuple[Course, ...]]:
    """Those that are to begin now and those that are to end, after something happened to one of them."""
    wanted = [flow for flow in flows if flow.intent is Intent.REGISTER]
    idle = tuple(flow for flow in flows if flow.intent is Intent.IDLE)
    bound = [flow for flow in wanted if flow.lease.binding is not None]
    if any(flow.session.outbound for flow in bound):
        return idle, ()
    if bound:
        newest = max(bound, key=lambda flow: flow.lease.bound_at)
        return (), tuple(flow for flow in wanted if flow is not newest)
    # While nobody knows, one proxy after the other is asked.
    return (idle[:1] if wanted and all(map(_deserted, wanted)) else ()), ()


def _works(flow: Course) -> bool:
    """Whether a binding hangs on the flow, and nothing has shown that it does not any more."""
    bound = flow.session.outbound and flow.state in (RegistrationState.OK, RegistrationState.REFRESHING)
    return bool(bound) and flow.lease.flow is not None and flow.lease.flow == flow.session.flow


def _deserted(flow: Course) -> bool:
    """Whether an attempt failed at the proxy: another may do better, while what a registrar says holds there too."""
    cause = flow.lease.cause
    if flow.state is not RegistrationState.FAILED or cause is None or cause.reason is Reason.NETWORK_DOWN:
        return False
    return cause.elsewhere or cause.reason is Reason.TLS_ERROR
