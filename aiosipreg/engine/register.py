"""The REGISTER request and what its answer says, as pure functions (RFC 3261 10, RFC 5626 4, RFC 3608)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from aiosipreg.engine.binding import Binding, instance_of, reg_id_of
from aiosipreg.engine.contacts import Purpose, contact_rows, further_contacts, is_secure
from aiosipreg.engine.repairs import NO_CONCESSIONS
from aiosipreg.engine.size import compacted
from aiosipreg.engine.targets import Transport
from aiosipreg.errors import ParseError
from aiosipreg.states import Reason
from aiosipreg.wire import NameAddr, Params, ParamValue, SipUri, is_token
from aiosipreg.wire.message import read_contacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiosipreg.engine.effects import Flow
    from aiosipreg.engine.repairs import Concessions
    from aiosipreg.engine.setup import Setup
    from aiosipreg.params import ProxyParams
    from aiosipreg.wire import OtherUri, Response

__all__ = [
    "NOTHING_FURTHER",
    "Further",
    "Grant",
    "Purpose",
    "RegisterForm",
    "RegisterSeries",
    "mapped_address",
    "read_grant",
]

_MOST_BINDINGS = 100
_PROTOCOLS = {transport: f"SIP/2.0/{transport.value}" for transport in Transport}
# What most answers have none of.
_FURTHER = frozenset({"Service-Route", "Path", "P-Associated-URI", "Feature-Caps"})
_FORMS = 64
_LIFETIMES = 64


@dataclass(frozen=True, slots=True)
class RegisterForm:
    """What requests of the same settings have in common: the same for all accounts of a registrar, and one for all.

    Attributes:
        request_uri: What stands in start line and digest: the registrar (REG-1, AUTH-14), or a strict router.
        lifetime: The lifetime to ask for.
        outbound: Whether outbound is asked for, so that the Contact has a reg-id (OUTB-4, OUTB-12).
        routes: The Route rows.
        tail: The rows at the end, and the empty line.
    """

    request_uri: str
    lifetime: int
    outbound: bool
    routes: str
    tail: str


class RegisterSeries:
    """All REGISTERs that share a Call-ID: one registrar, one growing CSeq (REG-3 to REG-5).

    Attributes:
        call_id: 96 random bits; no host name, no address (SEC-14, SEC-35). The tag of From is the same text, because
            it has to be as random and to change with it (REG-3).
        cseq: The number that was used last.
        params: The settings in force.
        concessions: How far the requests depart from them.
        sender: The URI in From.
        to: The URI in To. Both are sips exactly when all Contacts are (SIPS-3), whatever the settings say of the one.
        form: What follows from settings and concessions.

    Args:
        params: The settings in force.
        setup: What all accounts have in common.
    """

    __slots__ = ("_registrar", "_setup", "call_id", "concessions", "cseq", "form", "params", "sender", "to")

    def __init__(self, params: ProxyParams, setup: Setup) -> None:
        self.concessions = NO_CONCESSIONS
        self._registrar = params.registrar
        self.call_id = setup.random.randbytes(12).hex()
        self.cseq = 0
        self._setup = setup
        self.params = params
        self.sender, self.to = params.sender, params.aor
        self.form = self._formed()

    def adopt(self, params: ProxyParams) -> None:
        """Go on with changed settings under the same Call-ID."""
        self.params = params
        # A request may be out whose answer has to show these schemes; the next one may bring others.
        scheme = self.to.scheme
        self.sender, self.to = params.sender.replace(scheme=scheme), params.aor.replace(scheme=scheme)
        self.form = self._formed()

    def concede(self, concessions: Concessions) -> None:
        """Depart from the settings as far as the registrar wants it."""
        self.concessions = concessions
        self.form = self._formed()

    def ask(self, registrar: SipUri) -> None:
        """Have the next request go to this registrar: another one after a redirect (RDR-4)."""
        if registrar is not self._registrar:
            self._registrar = registrar
            self.form = self._formed()

    def render(
        self,
        purpose: Purpose,
        flow: Flow,
        branch: str,
        *,
        contact: NameAddr,
        lifetime: int,
        authorizations: Iterable[tuple[str, str]] = (),
        stale: Sequence[NameAddr] = (),
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
        params, form = self.params, self.form
        # RFC 6223 4.2.2: offered anew in each request (KA-13).
        keep = ";keep" if self._setup.keepalive.keep else ""
        self._match_schemes(contact)
        rows = contact_rows(params, purpose, contact, lifetime, stale, floor=self.concessions.floor)
        answers = ""
        for name, value in authorizations:
            answers += f"{name}: {value}\r\n"
        text = (
            f"REGISTER {form.request_uri} SIP/2.0\r\n"
            f"Via: {_PROTOCOLS[flow.target.transport]} {flow.sent_by};rport{keep};branch={branch}\r\n"
            f"Max-Forwards: 70\r\n{form.routes}"
            f"From: <{self.sender.text}>;tag={self.call_id}\r\n"
            f"To: <{self.to.text}>\r\n"
            f"Call-ID: {self.call_id}\r\n"
            f"CSeq: {self.cseq} REGISTER\r\n"
            f"{rows}{answers}{form.tail}"
        )
        return (compacted(text) if params.compact else text).encode("utf-8", "surrogateescape")

    def _match_schemes(self, contact: NameAddr) -> None:
        """RFC 5630 5.1.1.1: whether From and To are sips follows from the Contacts."""
        if "sips" not in (self.to.scheme, self.sender.scheme, contact.uri.scheme):
            return
        params = self.params
        scheme = "sips" if all(map(is_secure, (contact, *further_contacts(params, contact)))) else "sip"
        if self.to.scheme != scheme or self.sender.scheme != scheme:
            self.sender, self.to = params.sender.replace(scheme=scheme), params.aor.replace(scheme=scheme)

    def _formed(self) -> RegisterForm:
        params, conceded = self.params, self.concessions
        return _form(
            _as_written(str(self._registrar)),
            params.routes,
            params.loose_routing,
            conceded.lifetime(params),
            conceded.tags(params),
            params.instance_id is not None,
            None if conceded.bare else self._setup.user_agent,
            () if conceded.bare else params.headers,
        )

    def mismatch(self, response: Response, cseq: int) -> str | None:
        """Which header shows that an answer is not to our request with this CSeq, ``None`` if none (MSG-22, SEC-15)."""
        try:
            if response.via is not None and self._is_echo(response, cseq):
                return None
            call_id, number, single = response.call_id, response.cseq, len(response.vias) == 1
            sender, receiver = response.from_, response.to
        except ParseError:
            return "malformed"  # and not what it says: the words are kept as names of counters
        if not single:
            return "Via"
        if call_id != self.call_id:
            return "Call-ID"
        if number is None or number.number != cseq:
            return "CSeq"
        if sender is None or (sender.params.get("tag") or "").lower() != self.call_id:
            return "From"
        return None if receiver is not None and receiver.uri == self.to else "To"

    def _is_echo(self, response: Response, cseq: int) -> bool:
        """Whether all that has to come back did so as it was written, so that there is nothing to read."""
        told = response.headers.names
        receiver, via = told.get("To"), told.get("Via")
        if not isinstance(receiver, str) or not isinstance(via, str):
            return False
        address, _, tag = receiver.partition(";tag=")
        return (
            told.get("Call-ID") == self.call_id
            and told.get("CSeq") == f"{cseq} REGISTER"
            and told.get("From") == f"<{self.sender.text}>;tag={self.call_id}"
            and address == f"<{self.to.text}>"
            and is_token(tag)
            and "," not in via  # which would be another one
        )


@lru_cache(_FORMS)
def _form(
    registrar: str,
    routes: tuple[str, ...],
    loose_routing: bool,
    lifetime: int,
    tags: tuple[str, ...],
    instance: bool,
    user_agent: str | None,
    headers: tuple[tuple[str, str], ...],
) -> RegisterForm:
    if routes and not loose_routing and "lr" not in SipUri.parse(routes[0]).params:
        # The first hop expects to be the Request-URI (RFC 3261 12.2.1.1, REG-30).
        request_uri, routes = routes[0], (*routes[1:], registrar)
    else:
        request_uri = registrar
    outbound = instance and "outbound" in map(str.lower, tags)
    rows = [("Supported", ", ".join(tags))] if tags else []
    rows += [("User-Agent", user_agent)] if user_agent else []
    return RegisterForm(
        request_uri,
        lifetime,
        outbound,
        "".join([f"Route: <{route}>\r\n" for route in routes]),
        "".join([f"{name}: {value}\r\n" for name, value in (*rows, *headers, ("Content-Length", "0"))]) + "\r\n",
    )


@lru_cache(_FORMS)
def _as_written(text: str) -> str:
    """The registrar's URI without what is understood on input and never written: RFC 5630 3.1.4, RFC 7118 5.2."""
    registrar = SipUri.parse(text)
    transport = registrar.params.get("transport")
    if transport is not None and (transport := transport.lower()) in ("tls", "wss"):
        params = {name: value for name, value in registrar.params.items() if name != "transport"}
        registrar = registrar.replace(params={**params, "transport": "ws"} if transport == "wss" else params)
    return str(registrar)


