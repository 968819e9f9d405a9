"""What an account can be and what is told about it (floor 0): states, reasons, events."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from aiosipreg.engine.register import Binding
    from aiosipreg.proxy import ProxyConfig

__all__ = ["Reason", "RegistrationEvent", "RegistrationState"]


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
    """The registrar confirmed the removal."""
    FAILED = "Failed"
    """No valid binding, and the last attempt failed."""

    def __str__(self) -> str:
        return self.value


class Reason(enum.Enum):
    """Why an account is in its state: liblinphone's list, and what a registration client needs beyond it."""

    NONE = "none"
    NO_RESPONSE = "no_response"
    FORBIDDEN = "forbidden"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    DECLINED = "declined"
    BUSY = "busy"
    UNSUPPORTED_CONTENT = "unsupported_content"
    BAD_EVENT = "bad_event"
    DO_NOT_DISTURB = "do_not_disturb"
    NOT_ACCEPTABLE = "not_acceptable"
    NO_MATCH = "no_match"
    MOVED_PERMANENTLY = "moved_permanently"
    GONE = "gone"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    ADDRESS_INCOMPLETE = "address_incomplete"
    NOT_IMPLEMENTED = "not_implemented"
    BAD_GATEWAY = "bad_gateway"
    SERVER_TIMEOUT = "server_timeout"
    CONDITIONAL_REQUEST_FAILED = "conditional_request_failed"
    IO_ERROR = "io_error"
    DNS_ERROR = "dns_error"
    TLS_ERROR = "tls_error"
    SERVICE_UNAVAILABLE = "service_unavailable"
    REDIRECT_REFUSED = "redirect_refused"
    BINDING_NOT_CREATED = "binding_not_created"
    INTERVAL_TOO_BRIEF = "interval_too_brief"
    BAD_RESPONSE = "bad_response"
    NETWORK_DOWN = "network_down"
    EXPIRED = "expired"
    REJECTED = "rejected"
    AUTH_UNAVAILABLE = "auth_unavailable"
    AUTH_PROVIDER_FAILED = "auth_provider_failed"
    UNCONFIRMED = "unconfirmed"
    CONTACT_MISMATCH = "contact_mismatch"
    INTERNAL = "internal"

    @classmethod
    def from_status(cls, status: int) -> Self:
        """The reason that stands for a SIP status code, as liblinphone maps them.

        Args:
            status: A final SIP status code, 200 to 699.
        """
        if 200 <= status < 300:
            return cls(Reason.NONE)
        return cls(_BY_STATUS.get(status, Reason.REJECTED))


_BY_STATUS = {
    301: Reason.MOVED_PERMANENTLY,
    401: Reason.UNAUTHORIZED,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    407: Reason.UNAUTHORIZED,
    408: Reason.NO_RESPONSE,
    410: Reason.GONE,
    412: Reason.CONDITIONAL_REQUEST_FAILED,
    415: Reason.UNSUPPORTED_CONTENT,
    423: Reason.INTERVAL_TOO_BRIEF,
    480: Reason.TEMPORARILY_UNAVAILABLE,
    481: Reason.NO_MATCH,
    484: Reason.ADDRESS_INCOMPLETE,
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
        proxy_config: The account.
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
        at: When it happened, in ``loop.time()``.
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
    at: float = 0.0
    missed: int = 0
