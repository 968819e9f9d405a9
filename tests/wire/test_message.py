"""Whole messages: reading as far as anyone asks, and writing."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.fields import CSeq, Via, Warning
from aiosipreg.wire.message import Message, Request, Response, read_contacts
from aiosipreg.wire.parse import parse_message
from aiosipreg.wire.uri import OtherUri, SipUri

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosipreg.wire.address import NameAddr

PROPERTIES = {
    kind: [name for name in dir(kind) if not name.startswith("_") and name != "pack"] + ["headers"]
    for kind in (Request, Response)
}


def response(*rows: str, status: int = 200) -> Response:
    data = "\r\n".join([f"SIP/2.0 {status} OK", *rows, "", ""]).encode("utf-8", "surrogateescape")
    message = parse_message(data)
    assert isinstance(message, Response)
    return message


def request(*rows: str) -> Request:
    message = parse_message("\r\n".join(["REGISTER sip:h SIP/2.0", *rows, "", ""]).encode())
    assert isinstance(message, Request)
    return message


def uris(addresses: tuple[NameAddr, ...]) -> list[str]:
    return [str(address.uri) for address in addresses]


REGISTER = Request(
    "REGISTER",
    SipUri.parse("sip:example.org"),
    [
        ("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport"),
        ("Max-Forwards", "70"),
        ("From", "<sip:a@example.org>;tag=1"),
        ("To", "<sip:a@example.org>"),
        ("Call-ID", "c"),
        ("CSeq", "1 REGISTER"),
        ("Contact", "<sip:a@192.0.2.1>"),
    ],
)


def test_MSG_01_MSG_10_golden_bytes_of_a_request() -> None:
    assert bytes(REGISTER) == (
        b"REGISTER sip:example.org SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n"
        b"Max-Forwards: 70\r\n"
        b"From: <sip:a@example.org>;tag=1\r\n"
        b"To: <sip:a@example.org>\r\n"
        b"Call-ID: c\r\n"
        b"CSeq: 1 REGISTER\r\n"
        b"Contact: <sip:a@192.0.2.1>\r\n"
        b"Content-Length: 0\r\n"
        b"\r\n"
    )


def test_MSG_10_the_length_counts_octets_and_is_never_taken_over() -> None:
    body = "ñ".encode()
    built = Response(200, "Ünïcode", [("l", "5"), ("content-length", "7"), ("A", "b")], body)
    assert bytes(built) == "SIP/2.0 200 Ünïcode\r\nA: b\r\nContent-Length: 2\r\n\r\nñ".encode()
    assert bytes(Response(100, "")) == b"SIP/2.0 100 \r\nContent-Length: 0\r\n\r\n"


def test_all_of_a_response() -> None:
    found = response(
        "Via: SIP/2.0/UDP h;branch=b;received=192.0.2.1;rport=5",
        "From: <sip:a@h>;tag=f",
        "To: <sip:a@h>;tag=t",
        "Call-ID: c@d",
        "CSeq: 7 REGISTER",
        "Contact: <sip:a@x>;expires=60;q=0.5",
        "Expires: 120",
        "Min-Expires: 30",
        "Retry-After: 5 (soon)",
        "Flow-Timer: 25",
        "Require: Outbound",
        "Supported: path, GIN",
        "Unsupported: gruu",
        "Path: <sip:p;ob;lr>",
        "Service-Route: <sip:s;lr>",
        "P-Associated-URI: <sip:a@h>, <tel:+1>",
        'Warning: 399 h "x"',
        'Authentication-Info: nextnonce="n"',
        "Security-Server: tls;q=0.1",
        "Feature-Caps: *;+x",
        'WWW-Authenticate: Digest realm="r", nonce="n"',
        "Content-Length: 0",
    )
    assert (found.status, found.reason, found.body, found.dropped, found.oddities) == (200, "OK", b"", 0, ())
    assert found.via is not None
    assert (found.via.branch, found.via.received, found.via.rport) == ("b", "192.0.2.1", 5)
    assert found.vias == (found.via,)
    assert found.cseq == CSeq(7, "REGISTER")
    assert found.call_id == "c@d"
    assert found.from_ is not None
    assert found.from_.tag == "f"
    assert found.to is not None
    assert found.to.tag == "t"
    assert [(str(entry.uri), entry.expires, entry.q) for entry in found.contacts] == [("sip:a@x", 60, 0.5)]
    assert (found.expires, found.min_expires, found.retry_after, found.flow_timer) == (120, 30, 5, 25)
    assert (found.require, found.supported, found.unsupported) == (("outbound",), ("path", "gin"), ("gruu",))
    assert (uris(found.path), uris(found.service_route)) == (["sip:p;ob;lr"], ["sip:s;lr"])
    assert uris(found.associated_uris) == ["sip:a@h", "tel:+1"]
    assert found.warnings == (Warning(399, "h", "x"),)
    assert found.authentication_info == {"nextnonce": "n"}
    assert [(entry.value, entry.params) for entry in found.security_server] == [("tls", {"q": "0.1"})]
    assert [(entry.value, entry.params) for entry in found.feature_caps] == [("*", {"+x": None})]
    assert [challenge.realm for challenge in found.challenges] == ["r"]
    assert found.content_length == 0
    assert repr(found) == "<Response 200 OK>"


def test_MSG_03_a_response_in_odd_letter_case() -> None:
    odd_case = [
        "vIA: sip/2.0/udp H.example;BRANCH=z9hG4bKa;Received=192.0.2.1;RPORT=5",
        "fRoM: <SIP:Alice@H.example>;TAG=f",
        "TO: <sip:Alice@h.EXAMPLE>;Tag=t",
        "call-id: Case@Counts",
        "cseq: 7 REGISTER",
        "M: <sip:Alice@X.example;LR>;EXPIRES=60;Q=0.5",
        "sUPPORTED: PATH, Gruu",
        'www-authenticate: DIGEST REALM="Case Counts", NONCE="N", QOP="AUTH", STALE=TRUE, ALGORITHM=md5',
    ]
    usual = [
        "Via: SIP/2.0/UDP h.example;branch=z9hG4bKa;received=192.0.2.1;rport=5",
        "From: <sip:Alice@h.example>;tag=f",
        "To: <sip:Alice@h.example>;tag=t",
        "Call-ID: Case@Counts",
        "CSeq: 7 REGISTER",
        "Contact: <sip:Alice@x.example;lr>;expires=60;q=0.5",
        "Supported: path, gruu",
        'WWW-Authenticate: Digest realm="Case Counts", nonce="N", qop="auth", stale=true, algorithm=MD5',
    ]
    odd, plain = response(*odd_case), response(*usual)
    for name in ("call_id", "cseq", "supported"):
        assert getattr(odd, name) == getattr(plain, name)
    for one, other in ((odd.from_, plain.from_), (odd.to, plain.to), (odd.contacts[0], plain.contacts[0])):
        assert one is not None
        assert other is not None
        assert (one.uri, one.tag, one.expires, one.q) == (other.uri, other.tag, other.expires, other.q)
    assert odd.via is not None
    assert plain.via is not None
    assert (odd.via.transport, odd.via.branch, odd.via.received, odd.via.rport) == ("UDP", "z9hG4bKa", "192.0.2.1", 5)
    assert odd.via.params == plain.via.params
    (asked,), (wanted,) = odd.challenges, plain.challenges
    assert (asked.realm, asked.nonce, asked.qop, asked.stale) == (wanted.realm, wanted.nonce, ("auth",), True)
    # And what has letter case differs with it.
    changed = response(
        *(row.replace("Alice", "alice").replace("Case@", "case@").replace("7 REG", "7 reg") for row in usual)
    )
    assert changed.call_id != plain.call_id
    assert changed.cseq != plain.cseq
    assert changed.contacts[0].uri != plain.contacts[0].uri


def test_a_packed_message_reads_the_same() -> None:
    rows = ("Via: SIP/2.0/UDP h;branch=z9hG4bK1", "Contact: <sip:a@b>;expires=5", "Retry-After: 7", "X: y")
    message = response(*rows)
    before = [getattr(message, name) for name in PROPERTIES[Response]]
    for _ in range(2):
        message.pack()
        message.pack()
        assert [getattr(message, name) for name in PROPERTIES[Response]] == before
        assert bytes(message) == bytes(parse_message(bytes(message)))


@pytest.mark.parametrize("status", [b"200 OK", b"200 ", b"404 Nicht \xe4da", b"486 Zu tun"])
@pytest.mark.parametrize("rest", [b"", b"Content-Length: 2\r\n\r\nab", b" folded\r\n\r\n", b"Bare: LF\n\r\n"])
def test_a_packed_response_loses_nothing(status: bytes, rest: bytes) -> None:
    data = b"SIP/2.0 " + status + b"\r\nX: \xff\r\nY: \xc3\xa4\r\n" + (rest or b"\r\n")
    message, packed = parse_message(data), parse_message(data)
    assert isinstance(message, Response)
    assert isinstance(packed, Response)
    packed.pack()
    for again in (pickle.loads(pickle.dumps(packed)), packed):
        assert (again.status, again.reason, again.headers) == (message.status, message.reason, message.headers)
        assert (again.body, again.oddities, bytes(again)) == (message.body, message.oddities, bytes(message))
    with pytest.raises(AttributeError, match="nonsense"):
        getattr(packed, "nonsense")  # noqa: B009 - it is no name that a type checker would let pass


def test_a_response_that_was_made_here_stays_as_it_is() -> None:
    message = Response(200, "OK", [("X", "y")])
    message.pack()
    assert message.headers.get("X") == "y"


def test_a_packed_message_takes_little_room() -> None:
    message = response(*(f"X-{number}: {number}" for number in range(20)))
    assert (message.contacts, message.headers.get("x-7")) == ((), "7")
    message.pack()
    assert message.__dict__ == {}
    assert len(message._octets + message._rest) < 200


@pytest.mark.parametrize("name", ["Contact", "m", "Path"])
def test_what_a_server_writes_to_all_is_kept_once(name: str) -> None:
    messages = [response(f"{name}: <sip:a@h{number}>", "Server: x", "Allow: y, z") for number in range(2)]
    for message in messages:
        message.pack()
    one, other = messages
    assert one._rest is other._rest
    assert one._rest == b"Server: x\nAllow: y, z"
    assert [one.headers.get("allow"), one.headers.get(name)] == ["y, z", "<sip:a@h0>"]


def test_SEC_23_what_is_kept_for_all_is_no_room_for_one_server() -> None:
    message = response("Via: SIP/2.0/UDP h;branch=z9hG4bK1", f"X: {'x' * 2000}")
    message.pack()
    assert message._rest == b""
    assert message.headers.get("X") == "x" * 2000


def test_what_was_left_out_is_not_counted_again() -> None:
    message = response("no row", "Contact: <sip:a@b>, <nonsense", 'Proxy-Authentication-Info: nextnonce="n"')
    for _ in range(2):
        assert (len(message.contacts), message.dropped) == (1, 2)
        assert message.proxy_authentication_info == {"nextnonce": "n"}
        message.pack()


def test_what_is_absent_reads_as_nothing() -> None:
    for message in (response(), request()):
        for name in PROPERTIES[type(message)]:
            value = getattr(message, name)
            empty = (
                value is None or value in ((), {}, b"", 0) or name in ("headers", "status", "reason", "method", "uri")
            )
            assert empty, name
    assert repr(request()) == "<Request REGISTER sip:h>"
    assert (request().method, request().uri) == ("REGISTER", "sip:h")


def test_a_value_is_computed_once() -> None:
    found = response("Contact: <sip:a@h>")
    assert found.contacts is found.contacts
    assert Response.contacts.__doc__ == Message.__dict__["contacts"].__doc__


def test_a_message_cannot_be_changed() -> None:
    for name in ("status", "contacts", "headers", "new"):
        with pytest.raises(AttributeError):
            setattr(response(), name, 1)
        with pytest.raises(AttributeError):
            delattr(response(), name)


def test_messages_can_be_pickled() -> None:
    found = response("Contact: <sip:a@h>;x=y")
    assert found.contacts
    again = pickle.loads(pickle.dumps(found))
    assert bytes(again) == bytes(found)
    assert again.contacts == found.contacts


def test_a_bare_message_has_no_start_line() -> None:
    with pytest.raises(NotImplementedError):
        Message()._start_line()


def test_GRM_03_04_commas_that_split_no_contact() -> None:
    found = response('Contact: "Doe, John" <sip:a@h>, <sip:b@h>', "m: <sip:c@h?x=1,2>, <sip:d@h>")
    assert uris(found.contacts) == ["sip:a@h", "sip:b@h", "sip:c@h?x=1,2", "sip:d@h"]


@pytest.mark.parametrize("rows", [["Contact: *"], ["m:*"], ["Contact: ", "Contact: , * ,"]])
def test_GRM_07_the_star_alone(rows: list[str]) -> None:
    (contact,) = response(*rows).contacts
    assert contact.is_star


@pytest.mark.parametrize(
    "rows",
    [["Contact: *;expires=0"], ["Contact: *, <sip:a@h>"], ["Contact: *", "m: <sip:a@h>"], ["m: *, *"], ["m: **"]],
)
def test_GRM_07_the_star_with_company(rows: list[str]) -> None:
    found = response(*rows)
    with pytest.raises(ParseError):
        _ = found.contacts
    assert found.vias == ()


@pytest.mark.parametrize(
    "row",
    ["<sip:own@h>", "<sip:own@h>;expires=5", " <sip:own@h> ", '<sip:own@h>;a="b', '<sip:own@h>;a="b,c"', "<sip:own@h>x",
     "<sip:own@h>,<sip:b@h>", "<sip:own@h>;q=1\r\nm: <sip:b@h>", "sip:own@h", "<sip:b@h>", "*", "", ","],
)  # fmt: skip
def test_a_likely_contact_changes_nothing_but_the_effort(row: str) -> None:
    own = SipUri.parse("sip:own@h")
    one, other = response(f"Contact: {row}"), response(f"Contact: {row}")
    assert (read_contacts(one, own), one.dropped) == (other.contacts, other.dropped)


def test_a_likely_contact_is_taken_as_it_is() -> None:
    own = SipUri.parse("sip:own@h")
    (contact,) = read_contacts(response("Contact: <sip:own@h>;expires=5"), own)
    assert (contact.uri is own, contact.expires) == (True, 5)


def test_GRM_07_the_star_means_nothing_elsewhere() -> None:
    found = response("From: *", "To: * ", "Path: *, <sip:p;lr>", "Service-Route: *", "P-Associated-URI: <sip:a@h>,*")
    for name in ("from_", "to"):
        with pytest.raises(ParseError, match="Contact only"):
            getattr(found, name)
    assert (uris(found.path), uris(found.service_route)) == (["sip:p;lr"], [])
    assert uris(found.associated_uris) == ["sip:a@h"]
    assert found.dropped == 3


def test_MSG_05_rows_and_lists_mix() -> None:
    attributes = {"contacts": "Contact", "path": "Path", "service_route": "Service-Route"}
    for attribute, name in (attributes | {"associated_uris": "P-Associated-URI"}).items():
        a, b, c = "<sip:a@h;x>;y", '"x, y" <sip:b@h>', "<tel:+1>"
        encodings = [[f"{a}, {b}, {c}"], [a, b, c], [f"{a} , {b}", "", c]]
        found = [uris(getattr(response(*(f"{name}: {row}" for row in rows)), attribute)) for rows in encodings]
        assert found == [["sip:a@h;x", "sip:b@h", "tel:+1"]] * 3


def test_MSG_05_other_lists_mix() -> None:
    lists = {
        "require": ("Require", ["a", "b", "c"]),
        "supported": ("Supported", ["a", "b", "c"]),
        "unsupported": ("Unsupported", ["a", "b", "c"]),
        "security_server": ("Security-Server", ["tls;q=0.2", 'digest;d-qop="a,b"', "ipsec-3gpp"]),
        "warnings": ("Warning", ['399 a "x"', '399 b "y, z"', '301 c:5 ""']),
        "feature_caps": ("Feature-Caps", ["*;+a", '*;+b="c,d"', "*"]),
    }
    for attribute, (name, (a, b, c)) in lists.items():
        encodings = [[f"{a}, {b}, {c}"], [a, b, c], [f"{a} ,{b}", "", c]]
        one, *others = [getattr(response(*(f"{name}: {row}" for row in rows)), attribute) for rows in encodings]
        assert len(one) == 3
        assert others == [one, one]


def test_MSG_05_vias_mix() -> None:
    found = response("v: SIP/2.0/UDP a, SIP/2.0/UDP b", "Via: SIP/2.0/TCP c")
    assert [via.host for via in found.vias] == ["a", "b", "c"]
    assert found.via == Via("UDP", "a")


def test_MSG_06_GRM_21_challenges_of_both_kinds_in_order() -> None:
    found = response(
        'Proxy-authenticate: Digest realm="a", nonce="1"',
        'WWW-AUTHENTICATE: Digest realm="b, x", nonce="x,y", Digest realm="c", nonce="z"',
        'WWW-Authenticate: Basic realm="d"',
        'WWW-Authenticate: Digest realm="e"',
    )
    assert [(challenge.header[:1], challenge.scheme, challenge.realm) for challenge in found.challenges] == [
        ("P", "Digest", "a"),
        ("W", "Digest", "b, x"),
        ("W", "Digest", "c"),
        ("W", "Basic", "d"),
    ]
    assert found.dropped == 1


@pytest.mark.parametrize("name", ["WWW-Authenticate", "Proxy-Authenticate"])
def test_a_single_challenge(name: str) -> None:
    (found,) = response(f'{name}:  Digest realm="r", nonce="n" ').challenges
    assert (found.header, found.realm, found.nonce) == (name, "r", "n")
    assert (response(f'{name}: Digest realm="r"').challenges, response("To: a").challenges) == ((), ())


def test_SEC_23_a_flood_of_challenges() -> None:
    rows = [f'WWW-Authenticate: Digest realm="{n}", nonce="n"' for n in range(190)]
    assert [challenge.realm for challenge in response(*rows).challenges] == [str(n) for n in range(20)]
    found = response(", ".join(rows[:100]).replace(", WWW-Authenticate:", ","))
    assert [challenge.realm for challenge in found.challenges] == [str(n) for n in range(20)]
    assert found.dropped == 1
    found = response(rows[0], *rows[:30], rows[1].replace("WWW", "Proxy"))
    assert (len(found.challenges), found.dropped) == (20, 12)


def test_MSG_07_all_names_compact() -> None:
    found = response("v:SIP/2.0/UDP h", "f:<sip:a@h>", "t:<sip:b@h>", "i:c", "m:<sip:d@h>", "k:path", "l:0", "CSeq:1 A")
    assert found.via is not None
    assert found.from_ is not None
    assert found.to is not None
    assert (found.call_id, found.supported, found.content_length) == ("c", ("path",), 0)


def test_MSG_09_headers_that_do_not_belong_are_kept_and_change_nothing() -> None:
    found = response("Record-Route: <sip:r;lr>", "Max-Forwards: x", "X-Foo: bar;baz", "Contact: <sip:a@h>;foo=bar")
    assert found.service_route == ()
    assert found.headers.get("record-route") == "<sip:r;lr>"
    assert found.headers.get("X-FOO") == "bar;baz"
    assert found.contacts[0].params["foo"] == "bar"


@pytest.mark.parametrize("name", ["CSeq", "Call-ID", "From", "To"])
def test_ROB_5_doubled_headers_of_identity_make_it_unreadable(name: str) -> None:
    found = response(f"{name}: 1 A", f"{name}: 1 A")
    attribute = {"CSeq": "cseq", "Call-ID": "call_id", "From": "from_", "To": "to"}[name]
    for _ in range(2):
        with pytest.raises(ParseError):
            getattr(found, attribute)
    assert found.expires is None


@pytest.mark.parametrize("name", ["Expires", "Min-Expires", "Retry-After", "Flow-Timer"])
def test_ROB_5_other_doubled_headers_are_absent_and_counted(name: str) -> None:
    found = response(f"{name}: 60", f"{name}: 60")
    assert getattr(found, name.lower().replace("-", "_")) is None
    assert found.dropped == 1


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("Expires", "4294967296", 2**32 - 1),
        ("Expires", "3600s", None),
        ("Expires", "", None),
        ("Expires", "Thu, 26 Jul 2001 10:34:42 GMT", None),
        ("Min-Expires", "0", 0),
        ("Min-Expires", "00300", 300),
        ("Retry-After", "18000 (a (nested) comment);duration=3600", 18000),
        ("Retry-After", "Tue, 01 Jan 2030 00:00:00 GMT", None),
        ("Retry-After", "-5", None),
        ("Retry-After", "1e3", None),
        ("Flow-Timer", "0", None),
        ("Flow-Timer", "abc", None),
        ("Flow-Timer", "120", 120),
    ],
)
def test_GRM_30_31_32_33_37_numbers(name: str, text: str, value: int | None) -> None:
    found = response(f"{name}: {text}")
    assert getattr(found, name.lower().replace("-", "_")) == value
    assert found.dropped == (value is None)


@pytest.mark.parametrize("name", ["CSeq", "From", "To", "Via"])
def test_a_malformed_header_hides_no_other(name: str) -> None:
    found = response(f"{name}: ,;<", "Call-ID: c")
    attribute = {"CSeq": "cseq", "From": "from_", "To": "to", "Via": "via"}[name]
    with pytest.raises(ParseError):
        getattr(found, attribute)
    assert found.call_id == "c"


def test_an_empty_via_row_is_malformed() -> None:
    with pytest.raises(ParseError):
        _ = response("Via: ,").via


def test_ROB_4_a_bad_contact_spoils_itself_only() -> None:
    found = response(
        "Contact: <sip:x@h, <sip:own@h>;expires=60, name:John;q=7, <>, sip:, <sip:y@h:0>",
        'Contact: "open <sip:z@h>',
        "Contact: <sip:last@h>;q=.5",
    )
    assert uris(found.contacts) == ["sip:own@h", "name:John", "sip:last@h"]
    assert found.dropped == 5
    assert (found.contacts, found.dropped) == (found.contacts, 5)


def test_ROB_6_a_bad_via_below_is_not_left_out() -> None:
    found = response("Via: SIP/2.0/UDP a", "Via: junk")
    assert found.via == Via("UDP", "a")
    with pytest.raises(ParseError):
        _ = found.vias


def test_ROB_6_an_empty_row_is_no_top_via() -> None:
    found = response("Via: ", "Via: SIP/2.0/UDP a")
    for name in ("via", "vias"):
        with pytest.raises(ParseError):
            getattr(found, name)


def test_limits_of_lists() -> None:
    contacts = [f"m: {','.join(['<sip:a@h>'] * 600)}"] * 2
    found = response(*contacts)
    assert (len(found.contacts), found.dropped) == (1000, 200)
    for name, attribute in (
        ("Path", "path"),
        ("Service-Route", "service_route"),
        ("P-Associated-URI", "associated_uris"),
    ):
        found = response(*[f"{name}: <sip:a;lr>, <sip:b>"] * 26)
        assert (len(getattr(found, attribute)), found.dropped) == (50, 2)


def test_GRM_34_an_empty_supported_is_an_empty_list() -> None:
    assert response("Supported:").supported == ()


def test_GRM_35_GRM_36_option_tags_merge_and_have_no_case() -> None:
    found = response("Unsupported: path, GIN", "Unsupported: gruu, a b", "Require: Outbound")
    assert found.unsupported == ("path", "gin", "gruu")
    assert found.require == ("outbound",)
    assert found.dropped == 1


def test_GRM_38_routes_keep_their_order_and_strict_ones() -> None:
    found = response("Service-Route: <sip:a;lr>,<sip:b>,<sip:c;lr=on>")
    params = [entry.uri.params for entry in found.service_route if isinstance(entry.uri, SipUri)]
    assert params == [{"lr": None}, {}, {"lr": "on"}]
    assert uris(request("Route: <sip:a;lr>", "Route: <sip:b>").routes) == ["sip:a;lr", "sip:b"]


def test_GRM_39_ob_of_a_path_is_a_uri_parameter() -> None:
    (entry,) = response("Path: <sip:p;ob;lr>").path
    assert isinstance(entry.uri, SipUri)
    assert "ob" in entry.uri.params
    assert "ob" not in entry.params


def test_GRM_40_associated_uris() -> None:
    assert response("P-Associated-URI:").associated_uris == ()
    found = response('P-Associated-URI: "A" <sip:a@h>;x, <tel:+1-2>').associated_uris
    assert [(entry.display_name, entry.uri) for entry in found] == [
        ("A", SipUri.parse("sip:a@h")),
        (None, OtherUri("tel:+12")),
    ]


def test_GRM_41_security_mechanisms_can_be_echoed() -> None:
    text = "ipsec-3gpp;q=0.1;alg=hmac-sha-1-96;spi-c=4294967295"
    found = response(f"Security-Server: {text}, tls;q=0.2", "Security-Server: digest, @")
    assert [entry.text for entry in found.security_server] == [text, "tls;q=0.2", "digest"]
    assert found.dropped == 1


def test_GRM_42_feature_caps() -> None:
    found = response('Feature-Caps: *;+sip.pns="apns";+sip.vapid="a,b"', "Feature-Caps: *;+x")
    assert [dict(entry.params) for entry in found.feature_caps] == [
        {"+sip.pns": "apns", "+sip.vapid": "a,b"},
        {"+x": None},
    ]


def test_GRM_44_warnings() -> None:
    found = response(r'Warning: 399 h "text, with \" and , ", 301 a:5 "b"', "Warning: junk")
    assert found.warnings == (Warning(399, "h", 'text, with " and , '), Warning(301, "a:5", "b"))
    assert found.dropped == 1


@pytest.mark.parametrize("date", ["Sat, 01 Jan 2000 00:00:00 EST", "junk", ""])
def test_MSG_20_GRM_45_a_wrong_date_fails_nothing(date: str) -> None:
    found = response(f"Date: {date}", "Contact: <sip:a@h>")
    assert uris(found.contacts) == ["sip:a@h"]
    assert found.headers.get("Date") == date


def test_GRM_29_authentication_info_of_several_rows() -> None:
    found = response('Authentication-Info: nextnonce="a"', 'authentication-info: rspauth="", nc=00000001')
    assert found.authentication_info == {"nextnonce": "a", "nc": "00000001"}
    with pytest.raises(ParseError):
        _ = response('Authentication-Info: nextnonce="a').authentication_info


@pytest.mark.parametrize("octets", ["exämple".encode(), "exämple".encode("latin-1"), bytes(range(128, 256))])
def test_GRM_26_octets_survive_a_round_trip(octets: bytes) -> None:
    data = b"SIP/2.0 401 " + octets + b'\r\nWWW-Authenticate: Digest realm="' + octets + b'", nonce="n"\r\n\r\n'
    found = parse_message(data)
    assert isinstance(found, Response)
    assert found.challenges[0].realm.encode("utf-8", "surrogateescape") == octets
    assert bytes(found) == data.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n")


def test_GRM_58_a_nul_in_a_header() -> None:
    found = response('To: "a\0b" <sip:a@h>', "From: a\0b <sip:a@h>", 'm: <sip:a@h>;x="\0", <sip:b@h>;x=\0')
    assert found.to is not None
    assert found.to.display_name == "a\ufffdb"
    with pytest.raises(ParseError):
        _ = found.from_
    assert [entry.params for entry in found.contacts] == [{"x": "\ufffd"}]


@pytest.mark.parametrize(
    "build",
    [
        lambda: Request("A B", "sip:h"),
        lambda: Request("A", "sip:a b"),
        lambda: Request("A", "sip:h\r\n"),
        lambda: Request("A", "sip:h", [("X:", "y")]),
        lambda: Request("A", "sip:h", [("X", "y\r\nZ: z")]),
        lambda: Response(99, "x"),
        lambda: Response(700, "x"),
        lambda: Response(200, "x\n"),
    ],
)
def test_SEC_11_what_is_written_is_checked(build: Callable[[], object]) -> None:
    with pytest.raises(ConfigError):
        build()
