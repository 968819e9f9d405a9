"""Where a SIP URI leads (floor 2): RFC 3263 with RFC 2782, 7984 and 7118, as a generator that asks and never waits.

::

    search = select_targets(uri, transports=(Transport.UDP,), random=random)
    questions = next(search)                    # may be asked in parallel
    questions = search.send(answers)            # one answer per question, in their order
    ...                                         # StopIteration.value is a Located, or ResolutionFailed is raised

Two outcomes are kept apart everywhere: "there is no such record" leads to the next step of RFC 3263, "nobody could
tell" (DNS-21) never leads a sips URI, or an account with secure transports only, to a weaker step.
"""

from __future__ import annotations

import enum
import re
from bisect import bisect_left
from collections.abc import Generator, Iterable, Sequence
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from aiosipreg.engine.dns import LONGEST_TTL, SHORTEST_TTL, Address, Answer, Naptr, Question, Srv
from aiosipreg.wire.host import format_host, parse_ip, plain_name

if TYPE_CHECKING:
    from random import Random

    from aiosipreg.engine.dns import Families
    from aiosipreg.wire import SipUri

__all__ = [
    "Address",
    "Answer",
    "Located",
    "Naptr",
    "Question",
    "ResolutionFailed",
    "Search",
    "Srv",
    "Target",
    "Transport",
    "select_targets",
    "weighted_order",
    "without_descent",
]

# SEC-30. One NAPTR, 16 SRV and twice 16 address questions stay below 64 look-ups without counting them.
_MAX_RECORDS: Final = 64
_MAX_SERVICES: Final = 16
_MAX_HOSTS: Final = 16

_LABEL: Final = re.compile(r"[!-\-/-~]{1,63}")  # visible ASCII except the dot


class Transport(enum.Enum):
    """What carries a request.

    Attributes:
        reliable: Whether nothing has to be sent again (RFC 3261 17.1.2.2).
        secure: Whether it is encrypted.
        websocket: Whether each message travels in one of WebSocket (RFC 7118).
    """

    reliable: bool
    secure: bool
    websocket: bool

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"
    WS = "WS"
    WSS = "WSS"

    # There is one of each; that of enum hashes the name anew each time, in Python.
    __hash__ = object.__hash__

    @property
    def default_port(self) -> int:
        """The port when neither the URI nor an SRV record names one (RFC 3261 19.1.2, RFC 7118 5.5)."""
        return _DEFAULT_PORTS[self]


# Not by __init__, which cannot be compiled: it is called before there is a class that it could check `self` against.
for _transport in Transport:
    _transport.reliable = _transport is not Transport.UDP
    _transport.secure = _transport in (Transport.TLS, Transport.WSS)
    _transport.websocket = _transport in (Transport.WS, Transport.WSS)

_DEFAULT_PORTS: Final = {
    Transport.UDP: 5060,
    Transport.TCP: 5060,
    Transport.TLS: 5061,
    Transport.WS: 80,
    Transport.WSS: 443,
}
_SRV_PREFIXES: Final = {
    Transport.UDP: "_sip._udp",
    Transport.TCP: "_sip._tcp",
    Transport.TLS: "_sips._tcp",
    Transport.WS: "_sip._ws",
    Transport.WSS: "_sips._ws",
}
_NAPTR_SERVICES: Final = {
    "sip+d2u": Transport.UDP,
    "sip+d2t": Transport.TCP,
    "sips+d2t": Transport.TLS,
    "sip+d2w": Transport.WS,
    "sips+d2w": Transport.WSS,
}
_SIP_PARAMETERS: Final = {transport.value.lower(): transport for transport in Transport}
_SIPS_PARAMETERS: Final = {
    "tcp": Transport.TLS,
    "tls": Transport.TLS,
    "ws": Transport.WSS,
    "wss": Transport.WSS,
}


class Target(NamedTuple):
    """One place to send a request to; ``str()`` gives ``udp:192.0.2.1:5060``.

    Attributes:
        host: An IP address without brackets.
        port: 1 to 65535.
        transport: What carries the request.
        name: The domain that the search started from: what a certificate must be for (RFC 5922 7.3).
    """

    host: str
    port: int
    transport: Transport
    name: str

    def __str__(self) -> str:
        return f"{self.transport.value.lower()}:{format_host(self.host)}:{self.port}"


class Located(NamedTuple):
    """The outcome of a search.

    Attributes:
        targets: In the order in which they are to be tried, without repeats, at least one.
        ttl: Seconds for which the records behind it are good.
        secured: Whether NAPTR records of the domain led to a secure transport of ours; ``None`` when they had no say.
    """

    targets: tuple[Target, ...]
    ttl: float
    secured: bool | None = None


class ResolutionFailed(Exception):
    """No target was found; the text says for which name, and what to check.

    Attributes:
        absent: True when the names do not exist or offer nothing that we may use; False when the resolver could not
            tell, so that the same question may have an answer later.
    """

    def __init__(self, message: str, *, absent: bool) -> None:
        super().__init__(message)
        self.absent = absent


