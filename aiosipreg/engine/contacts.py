"""The Contacts of a REGISTER: our address on a flow, further ones, and those that are taken back (RFC 3261 10.2.1)."""

from __future__ import annotations

import enum
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aiosipreg.engine.targets import Transport
from aiosipreg.params import ExpiresIn, are_twins
from aiosipreg.wire import NameAddr, SipUri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiosipreg.engine.effects import Flow
    from aiosipreg.params import ProxyParams

__all__ = ["Purpose", "contact_address", "contact_rows", "further_contacts", "is_secure"]

# RFC 5630 3.1.4 knows no `tls`, RFC 7118 5.2 no `wss`; UDP is what nothing means.
_WRITTEN: Final = {Transport.TCP: "tcp", Transport.WS: "ws", Transport.WSS: "ws"}


class Purpose(enum.Enum):
    """What a REGISTER is for."""

    REGISTER = "register"
    REMOVE = "remove"
    """Take our own binding away (RFC 3261 10.2.2)."""
    CLEAR = "clear"
    """Take every binding of the address-of-record away: ``Contact: *`` (REG-23)."""
    FETCH = "fetch"
    """Ask for the list and change nothing (RFC 3261 10.2.3)."""


def contact_rows(
    params: ProxyParams,
    purpose: Purpose,
    contact: NameAddr,
    lifetime: int,
    stale: Sequence[NameAddr] = (),
    *,
    floor: int = 0,
) -> str:
    """The rows of Contact and Expires, each with its line end.

    Args:
        params: The account's settings, which say where the lifetime stands (REG-8) and name further Contacts.
        purpose: What the request is for.
        contact: Our own Contact.
        lifetime: Wished lifetime in seconds.
        stale: Contacts that are taken back.
        floor: The shortest lifetime that the registrar takes.
    """
    if purpose is Purpose.FETCH:
        return ""
    if purpose is Purpose.CLEAR:
        return "Contact: *\r\nExpires: 0\r\n"
    where = params.lifetime_in
    in_contact = where is ExpiresIn.BOTH or where is ExpiresIn.CONTACT
    in_header = where is ExpiresIn.BOTH or where is ExpiresIn.HEADER
    further = params.further_contacts
    if purpose is Purpose.REMOVE:
        lifetime, further = 0, ()
        # A removal that does not say so would be a registration.
        in_header = in_header or not in_contact
    until = f";expires={lifetime}" if in_contact else ""
    rows = _row(contact, until)
    if further:
        rows += "".join([_row(_lasting(entry, floor), until) for entry in further_contacts(params, contact)])
    if stale:
        rows += "".join([f"Contact: <{entry.uri}>;expires=0\r\n" for entry in stale])
    return f"{rows}Expires: {lifetime}\r\n" if in_header else rows


def _row(entry: NameAddr, until: str) -> str:
    return f"Contact: {entry}{'' if 'expires' in entry.params else until}\r\n"


def further_contacts(params: ProxyParams, contact: NameAddr) -> tuple[NameAddr, ...]:
    """The further Contacts that stand beside ours: none that is ours with sip for sips, or the reverse.

    SIPS-4: who is reached by one scheme is reached by the other, so one contact is never registered with both.
    """
    if not params.further_contacts:
        return ()
    return tuple(entry for entry in params.further_contacts if not are_twins(entry, contact))


def _lasting(entry: NameAddr, floor: int) -> NameAddr:
    """A further Contact with a lifetime of its own, which is at least what the registrar insists on (REG-27)."""
    own = entry.expires
    return entry if own is None else replace(entry, params={**entry.params, "expires": str(max(own, floor))})


def is_secure(entry: NameAddr) -> bool:
    """Whether a Contact is a sips URI."""
    return isinstance(entry.uri, SipUri) and entry.uri.secure


def contact_address(
    params: ProxyParams,
    flow: Flow,
    public: tuple[str, int] | None = None,
    *,
    push: bool = True,
    reg_id: int | None = None,
) -> NameAddr:
    """Our Contact on this flow (REG-11).

    Args:
        params: The account's settings.
        flow: The flow that requests to us shall take.
        public: Host and port that the registrar sees instead of our own (NAT-3).
        push: Whether the parameters of push notification are left in (PUSH-9).
        reg_id: Tells the flows of an instance apart (RFC 5626 4.2.1); ``None`` without outbound.
    """
    host, port = public if public is not None and flow.port is not None else (flow.host, flow.port)
    uri_params, header_params = params.contact_uri_params, params.contact_params
    if not push:
        uri_params = {name: value for name, value in uri_params.items() if not name.lower().startswith("pn-")}
    written = _WRITTEN.get(flow.target.transport)
    if written is not None:
        uri_params = {**uri_params, "transport": written}
    first_hop = params.routes[0] if params.routes else ""
    secure = params.registrar.secure or params.aor.secure or first_hop[:5].lower() == "sips:"
    # REG-10; the user part keeps the escapes it was given with (GRM-48).
    uri = params.aor.at("sips" if secure else "sip", host, port, uri_params)
    if params.instance_id is not None:
        header_params = {**header_params, "+sip.instance": f"<{params.instance_id}>"}
    if reg_id is not None:
        header_params = {**header_params, "reg-id": str(reg_id)}
    return NameAddr(uri=uri, params=header_params)
