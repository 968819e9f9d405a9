"""Requests and responses: read as far as anyone asks, written with every value checked (RFC 3261 section 7)."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, TypeVar

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.address import NameAddr, parse_address, repeated
from aiosipreg.wire.challenge import Challenge, parse_auth_info, read_challenges
from aiosipreg.wire.fields import CSeq, ParamValue, Via, Warning, parse_retry_after
from aiosipreg.wire.grammar import check_text, is_token, parse_seconds
from aiosipreg.wire.headers import Headers
from aiosipreg.wire.lazy import header, lazy
from aiosipreg.wire.params import NO_PARAMS, Params
from aiosipreg.wire.rows import content_length, entries, option_tag, single, top_via

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aiosipreg.wire.uri import OtherUri, SipUri

__all__ = ["Message", "Request", "Response", "read_contacts"]

MAX_CONTACTS: Final = 1000
MAX_ROUTES: Final = 50

_T = TypeVar("_T")


class Message:
    """What requests and responses have in common.

    Attributes:
        headers: The header rows.
        body: The body.
        dropped: How many malformed rows and list entries were left out so far. Lists are read when they are asked for,
            so the number may grow.
        oddities: What was tolerated although it is no good SIP, as short phrases.

    A message cannot be changed. A header that is absent reads as ``None`` or ``()``. One that is malformed raises
    `ParseError` whenever its property is read, and hides nothing else.
    """

    # Without room for weak references: every account keeps an answer.
    __slots__ = ("__dict__",)
    headers: Headers
    body: bytes = b""
    dropped: int = 0
    oddities: tuple[str, ...] = ()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} cannot be changed: build another one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a {type(self).__name__} cannot be changed: build another one")

    @header("Via")
    def via(self, rows: Sequence[str]) -> Via | None:
        """The top Via."""
        return top_via(rows)

    @header("Via", ())
    def vias(self, rows: Sequence[str]) -> tuple[Via, ...]:
        """All Vias from the top; one malformed makes all unreadable, since their number matters (ROB-6)."""
        return (top_via(rows), *[Via.parse(entry) for entry in entries(rows)[1:]])

    @header("CSeq")
    def cseq(self, rows: Sequence[str]) -> CSeq | None:
        """Number and method."""
        return CSeq.parse(single("CSeq", rows))

    @header("Call-ID")
    def call_id(self, rows: Sequence[str]) -> str | None:
        """The Call-ID, octet by octet as sent."""
        return single("Call-ID", rows)

    @header("From")
    def from_(self, rows: Sequence[str]) -> NameAddr | None:
        """The From header."""
        return parse_address(single("From", rows))

    @header("To")
    def to(self, rows: Sequence[str]) -> NameAddr | None:
        """The To header."""
        return parse_address(single("To", rows))

    @lazy
    def contacts(self) -> tuple[NameAddr, ...]:
        """The Contacts, at most 1000; bad entries are left out (ROB-4).

        ``Contact: *`` gives one entry whose ``is_star`` is true. A star beside anything else is an error (GRM-7).
        """
        return read_contacts(self)

    @header("Expires")
    def expires(self, rows: Sequence[str]) -> int | None:
        """The Expires header in seconds; ``None`` also if malformed or doubled (GRM-32, ROB-5)."""
        return self._number(rows, parse_seconds)

    @lazy
    def content_length(self) -> int | None:
        """The announced Content-Length."""
        return content_length(self.headers)

    @header("Require", ())
    def require(self, rows: Sequence[str]) -> tuple[str, ...]:
        """Option tags of Require, in lower case."""
        return self._tags(rows)

    @header("Supported", ())
    def supported(self, rows: Sequence[str]) -> tuple[str, ...]:
        """Option tags of Supported, in lower case."""
        return self._tags(rows)

    @header("Path", ())
    def path(self, rows: Sequence[str]) -> tuple[NameAddr, ...]:
        """The Path entries, at most 50 (RFC 3327)."""
        return self._addresses(rows)

    @header("Feature-Caps", ())
    def feature_caps(self, rows: Sequence[str]) -> tuple[ParamValue, ...]:
        """The Feature-Caps entries (RFC 6809)."""
        return self._each(ParamValue.parse, entries(rows), MAX_ROUTES)

    def __bytes__(self) -> bytes:
        """The message as it travels; Content-Length is always written, as the last row (MSG-10)."""
        lines = [self._start_line()]
        lines += [f"{name}: {value}" for name, value in self.headers.items() if name.lower() not in _LENGTH]
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body

    def _start_line(self) -> str:
        raise NotImplementedError

    def _count(self, dropped: int) -> None:
        self.__dict__["dropped"] = self.dropped + dropped

    def _number(self, rows: Sequence[str], parse: Callable[[str], int | None]) -> int | None:
        value = parse(rows[0]) if len(rows) == 1 else None
        if value is None:
            self._count(1)
        return value

    def _each(self, parse: Callable[[str], _T], entries: list[str], limit: int) -> tuple[_T, ...]:
        values = []
        dropped = 0
        if len(entries) > limit:
            dropped = len(entries) - limit
            del entries[limit:]
        for entry in entries:
            try:
                values.append(parse(entry))
            except ParseError:
                dropped += 1
        if dropped:
            self._count(dropped)
        return tuple(values)

    def _addresses(self, rows: Sequence[str]) -> tuple[NameAddr, ...]:
        return self._each(parse_address, entries(rows), MAX_ROUTES)

    def _tags(self, rows: Sequence[str]) -> tuple[str, ...]:
        return self._each(option_tag, entries(rows), MAX_ROUTES)


def read_contacts(message: Message, likely: SipUri | OtherUri | None = None) -> tuple[NameAddr, ...]:
    """The Contacts of a message, as its ``contacts``; a URI that is written as the ``likely`` one is not read again."""
    row = message.headers.names.get("Contact")
    if likely is not None and isinstance(row, str) and "," not in row and '"' not in row:
        alone = repeated(row, likely)
        if alone is not None:
            return (alone,)
    found = entries(message.headers.rows("Contact"))
    for entry in found:
        if entry[0] == "*" and found != ["*"]:
            raise ParseError(", ".join(found), 0, "'*' alone, without parameters")
    return message._each(partial(NameAddr.parse, likely=likely), found, MAX_CONTACTS)


_LENGTH: Final = ("content-length", "l")
# What a packed response holds beside its octets, if it has any.
_RARE: Final = ("body", "oddities")
# What it holds as octets.
_PACKED: Final = ("status", "reason", "headers")
# What hardly two answers have in common. Most servers write the rest of the headers, such as Server and Allow, behind
# them, and the same to all accounts.
_OWN: Final = frozenset({
    "Via", "From", "To", "Call-ID", "CSeq", "Contact", "Authentication-Info", "Proxy-Authentication-Info",
    "WWW-Authenticate", "Proxy-Authenticate", "P-Associated-URI", "Service-Route", "Path",
})  # fmt: skip
_RESTS: Final = 64
_LONGEST_REST: Final = 1024


@lru_cache(_RESTS)
def _rest(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class Request(Message):
    """A request.

    Attributes:
        method: The method; letter case counts.
        uri: The Request-URI as sent.

    Args:
        method: A token.
        uri: The Request-URI.
        headers: Rows of name and value, in order. Content-Length is computed and need not be given.
        body: The body.

    Raises:
        ConfigError: A control character or line break anywhere (SEC-11), a name that is no token.
    """

    method: str
    uri: str

    def __init__(
        self, method: str, uri: str | SipUri, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> None:
        if not is_token(method):
            raise ConfigError("method", method, "a token such as 'REGISTER'")
        text = check_text("uri", str(uri))
        if not text or " " in text:
            raise ConfigError("uri", text, "a URI without blanks")
        self.__dict__.update(_checked(headers, body), method=method, uri=text)

    @header("Route", ())
    def routes(self, rows: Sequence[str]) -> tuple[NameAddr, ...]:
        """The Route entries, at most 50."""
        return self._addresses(rows)

    def _start_line(self) -> str:
        return f"{self.method} {self.uri} SIP/2.0"

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri}>"


class Response(Message):
    """A response.

    Attributes:
        status: 100 to 699.
        reason: The reason phrase, which decides nothing (MSG-2).

    Args:
        status: 100 to 699.
        reason: The reason phrase.
        headers: Rows of name and value, in order. Content-Length is computed and need not be given.
        body: The body.

    Raises:
        ConfigError: A control character or line break anywhere (SEC-11), a name that is no token.
    """

    __slots__ = ("_octets", "_rest")
    status: int
    reason: str
    _octets: bytes
    _rest: bytes

    def __init__(self, status: int, reason: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> None:
        if not 100 <= status <= 699:
            raise ConfigError("status", status, "a status code from 100 to 699")
        self.__dict__.update(_checked(headers, body), status=status, reason=check_text("reason", reason))

    def pack(self) -> None:
        """Be nothing but octets until somebody reads more; where something was left out nothing is read twice."""
        if self.dropped or "headers" not in self.__dict__ or not (lines := self.headers.lines()):
            return
        # Rows of one name that do not stand together make another cut of it, which is as good but hardly shared.
        end = len(lines)
        for name, row in reversed(self.headers.names.items()):  # type: ignore[call-overload]
            if name in _OWN:
                break
            end -= 1 if isinstance(row, str) else len(row)
        own, rest = "\n".join(lines[:end]), "\n".join(lines[end:])
        if len(rest) > _LONGEST_REST:
            own, rest = "\n".join(lines), ""
        values, change = self.__dict__, object.__setattr__
        text = f"{values['status']} {values['reason']}\n{own}"
        change(self, "_octets", text.encode("utf-8", "surrogateescape"))
        change(self, "_rest", _rest(rest))
        # Without one it takes no room at all.
        object.__delattr__(self, "__dict__")
        if "body" in values or "oddities" in values:
            self.__dict__.update({name: values[name] for name in _RARE if name in values})

    def __getattr__(self, name: str) -> object:
        # Only what is not there gets here.
        if name not in _PACKED:
            raise AttributeError(name)
        start, *lines = b"\n".join([self._octets, self._rest]).decode("utf-8", "surrogateescape").split("\n")
        lines = [line for line in lines if line]  # Either half may be empty.
        status, _, reason = start.partition(" ")
        self.__dict__.update(status=int(status), reason=reason, headers=Headers.of_lines(lines, set())[0])
        object.__delattr__(self, "_octets")
        object.__delattr__(self, "_rest")
        return self.__dict__[name]

    def __getstate__(self) -> dict[str, object]:
        _ = self.headers
        return self.__dict__

    @lazy
    def challenges(self) -> tuple[Challenge, ...]:
        """The challenges of WWW-Authenticate and Proxy-Authenticate rows in their order, at most 20."""
        found, dropped = read_challenges(self.headers)
        if dropped:
            self._count(dropped)
        return found

    @header("Authentication-Info", NO_PARAMS)
    def authentication_info(self, rows: Sequence[str]) -> Params:
        """The directives of Authentication-Info without quotes; empty if absent (RFC 7615)."""
        return parse_auth_info(", ".join(rows))

    @header("Proxy-Authentication-Info", NO_PARAMS)
    def proxy_authentication_info(self, rows: Sequence[str]) -> Params:
        """The directives of Proxy-Authentication-Info without quotes; empty if absent (RFC 7615)."""
        return parse_auth_info(", ".join(rows))

    @header("Min-Expires")
    def min_expires(self, rows: Sequence[str]) -> int | None:
        """Min-Expires in seconds; ``None`` also if malformed or doubled."""
        return self._number(rows, parse_seconds)

    @header("Retry-After")
    def retry_after(self, rows: Sequence[str]) -> int | None:
        """Retry-After in seconds; ``None`` also if malformed or doubled (GRM-31)."""
        return self._number(rows, parse_retry_after)

    @header("Flow-Timer")
    def flow_timer(self, rows: Sequence[str]) -> int | None:
        """Flow-Timer in seconds; ``None`` also if 0, malformed or doubled (GRM-37, RFC 5626)."""
        return self._number(rows, lambda text: parse_seconds(text) or None)

    @header("Service-Route", ())
    def service_route(self, rows: Sequence[str]) -> tuple[NameAddr, ...]:
        """The Service-Route entries in order, at most 50 (RFC 3608)."""
        return self._addresses(rows)

    @header("P-Associated-URI", ())
    def associated_uris(self, rows: Sequence[str]) -> tuple[NameAddr, ...]:
        """The P-Associated-URI entries, at most 50 (RFC 7315)."""
        return self._addresses(rows)

    @header("Unsupported", ())
    def unsupported(self, rows: Sequence[str]) -> tuple[str, ...]:
        """Option tags of Unsupported, in lower case."""
        return self._tags(rows)

    @header("Warning", ())
    def warnings(self, rows: Sequence[str]) -> tuple[Warning, ...]:
        """The Warning entries."""
        return self._each(Warning.parse, entries(rows), MAX_ROUTES)

    @header("Security-Server", ())
    def security_server(self, rows: Sequence[str]) -> tuple[ParamValue, ...]:
        """The Security-Server mechanisms in order (RFC 3329)."""
        return self._each(ParamValue.parse, entries(rows), MAX_ROUTES)

    def _start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"


def _checked(headers: Iterable[tuple[str, str]], body: bytes) -> dict[str, object]:
    rows = []
    for name, value in headers:
        if not is_token(name):
            raise ConfigError("headers", name, "a header name, which is a token")
        if name.lower() not in _LENGTH:
            rows.append((name, check_text(name, value)))
    return {"headers": Headers(rows), "body": bytes(body)}