Search: TypeAlias = Generator[tuple[Question, ...], tuple[Answer, ...], Located]


class _Host(NamedTuple):
    name: str
    port: int
    transport: Transport


def select_targets(
    uri: SipUri, *, transports: Sequence[Transport], random: Random, families: Families = ("A", "AAAA")
) -> Search:
    """Find where requests to a URI go; drive it as the module's text shows.

    Args:
        uri: A sip or sips URI; it is never rewritten (DNS-1).
        transports: What is enabled, most preferred first: the order among SRV records without NAPTR (DNS-8).
        random: Draws the order among SRV records of one priority.
        families: Address families to use, the preferred one first.

    Raises:
        ResolutionFailed: Nothing was found, or nobody could tell.
    """
    name = _lookup_name(uri)
    explicit, enabled = _transports(uri, transports)
    transport = explicit or next(transport for transport in Transport if transport in enabled)
    literal = parse_ip(name)
    if literal is not None:
        return Located((Target(literal, uri.port or transport.default_port, transport, literal),), LONGEST_TTL)
    if not _is_name(name):
        raise ResolutionFailed(f"{name[:80]!r} is no domain name that could be looked up; check the URI", absent=True)
    inquiry = _Inquiry(name, strict=all(transport.secure for transport in enabled))
    if uri.port is not None:
        hosts = [_Host(name, uri.port, transport)]  # a port, even 5060, rules SRV out (DNS-4)
    elif explicit is not None:
        hosts = yield from _by_services(inquiry, _service_names(name, (explicit,)), transport, random)
    else:
        services = yield from _by_naptr(inquiry, enabled)
        fallback = services[0][0] if services else transport
        hosts = yield from _by_services(inquiry, services or _service_names(name, enabled), fallback, random)
    targets = yield from _addresses(inquiry, hosts, families)
    if not targets:
        raise inquiry.failure()
    return Located(targets, inquiry.ttl, inquiry.secured)


def without_descent(targets: Sequence[Target]) -> list[Target]:
    """Targets without those in clear text that come after a secure one (SEC-19).

    Or whoever breaks a handshake on its way would get the request in clear text.
    """
    secure = [target.transport.secure for target in targets]
    first = secure.index(True) if True in secure else len(secure)
    return [target for number, target in enumerate(targets) if number < first or target.transport.secure]


def weighted_order(records: Iterable[Srv], random: Random) -> list[Srv]:
    """SRV records in the order of RFC 2782: priority ascending, inside one priority drawn by weight (DNS-12).

    Args:
        records: Of one name, in any order.
        random: Draws.
    """
    ordered: list[Srv] = []
    for _, members in groupby(sorted(records, key=_priority), key=_priority):
        group = list(members)
        # "Any order, except that those with weight 0 come first": shuffled, or equal zeros would always keep theirs.
        random.shuffle(group)
        group.sort(key=lambda record: record.weight > 0)
        while len(group) > 1:
            sums = list(accumulate(record.weight for record in group))
            ordered.append(group.pop(bisect_left(sums, random.randint(0, sums[-1]))))
        ordered += group
    return ordered


def _priority(record: Srv) -> int:
    return record.priority


_Services: TypeAlias = tuple[tuple[Transport, str], ...]


class _Inquiry:
    """Asks, and remembers what the outcome rests on."""

    def __init__(self, name: str, *, strict: bool) -> None:
        self.name = name
        self.strict = strict
        self.ttl = LONGEST_TTL
        self.secured: bool | None = None
        self.absent: list[str] = []
        self.troubles: list[str] = []

    def ask(self, questions: Sequence[Question]) -> Generator[tuple[Question, ...], tuple[Answer, ...], list[Answer]]:
        """Yield the questions once; note time-to-live, gaps and troubles of the answers; cut long record sets."""
        answers = yield tuple(questions)
        for question, answer in zip(questions, answers, strict=True):
            self.ttl = min(self.ttl, max(answer.ttl, SHORTEST_TTL))
            if answer.trouble is not None:
                self.troubles.append(f"{question} ({answer.trouble})")
            elif not answer.records:
                self.absent.append(str(question))
        return [Answer(answer.records[:_MAX_RECORDS], answer.ttl, answer.trouble) for answer in answers]

    def give_up_in_trouble(self) -> None:
        """End the search if the next step would be a weaker one that only trouble leads to (DNS-21)."""
        if self.strict and self.troubles:
            raise self.failure()

    def failure(self) -> ResolutionFailed:
        if self.troubles:
            return ResolutionFailed(
                f"{self.name} could not be looked up: no answer for {_listed(self.troubles)}; "
                "check the network and the name servers",
                absent=False,
            )
        return ResolutionFailed(
            f"{self.name} leads nowhere: there is no {_listed(self.absent)}; "
            "check the spelling of the domain, or name the server",
            absent=True,
        )


def _listed(items: list[str]) -> str:
    return ", ".join(items[:6]) + (f" and {len(items) - 6} more" if len(items) > 6 else "")


def _lookup_name(uri: SipUri) -> str:
    # maddr is what is contacted, the host stays what is asked for (RFC 3263 4).
    return plain_name(uri.params.get("maddr") or uri.host)


