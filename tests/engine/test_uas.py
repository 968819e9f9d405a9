"""Requests from the network: what is answered, how, and how much."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.engine.timers import SipTimers
from aiosipreg.engine.uas import IncomingRequest, UserAgentServer
from aiosipreg.errors import ParseError
from aiosipreg.wire import Request, Response, parse_message

PEER = ("192.0.2.10", 5060)
ROWS: dict[str, str | None] = {
    "Via": "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1",
    "From": "<sip:registrar@example.org>;tag=1",
    "To": "<sip:toto@198.51.100.7:5070>",
    "Call-ID": "abc@192.0.2.10",
    "CSeq": "102 OPTIONS",
    "Max-Forwards": "70",
}


def request(method: str = "OPTIONS", uri: str = "sip:toto@198.51.100.7:5070", **rows: str | None) -> Request:
    """A request as it comes off the wire; a keyword replaces a row, ``None`` leaves it out."""
    given = ROWS | {"CSeq": f"102 {method}"}
    given |= {name.replace("_", "-"): value for name, value in rows.items()}
    text = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value is not None)
    return parse(f"{method} {uri} SIP/2.0\r\n{text}\r\n")


def parse(text: str) -> Request:
    message = parse_message(text.encode("utf-8", "surrogateescape"))
    assert isinstance(message, Request)
    return message


def server(accounts: int = 1) -> UserAgentServer:
    return UserAgentServer(SipTimers(), lambda user: user == "toto", lambda: accounts, Random(1))


def taken(
    subject: UserAgentServer, message: Request, now: float = 0.0, source: tuple[str, int] = PEER
) -> IncomingRequest:
    incoming = subject.received(message, source, now)
    assert isinstance(incoming, IncomingRequest)
    return incoming


def answer(message: Request, source: tuple[str, int] = PEER) -> Response:
    subject = server()
    return subject.default(taken(subject, message, source=source))


def rows(response: Response, name: str) -> tuple[str, ...]:
    return response.headers.get_all(name)


# Default answers


@pytest.mark.parametrize("scheme", ["sip", "sips"])
def test_SIPS_4_whoever_registered_sips_is_asked_by_both_schemes(scheme: str) -> None:
    assert answer(request(uri=f"{scheme}:toto@198.51.100.7:5061")).status == 200


@pytest.mark.parametrize(
    ("method", "status", "phrase"),
    [
        ("OPTIONS", 200, "OK"),
        ("INVITE", 405, "Method Not Allowed"),
        ("BYE", 405, "Method Not Allowed"),
        ("MESSAGE", 405, "Method Not Allowed"),
        ("REGISTER", 405, "Method Not Allowed"),
        ("INFO", 405, "Method Not Allowed"),
        ("REFER", 405, "Method Not Allowed"),
        ("UPDATE", 405, "Method Not Allowed"),
        ("PRACK", 405, "Method Not Allowed"),
        ("PUBLISH", 489, "Bad Event"),
        ("SUBSCRIBE", 489, "Bad Event"),
        ("NOTIFY", 489, "Bad Event"),
        ("CANCEL", 481, "Call/Transaction Does Not Exist"),
        ("options", 501, "Not Implemented"),
        ("NEWMETHOD", 501, "Not Implemented"),
    ],
)
def test_TRA_17_answer_of_each_method(method: str, status: int, phrase: str) -> None:
    response = answer(request(method))
    assert (response.status, response.reason) == (status, phrase)
    assert response.headers.get("Allow") == ("OPTIONS, NOTIFY" if status in (200, 405, 501) else None)
    assert response.headers.get("Allow-Events") == ("reg" if status == 489 else None)
    assert response.headers.get("Supported") == ("path" if status == 200 else None)
    assert response.headers.get("Accept") == ("application/sdp" if status == 200 else None)


@pytest.mark.parametrize(
    ("method", "uri", "status"),
    [
        ("OPTIONS", "sip:198.51.100.7:5070", 200),
        ("OPTIONS", "sips:toto@example.org;transport=tcp", 200),
        ("OPTIONS", "sip:titi@198.51.100.7:5070", 404),
        ("OPTIONS", "sip:TOTO@198.51.100.7:5070", 404),
        ("OPTIONS", "tel:+1234", 404),
        ("OPTIONS", "nonsense", 404),
        ("INVITE", "sip:titi@198.51.100.7:5070", 404),
        ("NEWMETHOD", "sip:titi@198.51.100.7:5070", 404),
        ("NOTIFY", "sip:titi@198.51.100.7:5070", 481),
    ],
)
def test_SEC_28_what_is_not_ours_is_never_forwarded(method: str, uri: str, status: int) -> None:
    response = answer(request(method, uri))
    assert response.status == status
    assert (response.reason == "Not Found") == (status == 404)


@pytest.mark.parametrize(
    ("event", "status"),
    [("reg", 481), ("Reg;id=1", 481), ("message-summary", 489), ("registration", 489), ("", 489), (None, 489)],
)
def test_EVT_5_notify_without_subscription(event: str | None, status: int) -> None:
    assert answer(request("NOTIFY", Event=event)).status == status
    assert answer(request("NOTIFY", o=event)).status == status


# What is copied


def test_TRA_17_answer_copies_what_it_must() -> None:
    subject = server()
    incoming = taken(subject, request(From="<sip:a@h>;tag=7", Call_ID="x y"))
    response = incoming.response(202, "Accepted", [("X-A", "1")], b"body")
    assert response.headers.items() == (
        ("Via", "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1;received=192.0.2.10"),
        ("From", "<sip:a@h>;tag=7"),
        ("To", f"<sip:toto@198.51.100.7:5070>;tag={incoming.to_tag}"),
        ("Call-ID", "x y"),
        ("CSeq", "102 OPTIONS"),
        ("X-A", "1"),
    )
    assert (response.status, response.reason, response.body) == (202, "Accepted", b"body")


def test_SEC_14_to_tag_is_64_random_bits() -> None:
    subject = server()
    tags = [taken(subject, request(CSeq=f"{number} OPTIONS"), float(number)).to_tag for number in range(200)]
    assert len(set(tags)) == 200
    assert all(len(tag) == 16 and int(tag, 16) >= 0 for tag in tags)


@pytest.mark.parametrize(
    ("to", "copied"),
    [
        ("<sip:toto@h>;tag=old", "<sip:toto@h>;tag=old"),
        ("<sip:toto@h> ; TAG = old", "<sip:toto@h> ; TAG = old"),
        ("sip:toto@h", "sip:toto@h;tag={}"),
        ('";tag=x" <sip:toto@h>', '";tag=x" <sip:toto@h>;tag={}'),
        ("<sip:toto@h;tag=uri>", "<sip:toto@h;tag=uri>;tag={}"),
    ],
)
def test_TRA_17_to_gets_a_tag_unless_it_has_one(to: str, copied: str) -> None:
    incoming = taken(server(), request(To=to))
    assert incoming.response(200, "OK").headers.get("To") == copied.format(incoming.to_tag)


@pytest.mark.parametrize(
    ("via", "source", "copied"),
    [
        ("SIP/2.0/UDP h;branch=z1", PEER, ("SIP/2.0/UDP h;branch=z1;received=192.0.2.10",)),
        ("SIP/2.0/UDP h;rport;branch=z1", PEER, ("SIP/2.0/UDP h;branch=z1;received=192.0.2.10;rport=5060",)),
        (
            "SIP/2.0/UDP h ; RPort = 7 ; branch = z1",
            PEER,
            ("SIP/2.0/UDP h;branch = z1;received=192.0.2.10;rport=5060",),
        ),
        ("SIP/2.0/UDP h;received=9.9.9.9;branch=z1", PEER, ("SIP/2.0/UDP h;branch=z1;received=192.0.2.10",)),
        ('SIP/2.0/UDP h;x=",;rport";branch=z1', PEER, ('SIP/2.0/UDP h;x=",;rport";branch=z1;received=192.0.2.10',)),
        ("SIP/2.0/UDP h;branch=z1", ("2001:db8::1", 5060), ("SIP/2.0/UDP h;branch=z1;received=2001:db8::1",)),
        (
            "SIP/2.0/UDP a;rport;branch=z1, SIP/2.0/UDP b;rport;branch=z2\r\nVia: SIP/2.0/TCP c;rport;branch=z3",
            PEER,
            (
                "SIP/2.0/UDP a;branch=z1;received=192.0.2.10;rport=5060, SIP/2.0/UDP b;rport;branch=z2",
                "SIP/2.0/TCP c;rport;branch=z3",
            ),
        ),
    ],
)
def test_NAT_1_top_via_says_where_the_request_came_from(
    via: str, source: tuple[str, int], copied: tuple[str, ...]
) -> None:
    response = answer(request(Via=via), source)
    assert rows(response, "Via") == copied


def test_MSG_7_compact_names_in_any_order() -> None:
    message = parse(
        "OPTIONS sip:toto@h SIP/2.0\r\nt: <sip:toto@h>\r\nf: <sip:a@h>;tag=1\r\ni: abc\r\nCSeq: 1 OPTIONS\r\n"
        "v: SIP/2.0/UDP h;rport;branch=z1\r\nl: 0\r\n\r\n"
    )
    response = answer(message)
    assert rows(response, "Via") == ("SIP/2.0/UDP h;branch=z1;received=192.0.2.10;rport=5060",)
    assert response.headers.get("From") == "<sip:a@h>;tag=1"
    assert response.call_id == "abc"
    assert response.via is not None
    assert (response.via.received, response.via.rport) == PEER


def test_MSG_4_tabs_and_folds_are_blanks() -> None:
    message = request(From='"Bob"\t<sip:a@h>;\r\n\ttag=1', Via="SIP/2.0/UDP\th;branch=z1")
    response = answer(message)
    assert response.headers.get("From") == '"Bob" <sip:a@h>; tag=1'
    assert rows(response, "Via") == ("SIP/2.0/UDP h;branch=z1;received=192.0.2.10",)


def test_GRM_26_octets_of_unknown_encoding_return_as_they_came() -> None:
    name = b"K\xf6ln".decode("utf-8", "surrogateescape")
    response = answer(request(From=f'"{name}" <sip:a@h>;tag=1'))
    assert b'From: "K\xf6ln" <sip:a@h>;tag=1\r\n' in bytes(response)


# What gets no answer


@pytest.mark.parametrize(
    "rows",
    [
        {"Via": None},
        {"Via": "nonsense"},
        {"From": None},
        {"From": "<sip:a@h"},
        {"To": None},
        {"To": ""},
        {"Call_ID": None},
        {"Call_ID": ""},
        {"CSeq": None},
        {"CSeq": "x OPTIONS"},
        {"CSeq": "1 OPTIONS\r\nCSeq: 1 OPTIONS"},
        {"Call_ID": "a\r\ni: b"},
        {"Call_ID": '"a\tb"'},
        {"From": '"a\x00b" <sip:a@h>;tag=1'},
        {"To": '"a\x1bb" <sip:toto@h>'},
        {"Via": 'SIP/2.0/UDP h;branch=z1;x="\x07"'},
        {"Via": "SIP/2.0/UDP h;branch=z1\r\nVia: \x01"},
    ],
)
def test_TRA_17_what_cannot_be_answered_is_malformed(rows: dict[str, Any]) -> None:
    assert server().received(request(**rows), PEER, 0.0) == "malformed"


def test_TRA_17_ack_is_ignored() -> None:
    assert server().received(request("ACK"), PEER, 0.0) == "no answer wanted"


@pytest.mark.parametrize(
    "host",
    ["224.0.1.75", "230.1.2.3", "239.255.255.255", "255.255.255.255", "[ff02::1]", "[FF0E::1]", "[ff02::1]:5060"],
)
def test_SEC_26_groups_are_not_answered(host: str) -> None:
    message = request(Via=f"SIP/2.0/UDP {host};branch=z9hG4bK1")
    assert server().received(message, PEER, 0.0) == "no answer wanted"


@pytest.mark.parametrize("host", ["224.example.org", "255.example.org", "223.255.255.255", "240.0.0.1", "[fe80::1]"])
def test_SEC_26_names_that_look_like_groups_are_hosts(host: str) -> None:
    assert taken(server(), request(Via=f"SIP/2.0/UDP {host};branch=z9hG4bK1"))


# Repeats


def test_TRA_17_repeat_gets_the_same_answer() -> None:
    subject = server()
    incoming = taken(subject, request())
    data = subject.answered(incoming, subject.default(incoming), 0.0)
    assert data is not None
    assert [subject.received(request(), PEER, now) for now in (0.5, 10.0, 31.9)] == [data] * 3
    assert taken(subject, request(), 32.0)


def test_TRA_17_absorbing_lasts_64_t1() -> None:
    subject = UserAgentServer(SipTimers(t1=1), lambda user: True, lambda: 1, Random(1))
    incoming = taken(subject, request())
    data = subject.answered(incoming, subject.default(incoming), 10.0)
    assert subject.received(request(), PEER, 73.9) == data
    assert taken(subject, request(), 74.0)


def test_TRA_17_repeat_before_the_answer_waits_for_it() -> None:
    subject = server()
    incoming = taken(subject, request())
    assert subject.received(request(), PEER, 0.5) == "repeated"
    data = subject.answered(incoming, subject.default(incoming), 1.0)
    assert subject.received(request(), PEER, 1.5) == data


@pytest.mark.parametrize(
    ("message", "source"),
    [
        (request("INFO"), PEER),
        (request(Via="SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK2"), PEER),
        (request(CSeq="103 OPTIONS"), PEER),
        (request(), ("192.0.2.10", 5061)),
        (request(), ("192.0.2.11", 5060)),
    ],
)
def test_TRA_17_another_request_is_no_repeat(message: Request, source: tuple[str, int]) -> None:
    subject = server()
    incoming = taken(subject, request())
    subject.answered(incoming, subject.default(incoming), 0.0)
    assert taken(subject, message, 0.5, source)


def test_GRM_17_branches_compare_without_case() -> None:
    subject = server()
    taken(subject, request())
    assert subject.received(request(Via="SIP/2.0/UDP h;branch=Z9HG4BK1"), PEER, 0.5) == "repeated"


def test_TRA_17_requests_of_old_without_branch_are_told_apart_by_their_number() -> None:
    subject = server()
    old = {"Via": "SIP/2.0/UDP 192.0.2.10"}
    taken(subject, request(**old))
    assert subject.received(request(**old), PEER, 0.5) == "repeated"
    assert taken(subject, request(**old, CSeq="103 OPTIONS"), 1.5)
    assert taken(subject, request(**old, Call_ID="other"), 1.5)


def test_answers_are_remembered_for_a_thousand_requests() -> None:
    subject = server()
    for number in range(1001):
        message = request(CSeq=f"{number} OPTIONS")
        incoming = taken(subject, message, number / 100, (f"192.0.2.{number % 200}", 5060))
        subject.answered(incoming, subject.default(incoming), number / 100)
    # The answers to 1 to 1000 are known; asking for the oldest pushes out the next.
    assert isinstance(subject.received(request(CSeq="1 OPTIONS"), ("192.0.2.1", 5060), 11.0), bytes)
    assert isinstance(subject.received(request(CSeq="0 OPTIONS"), ("192.0.2.0", 5060), 11.0), IncomingRequest)
    assert isinstance(subject.received(request(CSeq="1 OPTIONS"), ("192.0.2.1", 5060), 11.0), IncomingRequest)


# Floods


def burst(
    subject: UserAgentServer, count: int, now: float, host: str = "192.0.2.10", start: int = 0, serial: int = 0
) -> int:
    """How many of that many different requests are taken."""
    results = [
        subject.received(request(CSeq=f"{start + number} OPTIONS"), (host, 5060 + serial), now, serial)
        for number in range(count)
    ]
    assert {result for result in results if isinstance(result, str)} <= {"flood"}
    return sum(isinstance(result, IncomingRequest) for result in results)


def test_SEC_26_twenty_answers_a_second_for_each_peer() -> None:
    subject = server()
    assert burst(subject, 100, 7.0) == 20
    assert burst(subject, 100, 7.9, "192.0.2.11") == 20
    assert burst(subject, 100, 8.0, start=100) == 20


def test_SEC_26_twenty_answers_a_second_for_each_connection() -> None:
    subject = server()
    assert [burst(subject, 100, 7.0, serial=serial) for serial in (1, 2, 0)] == [20, 20, 20]
    assert burst(subject, 100, 8.0, serial=1, start=100) == 20
    assert sum(burst(subject, 20, 9.0, serial=serial, start=200) for serial in range(1, 20)) == 200


def test_SEC_26_two_hundred_answers_a_second_in_all() -> None:
    subject = server()
    assert sum(burst(subject, 20, 7.0, f"192.0.2.{number}") for number in range(20)) == 200
    assert burst(subject, 20, 8.0) == 20


def test_SEC_26_registrar_may_look_after_every_account_each_second() -> None:
    subject = server(accounts=250)
    assert burst(subject, 300, 7.0) == 250
    assert burst(subject, 20, 7.5, "192.0.2.11") == 0
    assert burst(server(accounts=50), 100, 7.0) == 50


def test_SEC_26_one_peer_cannot_use_up_what_belongs_to_all() -> None:
    subject = server()
    assert burst(subject, 1000, 7.0) == 20
    assert burst(subject, 20, 7.5, "192.0.2.11") == 20


def test_SEC_26_repeats_are_answers_too() -> None:
    subject = server()
    incoming = taken(subject, request(), 7.0)
    data = subject.answered(incoming, subject.default(incoming), 7.0)
    results = [subject.received(request(), PEER, 7.5) for _ in range(100)]
    assert results == [data] * 19 + ["flood"] * 81


def test_SEC_26_answer_of_more_than_three_times_the_request_is_not_sent() -> None:
    subject = server()
    message = request()
    incoming = taken(subject, message)
    limit = 3 * len(bytes(message))
    rest = limit - len(bytes(incoming.response(200, "OK", body=b"x" * 100))) + 100
    fitting, large = (incoming.response(200, "OK", body=b"x" * size) for size in (rest, rest + 1))
    assert subject.answered(incoming, fitting, 0.0) == bytes(fitting)
    assert subject.answered(incoming, large, 0.0) is None
    # Neither is it for a repeat.
    assert subject.received(request(), PEER, 0.5) == "repeated"


def test_SEC_26_on_a_connection_an_answer_may_be_large_and_is_not_kept() -> None:
    subject = server()
    incoming = subject.received(request(), PEER, 0.0, 7)
    assert isinstance(incoming, IncomingRequest)
    large = incoming.response(200, "OK", body=b"x" * 3000)
    assert subject.answered(incoming, large, 0.0) == bytes(large)
    assert subject.received(request(), PEER, 0.5, 7) == "repeated"


def test_SEC_26_group_is_not_answered_even_if_the_application_wants_it() -> None:
    subject = server()
    message = request(Via="SIP/2.0/UDP 224.0.1.75;branch=z9hG4bK1")
    incoming = IncomingRequest(message, PEER, "1")
    assert subject.answered(incoming, incoming.response(200, "OK"), 0.0) is not None
    assert subject.received(message, PEER, 0.5) == "no answer wanted"
    assert not subject._answers


def test_answer_to_a_request_that_lacks_everything_copies_nothing() -> None:
    incoming = IncomingRequest(parse("OPTIONS sip:toto@h SIP/2.0\r\n\r\n"), PEER, "1")
    assert incoming.response(400, "Bad Request").headers.items() == ()


# Of the surrogates only those that stand for octets can have come off the wire.
ODD = st.text(
    st.sampled_from('";,=<>: \t\\\x00az/@.\udc80\udcff')
    | st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]),
    max_size=30,
)


@given(st.sampled_from(["Via", "From", "To", "Call_ID", "CSeq", "Event"]), ODD, st.sampled_from(["NOTIFY", "INVITE"]))
def test_ROB_8_any_request_is_taken_or_dropped(name: str, text: str, method: str) -> None:
    try:
        message = request(method, **{name: text})
    except ParseError:
        return
    subject = server()
    result = subject.received(message, PEER, 0.0)
    if isinstance(result, IncomingRequest):
        response = parse_message(bytes(subject.default(result)))
        assert isinstance(response, Response)
        assert response.call_id == message.call_id
        assert response.cseq == message.cseq
        assert response.to is not None
        assert response.to.tag
        assert response.via is not None
        assert response.via.received == PEER[0]
    else:
        assert result in ("malformed", "no answer wanted")
