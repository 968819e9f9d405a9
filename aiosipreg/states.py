"""What an account can be and what is told about it (floor 0): states, reasons, events."""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosipreg.engine.binding import Binding
    from aiosipreg.engine.change import Changed
    from aiosipreg.proxy import ProxyConfig

__all__ = ["OutboundFlow", "Reason", "RegistrationEvent", "RegistrationState", "worded"]


class RegistrationState(enum.Enum):
    """The six states of liblinphone's proxy configuration, with the guards of our own state table."""

    NONE = "None"
    """Nothing attempted, or given up without proof of removal."""
    PROGRESS = "Progress"
    """The first registration, or the removal, is running."""
    OK = "Ok"
    """The binding is believed to be in place."""
    REFRESHING = "Refreshing"
    """A binding is in place and is being renewed, or waits for the next try at that."""
    CLEARED = "Cleared"
    """Unregistered: the registrar confirmed the removal, or there was nothing to remove."""
    FAILED = "Failed"
    """No valid binding, and the last attempt failed."""

    # There is one of each; that of enum hashes the name anew each time, in Python.
    __hash__ = object.__hash__

    def __str__(self) -> str:
        return self.value


class Reason(enum.Enum):
    """Why an account is in its state: liblinphone's list, and what a registration client needs beyond it."""

    NONE = "none"
    """Nothing went wrong."""
    NO_RESPONSE = "no_response"
    """No server answered in time."""
    FORBIDDEN = "forbidden"
    """The server forbids the registration."""
    UNAUTHORIZED = "unauthorized"
    """The server refused the credentials."""
    NOT_FOUND = "not_found"
    """The server does not know the address-of-record."""
    DECLINED = "declined"
    """The server declines."""
    BUSY = "busy"
    """The server says busy, which makes no sense to a REGISTER."""
    UNSUPPORTED_CONTENT = "unsupported_content"
    """The server does not take the body of the request."""
    BAD_EVENT = "bad_event"
    """The server speaks of an event package, which makes no sense to a REGISTER."""
    DO_NOT_DISTURB = "do_not_disturb"
    """The server says busy everywhere."""
    NOT_ACCEPTABLE = "not_acceptable"
    """The server does not accept the request."""
    NO_MATCH = "no_match"
    """The server knows no such transaction."""
    MOVED_PERMANENTLY = "moved_permanently"
    """The registrar is elsewhere, where the account may not follow."""
    GONE = "gone"
    """The address-of-record is gone."""
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    """The server cannot answer now."""
    ADDRESS_INCOMPLETE = "address_incomplete"
    """The address-of-record is incomplete or ambiguous."""
    NOT_IMPLEMENTED = "not_implemented"
    """The server does not know REGISTER."""
    BAD_GATEWAY = "bad_gateway"
    """A server further on gave a bad answer."""
    SERVER_TIMEOUT = "server_timeout"
    """A server further on gave no answer."""
    CONDITIONAL_REQUEST_FAILED = "conditional_request_failed"
    """A condition of the request was not met."""
    IO_ERROR = "io_error"
    """No server could be reached, or the way to it broke."""
    DNS_ERROR = "dns_error"
    """The server's name leads nowhere, or the name server does not answer."""
    TLS_ERROR = "tls_error"
    """No secure connection came to be."""
    SERVICE_UNAVAILABLE = "service_unavailable"
    """The server is overloaded or down."""
    REDIRECT_REFUSED = "redirect_refused"
    """The server sent the account where it may not follow."""
    BINDING_NOT_CREATED = "binding_not_created"
    """The server agreed, but granted no lifetime."""
    INTERVAL_TOO_BRIEF = "interval_too_brief"
    """The server finds every lifetime too short."""
    BAD_RESPONSE = "bad_response"
    """The server calls the request malformed."""
    NETWORK_DOWN = "network_down"
    """The application said that there is no network."""
    EXPIRED = "expired"
    """The binding ran out before it could be renewed."""
    REJECTED = "rejected"
    """The server refused, for another reason."""
    REMOVED_BY_OTHER = "removed_by_other"
    """Somebody else removed the binding."""
    REGISTER_STORM = "register_storm"
    """Attempts were asked for so often that they have to wait."""
    AUTH_UNAVAILABLE = "auth_unavailable"
    """There are no credentials that answer the challenge."""
    AUTH_PROVIDER_FAILED = "auth_provider_failed"
    """The credentials provider raised, or took too long."""
    AUTH_DOWNGRADE = "auth_downgrade"
    """The server, or somebody on the way, asks for weaker authentication than it did before."""
    REALM_MISMATCH = "realm_mismatch"
    """The realm that asks for the password has nothing to do with the names in the server's certificate."""
    SERVER_NOT_AUTHENTICATED = "server_not_authenticated"
    """The server did not prove that it knows the secret: the proof that it sent is wrong."""
    UNCONFIRMED = "unconfirmed"
    """The server agreed to the removal, but still lists our Contact."""
    CONTACT_MISMATCH = "contact_mismatch"
    """The server agreed, but does not list our Contact as it was sent."""
    UNEXPECTED_PROXY = "unexpected_proxy"
    """Requests to us come through a proxy that the settings do not name."""
    INTERNAL = "internal"
    """An error in this package; its log shows it."""

    __hash__ = object.__hash__

    def __str__(self) -> str:
        return self.value

    @classmethod
    def from_status(cls, status: int) -> Self:
        """The reason that stands for a SIP status code, as liblinphone maps them.

        Args:
            status: A final SIP status code, 200 to 699.
        """
        if 200 <= status < 300:
            return cls(Reason.NONE)
        return cls(_BY_STATUS.get(status, Reason.REDIRECT_REFUSED if status < 400 else Reason.REJECTED))