def _is_name(name: str) -> bool:
    return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in name.split("."))


def _transports(uri: SipUri, transports: Sequence[Transport]) -> tuple[Transport | None, tuple[Transport, ...]]:
    """The transport that the URI names, and all that may be used for it."""
    enabled = tuple(transport for transport in transports if transport.secure or not uri.secure)
    parameter = uri.params.get("transport")
    explicit: Transport | None = None
    if parameter:
        explicit = (_SIPS_PARAMETERS if uri.secure else _SIP_PARAMETERS).get(parameter.lower())
        enabled = (explicit,) if explicit is not None and explicit in enabled else ()
    if not enabled:
        wanted = f"transport={parameter[:20]!r}" if parameter else "a secure transport" if uri.secure else "a transport"
        have = ", ".join(transport.value for transport in transports) or "none"
        raise ResolutionFailed(
            f"a {uri.scheme} URI wants {wanted} here, and enabled are: {have}; check the URI and the transports",
            absent=True,
        )
    return explicit, enabled


def _service_names(name: str, transports: Iterable[Transport]) -> _Services:
    return tuple((transport, f"{_SRV_PREFIXES[transport]}.{name}") for transport in transports)


def _by_naptr(
    inquiry: _Inquiry, enabled: Sequence[Transport]
) -> Generator[tuple[Question, ...], tuple[Answer, ...], _Services]:
    """What the domain's NAPTR records offer of what we may use, best first."""
    (answer,) = yield from inquiry.ask((Question(inquiry.name, "NAPTR"),))
    inquiry.give_up_in_trouble()
    offers: list[tuple[int, int, Transport, str]] = []
    for record in answer.records:
        if not isinstance(record, Naptr) or record.flags.lower() != "s" or record.regexp:
            continue
        transport = _NAPTR_SERVICES.get(record.service.lower())
        owner = plain_name(record.replacement)
        if transport in enabled and transport is not None and _is_name(owner):
            offers.append((record.order, record.preference, transport, owner))
    inquiry.secured = any(transport.secure for _, _, transport, _ in offers)
    offers.sort(key=lambda offer: offer[:2])
    # Once a record fits, records of another order must not be considered (RFC 3403 4.1).
    return tuple((offer[2], offer[3]) for offer in offers if offer[0] == offers[0][0])[:_MAX_SERVICES]


def _by_services(
    inquiry: _Inquiry, services: _Services, fallback: Transport, random: Random
) -> Generator[tuple[Question, ...], tuple[Answer, ...], list[_Host]]:
    """The hosts behind SRV records, or the domain itself when there are none (RFC 3263 4.2)."""
    answers = yield from inquiry.ask([Question(owner, "SRV") for _, owner in services])
    hosts: list[_Host] = []
    exists = False
    refused: dict[Transport, str] = {}
    for (transport, owner), answer in zip(services, answers, strict=True):
        records = [record for record in answer.records if isinstance(record, Srv)]
        if len(records) == 1 and records[0].target in ("", "."):
            refused[transport] = owner
            continue
        exists = exists or bool(records)
        for record in weighted_order(records, random):
            target = plain_name(record.target)
            if _is_name(target) and 0 < record.port <= 65535:
                hosts.append(_Host(target, record.port, transport))
    if exists:
        inquiry.absent += [] if hosts else [f"usable SRV {owner}" for _, owner in services]
        return hosts[:_MAX_HOSTS]
    inquiry.give_up_in_trouble()
    if fallback in refused:
        # The target "." says "decidedly not available" (RFC 2782): the address must not be tried instead (DNS-11).
        raise ResolutionFailed(
            f"{inquiry.name} offers no {fallback.value}: SRV {refused[fallback]} has the target '.'; "
            "check the domain, or enable another transport",
            absent=not inquiry.troubles,
        )
    return [_Host(inquiry.name, fallback.default_port, fallback)]


def _addresses(
    inquiry: _Inquiry, hosts: Sequence[_Host], families: Families
) -> Generator[tuple[Question, ...], tuple[Answer, ...], tuple[Target, ...]]:
    """Every address of every host, the hosts' order kept (RFC 7984 3.1); hosts without any are left out (DNS-25)."""
    # An address in place of an SRV target's name is wrong (RFC 2782), but seen, and needs no question.
    literals = {host.name: literal for host in hosts if (literal := parse_ip(host.name)) is not None}
    names = dict.fromkeys(host.name for host in hosts if host.name not in literals)
    questions = [Question(name, family) for name in names for family in families]
    found: dict[str, list[str]] = {name: [literal] for name, literal in literals.items()}
    if questions:
        answers = yield from inquiry.ask(questions)
        for question, answer in zip(questions, answers, strict=True):
            addresses = (record.host for record in answer.records if isinstance(record, Address))
            found.setdefault(question.name, []).extend(addresses)
    return tuple(
        dict.fromkeys(
            Target(address, host.port, host.transport, inquiry.name)
            for host in hosts
            for address in found.get(host.name, ())
        )
    )
