"""Writing a REGISTER, beside an f-string that gives the same octets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiosipreg import ProxyParams
from aiosipreg.engine.contacts import Purpose
from benchmarks.measure import compare, looped
from benchmarks.samples import AUTHORIZATION, BRANCH, CONTACT, FLOW, PARAMS, USER_AGENT, series

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Effort, Figure

__all__ = ["formatted", "measured", "rendered"]

_series = series()
_ACCOUNT = "toto", "sip.titi.com", FLOW.host, FLOW.port, PARAMS.expires


def measured(effort: Effort) -> list[Figure]:
    pieces: dict[str, Callable[[], object]] = {
        "f-string of a REGISTER": partial(formatted, 7),
        "a REGISTER": rendered,
        "f-string of one with Authorization": partial(formatted, 7, AUTHORIZATION),
        "one with Authorization": partial(rendered, AUTHORIZATION),
        "settings of an account, checked": partial(ProxyParams, "sip:toto@sip.titi.com", server="192.0.2.1:5060"),
    }
    names = list(pieces)
    works = {name: looped(piece, effort.loops) for name, piece in pieces.items()}
    limits = {names[1]: names[0], names[3]: names[2], names[4]: names[0]}
    return compare("build", works, effort.runs, limits=limits)


def rendered(authorization: str | None = None) -> bytes:
    """The next REGISTER."""
    return _series.render(
        Purpose.REGISTER,
        FLOW,
        BRANCH,
        contact=CONTACT,
        lifetime=PARAMS.expires,
        authorizations=[] if authorization is None else [("Authorization", authorization)],
    )


def formatted(cseq: int, authorization: str | None = None) -> bytes:
    """The same octets by the shortest way there is."""
    user, domain, host, port, expires = _ACCOUNT
    credentials = "" if authorization is None else f"Authorization: {authorization}\r\n"
    return (
        f"REGISTER sip:{domain} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {host}:{port};rport;branch={BRANCH}\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:{user}@{domain}>;tag={_series.call_id}\r\n"
        f"To: <sip:{user}@{domain}>\r\n"
        f"Call-ID: {_series.call_id}\r\n"
        f"CSeq: {cseq} REGISTER\r\n"
        f"Contact: <sip:{user}@{host}:{port}>;expires={expires}\r\n"
        f"Expires: {expires}\r\n"
        f"{credentials}"
        "Supported: path\r\n"
        f"User-Agent: {USER_AGENT}\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()
