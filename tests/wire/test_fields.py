"""Via, CSeq, Warning, Retry-After, and words with parameters."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.fields import CSeq, ParamValue, Via, Warning, _read_via, parse_retry_after
from aiosipreg.wire.params import Params
from tests.wire.effort import LIMIT, PATTERNS, growth

if TYPE_CHECKING:
    from collections.abc import Callable


def via(text: str) -> Via:
    return Via.parse(text)


def test_a_via_with_everything() -> None:
    found = via("SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bKa;received=192.0.2.9;rport=6000;x")
    assert (found.transport, found.host, found.port) == ("UDP", "192.0.2.1", 5061)
    assert (found.branch, found.received, found.rport) == ("z9hG4bKa", "192.0.2.9", 6000)
    assert found.params == {"branch": "z9hG4bKa", "received": "192.0.2.9", "rport": "6000", "x": None}
    assert str(found) == "SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bKa;received=192.0.2.9;rport=6000;x"


def test_a_via_of_the_old_days() -> None:
    found = via("SIP/2.0/UDP h")
    assert (found.branch, found.received, found.rport, found.port) == (None, None, None, None)


def test_GRM_13_blanks_around_the_marks() -> None:
    found = via("SIP / 2.0 / UDP host : 5060 ; branch = x ;  received\t=\t192.0.2.9")
    assert (found.transport, found.host, found.port) == ("UDP", "host", 5060)
    assert (found.branch, found.received) == ("x", "192.0.2.9")
    assert via("sip/2.0/udp\t h").transport == "UDP"


def test_GRM_14_unknown_transport_and_ipv6() -> None:
    found = via("SIP/2.0/TLS-SCTP [2001:db8::1]:5061")
    assert (found.transport, found.host, found.port) == ("TLS-SCTP", "2001:db8::1", 5061)
    assert str(found) == "SIP/2.0/TLS-SCTP [2001:db8::1]:5061"


@pytest.mark.parametrize(
    ("received", "address"),
    [
        ("2001:db8::9:255", "2001:db8::9:255"),
        ("[2001:db8::9:255]", "2001:db8::9:255"),
        ('"192.0.2.1"', "192.0.2.1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("example.com", None),
        ("", None),
    ],
)
def test_URI_11_GRM_15_received_with_or_without_brackets(received: str, address: str | None) -> None:
    assert via(f"SIP/2.0/UDP h;received={received}").received == address


@pytest.mark.parametrize("rport", ["", "=", "=0", "=70000", "=-1", "=abc"])
def test_GRM_16_no_mapping_is_learned(rport: str) -> None:
    found = via(f"SIP/2.0/UDP h;rport{rport}")
    assert found.rport is None
    assert "rport" in found.params


def test_GRM_20_GRM_43_other_parameters_are_kept() -> None:
    found = via('SIP/2.0/TLS h;ttl=5;maddr=h;alias;keep=30;oc=20;oc-algo="loss";oc-validity=500;oc-seq=1282321615.782')
    assert found.params["oc-algo"] == "loss"
    assert found.params["oc-seq"] == "1282321615.782"
    assert found.params["alias"] is None
    assert found.params["keep"] == "30"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0/UDP ;branch=x",
        "SIP/7.0/UDP h",
        "HTTP/2.0/UDP h",
        "SIP/2.0/203.0.113.32:9091;branch=x",
        "SIP/2.0/U@P h",
        "SIP/2.0/UDP h h",
        "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP 2001:db8::1",
        "SIP/2.0/UDP h;\x00",
        'SIP/2.0/UDP h;x="',
    ],
)
def test_no_vias(text: str) -> None:
    with pytest.raises(ParseError):
        via(text)


def test_building_a_via() -> None:
    built = Via("UDP", "2001:DB8::1", 5060, {"branch": "z9hG4bK1", "rport": None})
    assert str(built) == "SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1;rport"
    assert via(str(built)) == built
    assert hash(via(str(built))) == hash(built)
    assert pickle.loads(pickle.dumps(built)) == built
    assert Via("UDP", "h", params=Params({"a": "b"})).params == {"a": "b"}


@pytest.mark.parametrize(
    ("transport", "host", "port", "params"),
    [
        ("U P", "h", None, {}),
        ("UDP\r\n", "h", None, {}),
        ("UDP", "h\r\nX: y", None, {}),
        ("UDP", "h", 0, {}),
        ("UDP", "h", None, {"branch": "x\r\n"}),
        ("UDP", "h", None, {"a;received": "b"}),
    ],
)
def test_SEC_11_parts_that_no_via_can_have(
    transport: str, host: str, port: int | None, params: dict[str, str | None]
) -> None:
    with pytest.raises(ConfigError):
        Via(transport, host, port, params)


@pytest.mark.parametrize(
    ("text", "number", "method"),
    [
        ("1 REGISTER", 1, "REGISTER"),
        ("0009 REGISTER", 9, "REGISTER"),
        (" 9\t  register ", 9, "register"),
        ("29344 RE%47IST%45R", 29344, "RE%47IST%45R"),
        ("4294967295 A", 4294967295, "A"),
        ("0" * 5000 + " A", 0, "A"),
    ],
)
def test_GRM_19_cseq(text: str, number: int, method: str) -> None:
    assert CSeq.parse(text) == CSeq(number, method)


@pytest.mark.parametrize(
    "text",
    ["", "1", "REGISTER", "1REGISTER", "-1 A", "4294967296 A", "36893488147419103232 REGISTER", "9" * 5000 + " A",
     "1 A B", "1 A@", "1.0 A", "٣ A", "1 A\x00"],
)  # fmt: skip
def test_MSG_17_no_cseq(text: str) -> None:
    with pytest.raises(ParseError):
        CSeq.parse(text)


def test_building_a_cseq() -> None:
    assert str(CSeq(9, "REGISTER")) == "9 REGISTER"
    for number, method in ((-1, "A"), (2**32, "A"), (1, ""), (1, "A\r\nB"), (1, "A B")):
        with pytest.raises(ConfigError):
            CSeq(number, method)


@pytest.mark.parametrize(
    ("text", "code", "agent", "words"),
    [
        (
            "307 isi.edu \"Session parameter 'foo' not understood\"",
            307,
            "isi.edu",
            "Session parameter 'foo' not understood",
        ),
        (r'399 h "text, with \" and , "', 399, "h", 'text, with " and , '),
        ('399 host:5060  ""', 399, "host:5060", ""),
        ('301 [::1]:1 "x"', 301, "[::1]:1", "x"),
    ],
)
def test_GRM_44_warnings(text: str, code: int, agent: str, words: str) -> None:
    assert Warning.parse(text) == Warning(code, agent, words)


@pytest.mark.parametrize(
    "text",
    ["", "399", "399 h", "399 h text", '99 h "x"', '3999 h "x"', '399 h "x', '399 h "x" y', '399 h"x"', "399 h \x00"],
)
def test_no_warnings(text: str) -> None:
    with pytest.raises(ParseError):
        Warning.parse(text)


@pytest.mark.parametrize(
    ("text", "value", "params"),
    [
        (
            "ipsec-3gpp;q=0.1;alg=hmac-sha-1-96;spi-c=4294967295",
            "ipsec-3gpp",
            {"q": "0.1", "alg": "hmac-sha-1-96", "spi-c": "4294967295"},
        ),
        ("ipsec-3gpp ; q=0.1", "ipsec-3gpp", {"q": "0.1"}),
        ("tls", "tls", {}),
        ('*;+sip.pns="apns";+sip.vapid="a,b;c"', "*", {"+sip.pns": "apns", "+sip.vapid": "a,b;c"}),
        ("msrp-tls;mediasec", "msrp-tls", {"mediasec": None}),
    ],
)
def test_GRM_41_42_words_with_parameters(text: str, value: str, params: dict[str, str | None]) -> None:
    found = ParamValue.parse(f" {text} ")
    assert (found.value, found.params, found.text) == (value, params, text)


@pytest.mark.parametrize("text", ["", ";q=1", "a b", 'tls;x="', "tls;\x00"])
def test_no_words_with_parameters(text: str) -> None:
    with pytest.raises(ParseError):
        ParamValue.parse(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("120 (I'm (still) out);duration=60", 120),
        ("18000 (a (nested) comment);duration=3600", 18000),
        ("18000;duration=3600 (I'm in a meeting)", 18000),
        ("1220 (I'm in a meeting)", 1220),
        ("5;", 5),
        ("5(x)", 5),
        (" 5 ;a", 5),
        ("0", 0),
        ("99999999999", 2**32 - 1),
    ],
)
def test_MSG_19_GRM_30_retry_after(text: str, seconds: int) -> None:
    assert parse_retry_after(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "Tue, 01 Jan 2030 00:00:00 GMT", "-5", "1e3", "5 (open", "5 (x) y", "(x)", ";duration=5", "5 x", "٣",
     "5 " + "(" * 17 + ")" * 17],
)  # fmt: skip
def test_GRM_31_no_retry_after(text: str) -> None:
    assert parse_retry_after(text) is None


def everything(read: Callable[[str], Via], text: str) -> object:
    try:
        found = read(text)
    except ParseError:
        return None
    return found, list(found.params.items())


HOPS = st.sampled_from(["SIP/2.0/UDP h:5060", "SIP/2.0/tcp  h ", "SIP/2.0/UDP", "SIP/2.0/UDP h,", ' SIP/2.0/UDP "h'])
PARTS = st.sampled_from([
    "branch=b", "branch=c", "Branch=b", "branch", "branch=", "Branch=", " branch=b", "branch=b ", "branch =b", "rport",
    "received=h", 'x="', '"', "x=<a", ">", "branch=-b", "\xa0", "\t", "\x00", ",", "",
])  # fmt: skip


@given(HOPS, st.lists(PARTS))
def test_the_short_way_leads_where_the_long_one_does(hop: str, parts: list[str]) -> None:
    text = ";".join([hop, *parts])
    assert everything(Via.parse, text) == everything(_read_via, text)


@pytest.mark.parametrize("params", ["x=<a;branch=b;>;branch=;>", "Branch=;branch=b", "BRANCH =;x;branch=b;y"])
def test_what_looks_like_a_branch_is_none(params: str) -> None:
    text = f"SIP/2.0/UDP h;{params}"
    assert everything(Via.parse, text) == everything(_read_via, text)
    assert via(text).branch == ""


def test_vias_that_differ_by_their_branch_share_the_rest() -> None:
    text = "SIP/2.0/UDP 192.0.2.7:5060;rport=5060;branch={};received=192.0.2.7;keep"
    one, other = via(text.format("z9hG4bK1")), via(text.format("z9hG4bK2"))
    assert (one.branch, other.branch, one.host is other.host) == ("z9hG4bK1", "z9hG4bK2", True)
    assert str(one) == text.format("z9hG4bK1")
    assert one.params == {**other.params, "branch": "z9hG4bK1"}


@given(st.text())
def test_ROB_3_any_text_is_a_value_or_a_parse_error(text: str) -> None:
    parsers = (Via.parse, CSeq.parse, Warning.parse, ParamValue.parse)
    for parse in parsers:
        for candidate in (text, f"SIP/2.0/UDP h;{text}", f"SIP/2.0/UDP {text}", f'399 h "{text}"', f"1 {text}"):
            try:
                found = parse(candidate)
            except ParseError:
                continue
            if isinstance(found, Via):
                assert isinstance(found.received, str | None)
                assert isinstance(found.rport, int | None)
            if isinstance(found, Via | CSeq):
                assert parse(str(found)) == found
    parse_retry_after(text)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(
    ("function", "prefix"),
    [
        (Via.parse, "SIP"),
        (Via.parse, "SIP/2.0/UDP "),
        (Via.parse, "SIP/2.0/UDP h;"),
        (CSeq.parse, "1 "),
        (CSeq.parse, ""),
        (Warning.parse, '399 h "'),
        (Warning.parse, "399 "),
        (ParamValue.parse, "tls;"),
        (parse_retry_after, "1 ("),
        (parse_retry_after, ""),
    ],
    ids=lambda value: getattr(value, "__qualname__", value),
)
def test_ROB_3_time_grows_linearly(function: object, prefix: str, pattern: str) -> None:
    assert callable(function)
    assert growth(function, pattern, prefix) < LIMIT