class Further(NamedTuple):
    """What a 2xx may say besides, for as long as the binding lives.

    Attributes:
        service_route: Route for other requests (RFC 3608), in order.
        path: The way of requests to us, as the registrar noted it (RFC 3327).
        associated_uris: Further addresses of the user; nobody says that they are registered (RFC 7315).
        feature_caps: What servers on the way can do for this binding (RFC 6809).
    """

    service_route: tuple[NameAddr, ...] = ()
    path: tuple[NameAddr, ...] = ()
    associated_uris: tuple[NameAddr, ...] = ()
    feature_caps: tuple[ParamValue, ...] = ()


NOTHING_FURTHER: Final = Further()
"""What most say: one for all accounts."""


class Grant(NamedTuple):
    """What a 2xx says (REG-12 to REG-17).

    Attributes:
        binding: Our own binding; ``None`` when the registrar granted no lifetime.
        bindings: All that the registrar listed, ours included.
        doubt: `Reason.CONTACT_MISMATCH` when ours had to be guessed, else `Reason.NONE`.
        listed: Whether our own Contact was found in the list.
        public: Host and port that the far end saw, from ``received`` and ``rport`` of our Via (NAT-2).
        further: What else it says.
    """

    binding: Binding | None
    bindings: tuple[Binding, ...] = ()
    doubt: Reason = Reason.NONE
    listed: bool = False
    public: tuple[str, int] | None = None
    further: Further = NOTHING_FURTHER


