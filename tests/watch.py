"""Watches a core at work, and complains of whatever does not hold: section 9.2 of the requirements and more."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiosipreg import Core, ProxyConfig, Reason, RegistrationEvent, RegistrationState
from aiosipreg.engine.lease import Intent
from tests.accounts import FAILED, NONE, OK, REFRESHING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiosipreg.testing import Registrar

__all__ = ["REFUSALS", "Watch", "Watched", "now"]

REFUSALS = (
    *(Reason.UNAUTHORIZED, Reason.AUTH_UNAVAILABLE, Reason.FORBIDDEN, Reason.NOT_FOUND, Reason.REJECTED),
    *(Reason.BAD_RESPONSE, Reason.REDIRECT_REFUSED, Reason.NOT_ACCEPTABLE, Reason.NOT_IMPLEMENTED, Reason.GONE),
    *(Reason.UNSUPPORTED_CONTENT, Reason.ADDRESS_INCOMPLETE, Reason.CONDITIONAL_REQUEST_FAILED),
)

_CSEQ = re.compile(rb"\r\nCall-ID: (\S+)\r\nCSeq: (\d+) REGISTER\r\n")
_BRANCH = re.compile(rb";branch=(\S+)\r\n")


def now() -> float:
    """The time of the loop."""
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class Newest:
    """The newest request with a Call-ID, and how often it was sent."""

    cseq: int
    branch: bytes
    data: bytes
    at: float
    copies: int = 1


class Watch:
    """Sees what every account tells and every request that leaves, and complains at once."""

    def __init__(self) -> None:
        self.events: Counter[RegistrationState] = Counter()
        self.last: dict[ProxyConfig, RegistrationEvent] = {}
        self.good_at: dict[ProxyConfig, float] = {}
        self.newest: dict[bytes, Newest] = {}
        self.requests = 0
        self.packets = 0
        self.most_copies = 0
        self.wrong: list[str] = []

    def complain(self, unless: bool, what: str, about: object) -> None:
        # Collected, because what is raised here would end up in the log of an account.
        if not unless:
            self.wrong.append(f"{now():.1f} s: {what}: {about}")

    def told(self, event: RegistrationEvent) -> None:
        proxy, state = event.proxy_config, event.state
        self.events[state] += 1
        before = self.last.get(proxy)
        self.last[proxy] = event
        self.complain(event.at == now(), "an event of another time", event)
        self.complain(event.old is (before.state if before is not None else NONE), "a gap before", event)
        self.complain(event.old is not state or state is REFRESHING, "the same state again", event)
        alive = event.binding is not None and event.expires_at is not None and event.expires_at > now()
        match state:
            case RegistrationState.OK:
                self.good_at[proxy] = now()
                self.complain(alive and event.retry_at is None, "Ok without a binding", event)
            case RegistrationState.REFRESHING:
                self.complain(alive, "Refreshing without a binding", event)
                self.complain(event.reason is Reason.NONE or self.goes_on(event), "no next attempt", event)
            case RegistrationState.FAILED:
                self.complain(event.binding is None, "Failed with a binding", event)
                self.complain(self.goes_on(event), "no next attempt", event)
            case RegistrationState.CLEARED | RegistrationState.NONE:
                self.complain(event.binding is None and event.retry_at is None, "an end that goes on", event)

    def goes_on(self, event: RegistrationEvent) -> bool:
        """Whether another attempt is set, or one follows when there is a network again, or it is over for good."""
        if event.retry_at is None:
            held = event.reason in (Reason.NETWORK_DOWN, Reason.EXPIRED)
            return held or (event.state is FAILED and event.reason in REFUSALS)
        return event.retry_at >= now()

    def sent(self, data: bytes) -> bool:
        """A datagram leaves; return whether it is a new request and no copy of one."""
        branch, found = _BRANCH.search(data), _CSEQ.search(data)
        assert branch is not None
        assert found is not None
        self.packets += 1
        call_id, number = found[1], int(found[2])
        before = self.newest.get(call_id)
        if before is not None and before.branch == branch[1]:
            before.copies += 1
            self.most_copies = max(self.most_copies, before.copies)
            self.complain(before.data == data, "TXN-3: a copy that is none", data)
            return False
        self.requests += 1
        self.complain(number == 1 + (before.cseq if before is not None else 0), "REG-5: CSeq not one higher", data)
        self.newest[call_id] = Newest(number, branch[1], data, now())
        return True

    def look_at(self, proxy: ProxyConfig) -> None:
        """Section 9.2 on the machine itself, between two inputs."""
        for runner in proxy._runners:
            machine = runner.machine
            lease, running, alive = machine.lease, machine._cycle is not None, machine.lease.alive(now())
            match lease.state:
                case RegistrationState.NONE | RegistrationState.CLEARED:
                    sound = not running and lease.binding is None and machine.deadline is None
                case RegistrationState.PROGRESS:
                    sound = running and (lease.binding is None or machine.intent is Intent.UNREGISTER)
                case RegistrationState.OK:
                    sound = alive and not running and lease.refresh_at is not None and lease.refresh_at >= now()
                case RegistrationState.REFRESHING:
                    sound = alive and (running or lease.retry_at is not None or machine._held)
                case RegistrationState.FAILED:
                    over = lease.cause is not None and lease.cause.reason in REFUSALS
                    goes_on = lease.retry_at is not None or machine._held or over
                    sound = not running and lease.binding is None and goes_on
            self.complain(sound, "9.2 does not hold", (proxy, lease.retry_at, lease.expires_at, running))
            self.complain(machine.deadline is None or machine.deadline >= now(), "a deadline was missed", proxy)

    def agree(self, proxies: Iterable[ProxyConfig], registrar: Registrar) -> None:
        """What the core believes to be bound the registrar holds, and for as long."""
        bindings = registrar.bindings
        for proxy in proxies:
            binding = proxy.binding
            if binding is None or proxy.state not in (OK, REFRESHING):
                continue
            held = [one for one in bindings.get(proxy.identity, ()) if one.contact.uri == binding.contact.uri]
            there = len(held) == 1 and held[0].expires_at >= binding.expires_at - 1.0
            self.complain(there, "a binding that is not there", proxy)


class Watched(Core):
    """A core under watch."""

    watch: Watch

    def _publish(self, proxy: ProxyConfig) -> None:
        assert proxy.last_event is not None
        self.watch.told(proxy.last_event)
        super()._publish(proxy)
