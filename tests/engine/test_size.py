"""Requests that are too large for a datagram go by TCP, and by UDP where that is not there (TRA-2 to TRA-4)."""

from __future__ import annotations

from typing import Any

import pytest

from aiosipreg.engine.effects import Connect
from aiosipreg.engine.size import LARGEST_DATAGRAM, compacted, stream_for
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.params import ProxyParams
from aiosipreg.states import RegistrationState
from aiosipreg.wire import SipUri
from tests.engine.driver import IDENTITY, START, Driver, params, target

OK, FAILED = RegistrationState.OK, RegistrationState.FAILED
UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
HOP = SipUri.parse("sip:example.org")


def padded(octets: int, *, compact: bool = False, **options: Any) -> Driver:
    """An account whose first REGISTER has so many octets over UDP, unless it is made compact."""
    probe = Driver(params(headers=(("X-Pad", "x"),), udp_only=True))
    probe.register()
    more = octets - len(bytes(probe.last.request)) + 1
    return Driver(params(headers=(("X-Pad", "x" * more),), compact=compact), **options)


@pytest.mark.parametrize(
    ("transport", "hop", "udp_only", "moved"),
    [
        (UDP, "sip:example.org", False, True),
        (UDP, "sip:example.org:5070", False, True),
        (UDP, "sip:example.org", True, False),
        (UDP, "sip:example.org;transport=udp", False, False),
        (TCP, "sip:example.org", False, False),
        (TLS, "sips:example.org", False, False),
    ],
)
def test_TRA_2_TRA_4_which_requests_go_by_tcp(transport: Transport, hop: str, udp_only: bool, moved: bool) -> None:
    there = Target("192.0.2.1", 5070, transport, "example.org")
    stream = stream_for(there, SipUri.parse(hop), ProxyParams(IDENTITY, udp_only=udp_only))
    assert stream == (Target("192.0.2.1", 5070, TCP, "example.org") if moved else None)


@pytest.mark.parametrize(("octets", "transport"), [(LARGEST_DATAGRAM, UDP), (LARGEST_DATAGRAM + 1, TCP)])
def test_TRA_2_the_via_and_the_contact_follow(octets: int, transport: Transport) -> None:
    driver = padded(octets)
    driver.register()
    (sent,) = driver.requests
    assert sent.flow.target == target(transport=transport)
    assert sent.request.via is not None
    assert sent.request.via.transport == transport.value
    assert sent.request.cseq is not None
    assert sent.request.cseq.number == 1
    assert (";transport=tcp" in str(sent.request.contacts[0].uri)) is (transport is TCP)
    driver.ok()
    assert driver.state is OK


def test_TRA_2_the_binding_stays_where_it_was_made() -> None:
    driver = padded(LARGEST_DATAGRAM + 1)
    driver.register()
    driver.ok()
    driver.refresh()
    assert driver.last.flow.target.transport is TCP
    assert driver.questions[Connect] == 3
    driver.ok()
    driver.unregister()
    assert driver.last.flow.target.transport is TCP


def test_TRA_2_a_request_may_grow_by_its_credentials() -> None:
    driver = padded(LARGEST_DATAGRAM - 50)
    driver.register()
    assert driver.last.flow.target.transport is UDP
    driver.challenged()
    assert (driver.last.flow.target.transport, driver.last.authorized) == (TCP, True)
    assert driver.event.target is None or "tcp" in driver.event.target
    driver.ok()
    assert driver.event.target == "tcp:192.0.2.1:5060"


@pytest.mark.parametrize("row", ["RSP-REF", "RSP-CLOSE"])
def test_TRA_3_where_tcp_is_refused_it_stays_with_udp(row: str) -> None:
    driver = padded(LARGEST_DATAGRAM + 1)
    driver.by_hand.add(Connect)
    driver.register()
    driver.connect()
    assert isinstance(driver.question, Connect)
    assert driver.question.target == target(transport=TCP)
    assert driver.sent == []
    driver.not_connected("Connection refused", row)
    assert (driver.last.flow.target, driver.now) == (target(), START)
    driver.challenged()
    assert driver.question is None
    assert driver.last.flow.target == target()
    driver.ok()
    assert driver.state is OK


def test_TRA_3_each_target_is_asked_for_tcp() -> None:
    driver = padded(LARGEST_DATAGRAM + 1, targets=[target(1), target(2)])
    driver.by_hand.add(Connect)
    driver.register()
    driver.connect()
    driver.not_connected("Connection refused")
    assert driver.last.flow.target == target(1)
    driver.lost()
    driver.connect()
    assert isinstance(driver.question, Connect)
    assert driver.question.target == target(2, transport=TCP)
    driver.connect()
    assert driver.last.flow.target == target(2, transport=TCP)


def test_TRA_3_no_way_to_the_next_target_is_no_reason_to_go_back() -> None:
    driver = padded(LARGEST_DATAGRAM + 1, targets=[target(1), target(2)])
    driver.by_hand.add(Connect)
    driver.register()
    driver.connect()
    driver.not_connected("Connection refused")
    driver.lost()
    driver.not_connected("Network is unreachable")
    assert driver.state is FAILED
    assert len(driver.requests) == 1


def test_TRA_3_a_connection_that_is_lost_before_the_answer_is_made_anew() -> None:
    driver = padded(LARGEST_DATAGRAM + 1)
    driver.register()
    driver.flow_lost()
    assert [sent.flow.target.transport for sent in driver.requests] == [TCP, TCP]
    driver.ok()
    assert driver.state is OK


@pytest.mark.parametrize(("compact", "transport"), [(False, TCP), (True, UDP)])
def test_MSG_8_a_compact_request_stays_in_a_datagram_for_longer(compact: bool, transport: Transport) -> None:
    driver = padded(LARGEST_DATAGRAM + 30, compact=compact)
    driver.register()
    assert driver.last.flow.target.transport is transport
    driver.challenged()
    driver.ok()
    assert driver.state is OK


def test_MSG_8_names_with_a_compact_form_have_it_and_values_stay() -> None:
    assert compacted(
        "REGISTER sip:example.org SIP/2.0\r\n"
        "Via: SIP/2.0/UDP h;branch=z9hG4bKb\r\n"
        "Max-Forwards: 70\r\n"
        "From: <sip:toto@example.org>;tag=1\r\n"
        "To: <sip:toto@example.org>\r\n"
        "Call-ID: 1\r\n"
        "CSeq: 1 REGISTER\r\n"
        "Contact: *\r\n"
        "Expires: 0\r\n"
        "Supported: path\r\n"
        "subject: Via: From:\r\n"
        "X-From: a:b\r\n"
        "Content-Length: 0\r\n\r\n"
    ) == (
        "REGISTER sip:example.org SIP/2.0\r\n"
        "v: SIP/2.0/UDP h;branch=z9hG4bKb\r\n"
        "Max-Forwards: 70\r\n"
        "f: <sip:toto@example.org>;tag=1\r\n"
        "t: <sip:toto@example.org>\r\n"
        "i: 1\r\n"
        "CSeq: 1 REGISTER\r\n"
        "m: *\r\n"
        "Expires: 0\r\n"
        "k: path\r\n"
        "s: Via: From:\r\n"
        "X-From: a:b\r\n"
        "l: 0\r\n\r\n"
    )