_BY_STATUS = {
    300: Reason.REDIRECT_REFUSED,
    301: Reason.MOVED_PERMANENTLY,
    302: Reason.REDIRECT_REFUSED,
    305: Reason.REDIRECT_REFUSED,
    380: Reason.REDIRECT_REFUSED,
    400: Reason.BAD_RESPONSE,
    401: Reason.UNAUTHORIZED,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    407: Reason.UNAUTHORIZED,
    408: Reason.NO_RESPONSE,
    410: Reason.GONE,
    412: Reason.CONDITIONAL_REQUEST_FAILED,
    415: Reason.UNSUPPORTED_CONTENT,
    423: Reason.INTERVAL_TOO_BRIEF,
    430: Reason.IO_ERROR,
    480: Reason.TEMPORARILY_UNAVAILABLE,
    481: Reason.NO_MATCH,
    484: Reason.ADDRESS_INCOMPLETE,
    485: Reason.ADDRESS_INCOMPLETE,
    486: Reason.BUSY,
    488: Reason.NOT_ACCEPTABLE,
    489: Reason.BAD_EVENT,
    491: Reason.TEMPORARILY_UNAVAILABLE,
    501: Reason.NOT_IMPLEMENTED,
    502: Reason.BAD_GATEWAY,
    503: Reason.SERVICE_UNAVAILABLE,
    504: Reason.SERVER_TIMEOUT,
    600: Reason.DO_NOT_DISTURB,
    603: Reason.DECLINED,
    604: Reason.NOT_FOUND,
    606: Reason.NOT_ACCEPTABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationEvent:
    """One change of an account's state, or of what it waits for (REG-40).

    Attributes:
        proxy_config: The account; ``None`` in an event that was pickled, because it stays in its process.
        identity: Its address-of-record when this happened, as text.
        server: Its registrar or proxy when this happened, as text.
        old: The state before.
        state: The state now.
        reason: Why, in one word; ``Reason.NONE`` when nothing went wrong.
        status: SIP status code that caused it, 0 when none did.
        phrase: Reason phrase of that answer, escaped and cut: network text.
        warnings: Texts of its Warning headers, escaped and cut: network text.
        message: A sentence for people: what happened and what to do.
        binding: The binding in place, ``None`` without one.
        expires_at: End of the binding in ``loop.time()``.
        retry_at: Next automatic attempt in ``loop.time()``; ``None`` in FAILED means: not retried by itself.
        retry_after: What the server asked for in its Retry-After header, in seconds.
        target: Where the last request went (``udp:192.0.2.1:5060``).
        unverified: A refusal for good that anybody on the way could have forged, because it came unprotected; a changed
            network is a reason to try again all the same (SEC-17).
        at: When it happened, in ``loop.time()``.
        flow: The reg-id of the flow that this happened to, where an account has several (RFC 5626): the state, the
            binding and the times are those of the account all the same. ``None`` for an account with one flow.
        missed: How many events this reader lost just before this one because it fell behind.
    """

    proxy_config: ProxyConfig
    identity: str
    server: str
    old: RegistrationState
    state: RegistrationState
    reason: Reason = Reason.NONE
    status: int = 0
    phrase: str = ""
    warnings: tuple[str, ...] = ()
    message: str = ""
    binding: Binding | None = None
    expires_at: float | None = None
    retry_at: float | None = None
    retry_after: float | None = None
    target: str | None = None
    unverified: bool = False
    at: float = 0.0
    flow: int | None = None
    missed: int = 0

    def __reduce__(self) -> tuple[Callable[[], RegistrationEvent], tuple[()]]:
        # SEC-9: behind the account stand its secrets. Not by __getstate__, which dataclasses of Python 3.11.2 replace.
        kept = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return partial(RegistrationEvent, **{**kept, "proxy_config": None}), ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundFlow:
    """Where one flow of an account stands (RFC 5626); an account without outbound proxies has one.

    Attributes:
        reg_id: Its number among the flows of the account, from 1.
        server: The proxy that it leads to, or the registrar.
        state: Its state.
        outbound: Whether the registrar bound our Contact to it; ``None`` before the registrar's first word about that.
        binding: Its binding, ``None`` without one.
        target: Where its connection leads (``tls:192.0.2.1:5061``), ``None`` while there is none.
        retry_at: When it is tried again, in ``loop.time()``; ``None`` when it is not.
        failures: How many attempts came to nothing, one after the other.
    """

    reg_id: int
    server: str
    state: RegistrationState
    outbound: bool | None
    binding: Binding | None
    target: str | None
    retry_at: float | None
    failures: int


def worded(account: ProxyConfig, changed: Changed, at: float) -> RegistrationEvent:
    """The event that shows a change; made when somebody wants to see it.

    Args:
        account: The account.
        changed: What happened.
        at: When, in ``loop.time()``.
    """
    told = {name: getattr(changed, name) for name in _TOLD}
    return RegistrationEvent(proxy_config=account, at=at, **told)


# All but what the change does not know.
_UNKNOWN = ("proxy_config", "at", "missed")
_TOLD = tuple(entry.name for entry in fields(RegistrationEvent) if entry.name not in _UNKNOWN)
