"""What every answer of the test registrar has in common: where it goes and what it repeats (RFC 3261 8.2.6, 18.2)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, TypeAlias

from aiosipreg.wire import ParseError, Response, SipUri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiosipreg.testing.bindings import StoredBinding
    from aiosipreg.testing.flow import Flow
    from aiosipreg.testing.network import Address
    from aiosipreg.wire import OtherUri, Request, Via

__all__ = ["ExpiresIn", "address_of_record", "complete", "destination", "expiry_headers", "phrase"]

ExpiresIn: TypeAlias = Literal["contact", "header", "both"]
"""Where a 200 says how long a binding lasts: the ``expires`` parameter of Contact, the Expires header, or both."""

_DEFAULT_PORT = 5060


_PHRASES = {
    200: "OK",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    420: "Bad Extension",
    423: "Interval Too Brief",
    439: "First Hop Lacks Outbound Support",
    480: "Temporarily Unavailable",
    500: "Server Internal Error",
    503: "Service Unavailable",
}


def phrase(status: int) -> str:
    """The usual reason phrase of a status code."""
    return _PHRASES.get(status, "Scripted")


def address_of_record(uri: SipUri | OtherUri) -> str:
    """The key of an address-of-record: no parameters, no escapes, host in lower case (RFC 3261 10.3 step 5).

    Args:
        uri: URI of a To header.
    """
    if not isinstance(uri, SipUri):
        return str(uri)
    user = "" if uri.user is None else f"{uri.user}@"
    host = f"[{uri.host}]" if ":" in uri.host else uri.host.lower()
    port = "" if uri.port is None else f":{uri.port}"
    return f"{uri.scheme}:{user}{host}{port}"


def destination(via: Via, flow: Flow) -> Address:
    """Where an answer goes: back over its connection; over UDP to the source port if ``rport`` asked for that.

    RFC 3261 18.2.2 and RFC 3581 4.

    Args:
        via: The top Via of the request, as received.
        flow: Where the request came from.
    """
    if flow.transport != "udp" or "rport" in via.params:
        return flow.peer
    return (flow.peer[0], via.port or _DEFAULT_PORT)


def complete(request: Request, response: Response, source: Address, tag: str, keep: int | None = None) -> Response:
    """A response with the headers that every response repeats from its request, unless it has them already.

    Args:
        request: What is answered.
        response: The answer, perhaps without Via, From, To, Call-ID or CSeq.
        source: Where the request came from, for the ``received`` and ``rport`` of the top Via.
        tag: The tag that To gets when the request had none.
        keep: Seconds between keep-alives, for the ``keep`` of the top Via of a 2xx, if the client asked (RFC 6223).
    """
    repeated: list[tuple[str, str]] = []
    if "Via" not in response.headers:
        repeated += [("Via", row) for row in _vias(request, source, keep if 200 <= response.status < 300 else None)]
    for name in ("From", "To", "Call-ID", "CSeq"):
        value = request.headers.get(name)
        if name in response.headers or value is None:
            continue
        if name == "To" and _lacks_tag(request):
            value = f"{value};tag={tag}"
        repeated.append((name, value))
    return Response(response.status, response.reason, [*repeated, *response.headers.items()], response.body)


def _lacks_tag(request: Request) -> bool:
    try:
        return request.to is not None and request.to.tag is None
    except ParseError:
        return False


def _vias(request: Request, source: Address, keep: int | None) -> list[str]:
    top, *others = request.vias
    asked = "rport" in top.params
    params = {name: value for name, value in top.params.items() if name not in ("rport", "received")}
    if keep is not None and "keep" in params:
        params["keep"] = str(keep)
    text = str(dataclasses.replace(top, params=params))
    # RFC 3581 4: an asked-for rport brings received along even if the sent-by says the same.
    if asked or top.host != source[0]:
        text = f"{text};received={source[0]}"
    if asked:
        text = f"{text};rport={source[1]}"
    return [text, *map(str, others)]


def expiry_headers(
    bindings: Sequence[StoredBinding], expires_in: ExpiresIn, now: float, *, gruu: bool = False
) -> list[tuple[str, str]]:
    """The Contact rows of a 200, and its Expires header (RFC 3261 10.3 step 8).

    Args:
        bindings: All current bindings of the address-of-record.
        expires_in: Where the lifetimes are written. The header has room for the shortest one only.
        now: The time in seconds.
        gruu: Whether the contacts say their GRUUs (RFC 5627 5.3).
    """
    headers = [("Contact", _entry(binding, expires_in, now, gruu)) for binding in bindings]
    if expires_in != "contact":
        shortest = min((binding.remaining(now) for binding in bindings), default=0)
        headers.append(("Expires", str(shortest)))
    return headers


def _entry(binding: StoredBinding, expires_in: ExpiresIn, now: float, gruu: bool) -> str:
    # What a client says of its GRUUs counts for nothing (RFC 5627 5.1).
    ours = ("expires", "pub-gruu", "temp-gruu")
    params = {name: value for name, value in binding.contact.params.items() if name not in ours}
    if gruu and binding.pub_gruu is not None:
        params |= {"pub-gruu": binding.pub_gruu, "temp-gruu": binding.temp_gruu}
    if expires_in != "header":
        params["expires"] = str(binding.remaining(now))
    return str(dataclasses.replace(binding.contact, params=params))
