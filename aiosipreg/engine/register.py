"""The REGISTER request and what its answer says, as pure functions (RFC 3261 10, RFC 5626 4, RFC 3608)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiosipreg.engine.contacts import Purpose, contact_rows, further_contacts, is_secure
from aiosipreg.engine.repairs import Concessions
from aiosipreg.engine.size import compacted
from aiosipreg.errors import ParseError
from aiosipreg.states import Reason
from aiosipreg.wire import NameAddr, SipUri, is_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

    from aiosipreg.engine.effects import Flow
    from aiosipreg.params import ProxyParams
    from aiosipreg.wire import ParamValue, Response

__all__ = ["Binding", "Grant", "Purpose", "RegisterSeries", "mapped_address", "read_grant"]

_MOST_BINDINGS = 100


@dataclass(frozen=True, slots=True)
class Binding:
    """One Contact that a registrar holds for an address-of-record.

    Attributes:
        contact: The Contact as the registrar wrote it.
        expires: Granted lifetime in seconds.
        expires_at: End of the lifetime in ``loop.time()``, counted from when the request was sent (REG-17).
        q: Preference among several contacts, 0 to 1.
        instance_id: ``+sip.instance`` without quotes and brackets.
        reg_id: ``reg-id``.
        pub_gruu: Public GRUU, if the registrar gave one.
        temp_gruu: Temporary GRUU, if the registrar gave one.
        params: All parameters of the Contact.
    """

    contact: NameAddr
    expires: float
    expires_at: float
    q: float | None = None
    instance_id: str | None = None
    reg_id: int | None = None
    pub_gruu: str | None = None
    temp_gruu: str | None = None
    params: Mapping[str, str | None] = field(default_factory=dict, hash=False)


class RegisterSeries:
    """All REGISTERs that share a Call-ID: one registrar, one growing CSeq (REG-3 to REG-5).

    Attributes:
        call_id: 96 random bits; no host name, no address (SEC-14, SEC-35).
        from_tag: 64 random bits.
        cseq: The number that was used last.
        params: The settings in force.
        concessions: How far the requests depart from them.
        sender: The URI in From.
        to: The URI in To. Both are sips exactly when all Contacts are (SIPS-3), whatever the settings say of the one.
        outbound: Whether outbound is asked for, so that the Contact has a reg-id (OUTB-4, OUTB-12).
        registrar: The Request-URI; another one after a redirect (RDR-4).

    Args:
        params: The settings in force.
        user_agent: The User-Agent header; ``None`` leaves it out.
        random: Secure randomness.
        keep: Offer ``keep`` in the Via (RFC 6223).
    """

    __slots__ = (
        "_tail", "_user_agent", "_via", "call_id", "concessions", "cseq", "from_tag", "outbound", "params",
        "registrar", "sender", "to",
    )  # fmt: skip

    def __init__(self, params: ProxyParams, *, user_agent: str | None, random: Random, keep: bool = False) -> None:
        self.concessions = Concessions()
        self.registrar = params.registrar
        self.call_id = f"{random.getrandbits(96):024x}"
        self.from_tag = f"{random.getrandbits(64):016x}"
        self.cseq = 0
        self._user_agent = user_agent
        # RFC 6223 4.2.2: offered anew in each request (KA-13).
        self._via = ";rport;keep" if keep else ";rport"
        self.adopt(params)

    def adopt(self, params: ProxyParams) -> None:
        """Go on with changed settings under the same Call-ID."""
        self.params = params
        self.sender, self.to = params.sender, params.aor
        self._tail = self._fixed_headers()

    def concede(self, concessions: Concessions) -> None:
        """Depart from the settings as far as the registrar wants it."""
        self.concessions = concessions
        self._tail = self._fixed_headers()

    def render(
        self,
        purpose: Purpose,
        flow: Flow,
        branch: str,
        *,
        contact: NameAddr,
        lifetime: int,
        authorizations: Iterable[tuple[str, str]] = (),
        stale: Iterable[NameAddr] = (),
    ) -> bytes:
        """The next REGISTER of the series, CSeq raised by one.

        Args:
            purpose: What it is for.
            flow: Where it will be sent.
            branch: The branch of its transaction.
            contact: Our Contact address.
            lifetime: Wished lifetime in seconds.
            authorizations: Header names and values that answer challenges.
            stale: Earlier Contacts of ours, removed by the same request (NAT-3, REG-35).
        """
        self.cseq += 1
        params = self.params
        self._match_schemes(contact)
        lines = [
            f"REGISTER {self.request_uri} SIP/2.0",
            f"Via: SIP/2.0/{flow.target.transport.value} {flow.sent_by}{self._via};branch={branch}",
            "Max-Forwards: 70",
            *(f"Route: <{route}>" for route in self._routes()),
            f"From: <{self.sender}>;tag={self.from_tag}",
            f"To: <{self.to}>",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} REGISTER",
            *contact_rows(params, purpose, contact, lifetime, stale, floor=self.concessions.floor),
        ]
        lines.extend(f"{name}: {value}" for name, value in authorizations)
        message = "\r\n".join(lines) + self._tail
        return (compacted(message) if params.compact else message).encode("utf-8", "surrogateescape")

    def _match_schemes(self, contact: NameAddr) -> None:
        """RFC 5630 5.1.1.1: whether From and To are sips follows from the Contacts."""
        if not (self.to.secure or self.sender.secure or is_secure(contact)):
            return
        params = self.params
        scheme = "sips" if all(map(is_secure, (contact, *further_contacts(params, contact)))) else "sip"
        if self.to.scheme != scheme or self.sender.scheme != scheme:
            self.sender, self.to = params.sender.replace(scheme=scheme), params.aor.replace(scheme=scheme)

    @property
    def request_uri(self) -> str:
        """The URI in the start line and in the digest: the registrar's (REG-1, AUTH-14), or a strict router's."""
        return self.params.routes[0] if self._strict else _as_written(self.registrar)

    @property
    def _strict(self) -> bool:
        """Whether the first hop expects to be the Request-URI (RFC 3261 12.2.1.1, REG-30)."""
        routes = self.params.routes
        return not self.params.loose_routing and bool(routes) and "lr" not in SipUri.parse(routes[0]).params

    def _routes(self) -> tuple[str, ...]:
        routes = self.params.routes
        return (*routes[1:], _as_written(self.registrar)) if self._strict else routes

    def _fixed_headers(self) -> str:
        """The headers that stay the same for hours, and the end of the message."""
        params, lines = self.params, [""]
        tags = self.concessions.tags(params)
        self.outbound = params.instance_id is not None and "outbound" in map(str.lower, tags)
        if tags:
            lines.append(f"Supported: {', '.join(tags)}")
        if not self.concessions.bare:
            if self._user_agent:
                lines.append(f"User-Agent: {self._user_agent}")
            lines.extend(f"{name}: {value}" for name, value in params.headers)
        lines.append("Content-Length: 0\r\n\r\n")
        return "\r\n".join(lines)

    def mismatch(self, response: Response, cseq: int) -> str | None:
        """Which header shows that an answer is not to our request with this CSeq, ``None`` if none (MSG-22, SEC-15)."""
        try:
            call_id, number, single = response.call_id, response.cseq, len(response.vias) == 1
            from_us, to_us = self._is_from_us(response), self._is_to_us(response)
        except ParseError:
            return "malformed"  # and not what it says: the words are kept as names of counters
        if not single:
            return "Via"
        if call_id != self.call_id:
            return "Call-ID"
        if number is None or number.number != cseq:
            return "CSeq"
        if not from_us:
            return "From"
        return None if to_us else "To"

    def _is_from_us(self, response: Response) -> bool:
        if response.headers.get_all("From") == (f"<{self.sender}>;tag={self.from_tag}",):
            # As it was sent, so there is nothing to read.
            return True
        sender = response.from_
        return sender is not None and (sender.params.get("tag") or "").lower() == self.from_tag

    def _is_to_us(self, response: Response) -> bool:
        address, _, tag = ", ".join(response.headers.get_all("To")).partition(";tag=")
        if address == f"<{self.to}>" and is_token(tag):
            return True
        receiver = response.to
        return receiver is not None and receiver.uri == self.to


def _as_written(registrar: SipUri) -> str:
    """The registrar's URI without what is understood on input and never written: RFC 5630 3.1.4, RFC 7118 5.2."""
    transport = (registrar.params.get("transport") or "").lower()
    if transport in ("tls", "wss"):
        params = {name: value for name, value in registrar.params.items() if name != "transport"}
        registrar = registrar.replace(params={**params, "transport": "ws"} if transport == "wss" else params)
    return str(registrar)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a 2xx says (REG-12 to REG-17).

    Attributes:
        binding: Our own binding; ``None`` when the registrar granted no lifetime.
        bindings: All that the registrar listed, ours included.
        doubt: `Reason.CONTACT_MISMATCH` when ours had to be guessed, else `Reason.NONE`.
        listed: Whether our own Contact was found in the list.
        service_route: Route for other requests (RFC 3608), in order.
        path: The Path that the registrar stored.
        associated_uris: P-Associated-URI.
        feature_caps: What the servers on the way can do for this binding (RFC 6809).
        public: Host and port that the far end saw, from ``received`` and ``rport`` of our Via (NAT-2).
    """

    binding: Binding | None
    bindings: tuple[Binding, ...] = ()
    doubt: Reason = Reason.NONE
    listed: bool = False
    service_route: tuple[NameAddr, ...] = ()
    path: tuple[NameAddr, ...] = ()
    associated_uris: tuple[NameAddr, ...] = ()
    feature_caps: tuple[ParamValue, ...] = ()
    public: tuple[str, int] | None = None


def read_grant(response: Response, contact: NameAddr, requested: float, sent_at: float, flow: Flow) -> Grant:
    """Read a 2xx to a REGISTER.

    Args:
        response: The answer.
        contact: Our Contact as sent.
        requested: Lifetime of a Contact for which the answer names none (REG-13).
        sent_at: When the request was first sent; lifetimes count from there (REG-17).
        flow: Where it was sent.
    """
    header = response.expires
    rest = float(header) if header is not None else requested
    bindings = tuple(_binding(entry, rest, sent_at) for entry in response.contacts if isinstance(entry.uri, SipUri))
    public = mapped_address(response, flow)
    own = _own(bindings, contact, public)
    listed, doubt = own is not None, Reason.NONE
    if own is None:
        # REG-14: some registrars rewrite the Contact, some confirm without a list; a lone entry can only be ours.
        own = bindings[0] if len(bindings) == 1 else _binding(contact, rest, sent_at)
        doubt = Reason.CONTACT_MISMATCH
    return Grant(
        own if own.expires > 0 else None,
        bindings[:_MOST_BINDINGS],
        doubt,
        listed,
        response.service_route,
        response.path,
        response.associated_uris,
        response.feature_caps,
        public,
    )


def mapped_address(response: Response, flow: Flow) -> tuple[str, int] | None:
    """Host and port that the far end saw us at, ``None`` if it did not say or saw what we know (RFC 3581 4).

    ``None`` over WebSocket too: nobody reaches us there but by the connection (RFC 7118 5).
    """
    via = response.via
    if via is None or flow.port is None:
        return None
    # A registrar with one socket for both families sees IPv4 through IPv6.
    seen = ((via.received or flow.host).removeprefix("::ffff:"), via.rport or flow.port)
    return None if seen == (flow.host, flow.port) else seen


def _binding(entry: NameAddr, otherwise: float, sent_at: float) -> Binding:
    params = entry.params
    lifetime = entry.expires
    expires = float(lifetime) if lifetime is not None else otherwise
    return Binding(
        entry,
        expires,
        sent_at + expires,
        entry.q,
        _instance(entry) or None,
        _reg_id(params.get("reg-id") or ""),
        params.get("pub-gruu"),
        params.get("temp-gruu"),
        params,
    )


def _instance(entry: NameAddr) -> str:
    return (entry.params.get("+sip.instance") or "").removeprefix("<").removesuffix(">")


def _reg_id(text: str) -> int | None:
    # RFC 5626 10: ten digits at most; thousands of them would be more than int() takes.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def _own(bindings: tuple[Binding, ...], contact: NameAddr, public: tuple[str, int] | None) -> Binding | None:
    """Our entry in the registrar's list (REG-12), also with its address rewritten to the public one (REG-14)."""
    instance = _instance(contact).lower()
    ours = [binding for binding in bindings if instance and (binding.instance_id or "").lower() == instance]
    # A registrar without outbound may not give the reg-id back; then the address has to tell.
    reg_id = _reg_id(contact.params.get("reg-id") or "")
    ours = [binding for binding in ours if binding.reg_id == reg_id] or ours
    addresses = [contact.uri]
    if public is not None and isinstance(contact.uri, SipUri):
        addresses.append(contact.uri.replace(host=public[0], port=public[1]))
    for address in addresses:
        for binding in ours or bindings:
            if binding.contact.uri == address:
                return binding
    # Without reg-id a registrar may keep what we registered before a change of address; the newest lives longest.
    return max(ours, key=lambda binding: binding.expires, default=None)