def read_grant(
    response: Response,
    contact: NameAddr,
    requested: float,
    sent_at: float,
    flow: Flow,
    before: NameAddr | None = None,
) -> Grant:
    """Read a 2xx to a REGISTER.

    Args:
        response: The answer.
        contact: Our Contact as sent.
        requested: Lifetime of a Contact for which the answer names none (REG-13).
        sent_at: When the request was first sent; lifetimes count from there (REG-17).
        flow: Where it was sent.
        before: Our Contact as it was listed before.
    """
    public = mapped_address(response, flow)
    if before is not None and _repeats(response, before, contact):
        again = _binding(before, response, requested, sent_at)
        return Grant(again if again.expires > 0 else None, (again,), listed=True, public=public)
    listed = read_contacts(response, contact.uri)
    found = [_binding(entry, response, requested, sent_at) for entry in listed if isinstance(entry.uri, SipUri)]
    bindings = tuple(found[:_MOST_BINDINGS])
    own = ours = _own(found, contact, public)
    doubt = Reason.NONE
    if own is None:
        # REG-14: some registrars rewrite the Contact, some confirm without a list; a lone entry can only be ours.
        own = found[0] if len(found) == 1 else _binding(contact, response, requested, sent_at)
        doubt = Reason.CONTACT_MISMATCH
    grant = Grant(own if own.expires > 0 else None, bindings, doubt, ours is not None, public)
    if _FURTHER.isdisjoint(response.headers.names):
        return grant
    further = Further(response.service_route, response.path, response.associated_uris, response.feature_caps)
    return grant._replace(further=further)


def _repeats(response: Response, before: NameAddr, contact: NameAddr) -> bool:
    """Whether an answer lists what we sent, alone and as it was written before, and says nothing further."""
    names, params = response.headers.names, before.params
    if before.uri is not contact.uri or not isinstance(params, Params):
        return False
    return names.get("Contact") == f"<{before.uri.text}>{params.text}" and _FURTHER.isdisjoint(names)


def mapped_address(response: Response, flow: Flow) -> tuple[str, int] | None:
    """Host and port that the far end saw us at, ``None`` if it did not say or saw what we know (RFC 3581 4).

    ``None`` over WebSocket too: nobody reaches us there but by the connection (RFC 7118 5).
    """
    via = response.via
    if via is None or flow.port is None:
        return None
    params = via.params
    if params.get("received") in (None, flow.host) and params.get("rport") in (None, str(flow.port)):
        return None
    # A registrar with one socket for both families sees IPv4 through IPv6.
    seen = ((via.received or flow.host).removeprefix("::ffff:"), via.rport or flow.port)
    return None if seen == (flow.host, flow.port) else seen


# Registrars grant the same few lifetimes to all accounts, each of which keeps one.
_seconds = lru_cache(_LIFETIMES)(float)


def _binding(entry: NameAddr, response: Response, requested: float, sent_at: float) -> Binding:
    lifetime = entry.expires
    if lifetime is None:
        lifetime = response.expires
    expires = _seconds(lifetime) if lifetime is not None else requested
    return Binding(entry, expires, sent_at + expires)


def _own(bindings: Sequence[Binding], contact: NameAddr, public: tuple[str, int] | None) -> Binding | None:
    """Our entry in the registrar's list (REG-12), also with its address rewritten to the public one (REG-14)."""
    ours: list[Binding] = []
    if "+sip.instance" in contact.params and (instance := instance_of(contact).lower()):
        ours = [binding for binding in bindings if (binding.instance_id or "").lower() == instance]
        # A registrar without outbound may not give the reg-id back; then the address has to tell.
        reg_id = reg_id_of(contact)
        ours = [binding for binding in ours if binding.reg_id == reg_id] or ours
    for binding in ours or bindings:
        if binding.contact.uri is contact.uri or binding.contact.uri == contact.uri:
            return binding
    rewritten = _rewritten(contact.uri, public)
    for binding in ours or bindings:
        if binding.contact.uri == rewritten:
            return binding
    # Without reg-id a registrar may keep what we registered before a change of address; the newest lives longest.
    return max(ours, key=lambda binding: binding.expires, default=None)


def _rewritten(uri: SipUri | OtherUri, public: tuple[str, int] | None) -> SipUri | None:
    """Our address as a registrar may list it that corrects it to what it saw."""
    return uri.replace(host=public[0], port=public[1]) if public is not None and isinstance(uri, SipUri) else None
