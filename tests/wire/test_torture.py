"""The torture messages of RFC 4475 and RFC 5118, each with its stated verdict (ROB-1, ROB-2)."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from aiosipreg.wire import Framer, NameAddr, OtherUri, ParseError, Request, Response, SipUri, parse_message
from tests.wire.test_robustness import check_everything

DATA = Path(__file__).parents[1] / "data/torture"
INDEX: list[dict[str, Any]] = json.loads((DATA / "index.json").read_text("utf-8"))["messages"]

# What a reader may refuse, we refuse for these reasons; everything else that may be either is read.
REFUSED = {
    "rfc4475-lwsruri.dat": "a blank in the Request-URI",
    "rfc4475-badvers.dat": "SIP/7.0",
    "rfc5118-ipv6-in-sdp.dat": "shorter than its Content-Length",
    "rfc5118-mult-ip-in-sdp.dat": "shorter than its Content-Length",
}


def read(name: str) -> Request | Response:
    return parse_message((DATA / name).read_bytes())


def request(name: str) -> Request:
    message = read(f"{name}.dat")
    assert isinstance(message, Request)
    return message


def sip(address: NameAddr | None) -> SipUri:
    assert address is not None
    assert isinstance(address.uri, SipUri)
    return address.uri


@pytest.mark.parametrize("case", INDEX, ids=lambda case: case["name"])
def test_ROB_1_ROB_2_verdicts(case: dict[str, Any]) -> None:
    data = (DATA / case["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == case["sha256"]
    check_everything(data)
    if case["parser"] == "reject" or case["file"] in REFUSED:
        assert case["parser"] != "accept"
        with pytest.raises(ParseError):
            parse_message(data)
        return
    message = parse_message(data)
    assert isinstance(message, Response if case["kind"] == "response" else Request)
    assert len(message.body) == int((case["declared_content_length"] or [case["octets_after_headers"]])[0])


@pytest.mark.parametrize("case", INDEX, ids=lambda case: case["name"])
def test_ROB_1_ROB_2_on_a_stream(case: dict[str, Any]) -> None:
    """A message is delivered whole, or waits for its body, or breaks the stream."""
    data = (DATA / case["file"]).read_bytes()
    declared = [int(length) for length in case["declared_content_length"]]
    framer = Framer()
    frames = []
    with contextlib.suppress(ParseError):
        frames = [frame for frame in framer.feed(data) if isinstance(frame, Request | Response)]
    if not declared or case["file"] in ("rfc4475-lwsruri.dat", "rfc4475-badvers.dat"):
        assert framer.error is not None
        assert frames == []
    elif declared[0] > case["octets_after_headers"]:
        assert framer.pending
        assert frames == []
    else:
        assert len(frames) == 1
        assert bytes(frames[0]) == bytes(parse_message(data))


def test_every_file_is_listed() -> None:
    assert {case["file"] for case in INDEX} == {path.name for path in DATA.glob("*.dat")}


def test_wsinv_blanks_everywhere() -> None:
    found = request("rfc4475-wsinv")
    assert [(via.transport, via.host, via.branch) for via in found.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert found.cseq is not None
    assert (found.cseq.number, found.cseq.method) == (9, "INVITE")
    assert found.headers.get("max-forwards") == "0068"
    assert found.to is not None
    assert found.to.tag == "1918181833n"
    assert found.from_ is not None
    assert (found.from_.display_name, found.from_.tag) == ('J Rosenberg \\"', "98asjd8")
    (contact,) = found.contacts
    assert (contact.display_name, contact.q) == ('Quoted string ""', 0.33)
    assert contact.params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    assert found.headers.get("Subject") == ""
    assert found.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert found.routes[0].uri == SipUri.parse("sip:services.example.com;lr;unknownwith=value;unknown-no-value")


def test_esc01_escapes_are_undone_once() -> None:
    found = request("rfc4475-esc01")
    assert SipUri.parse(found.uri).user == "sips:user@example.com"
    assert SipUri.parse(found.uri).host == "example.net"
    assert sip(found.to).user == "user"
    assert sip(found.from_).user == "I have spaces"
    assert sip(found.contacts[0]).params == {"lr": None, "name": "value%41"}


def test_esc02_percent_signs_that_are_no_escapes() -> None:
    found = request("rfc4475-esc02")
    assert found.method == "RE%47IST%45R"
    assert found.to is not None
    assert found.to.display_name == "%Z%45"
    assert found.via is not None
    assert found.via.branch == "z9hG4bK209%fzsnel234"
    assert [str(contact.uri) for contact in found.contacts] == [
        "sip:alias1@host1.example.com",
        "sip:alias3@host3.example.com",
    ]


def test_longreq_keeps_all_vias_in_order() -> None:
    found = request("rfc4475-longreq")
    assert len(found.vias) == 34
    assert [via.host for via in found.vias][:2] == ["sip33.example.com", "sip32.example.com"]
    assert found.oddities == ("blank before colon",)


def test_semiuri_parameters_within_the_user_part() -> None:
    found = SipUri.parse(request("rfc4475-semiuri").uri)
    assert (found.user, found.host, found.params) == ("user;par=u@example.net", "example.com", {})
    assert str(found) == "sip:user;par=u%40example.net@example.com"


def test_noreason_has_an_empty_phrase() -> None:
    found = read("rfc4475-noreason.dat")
    assert isinstance(found, Response)
    assert (found.status, found.reason) == (100, "")


def test_scalar02_large_numbers_do_not_overflow() -> None:
    found = request("rfc4475-scalar02")
    assert found.expires == found.contacts[0].expires == 2**32 - 1
    with pytest.raises(ParseError):
        _ = found.cseq


def test_quotbal_does_not_run_past_its_line() -> None:
    found = request("rfc4475-quotbal")
    with pytest.raises(ParseError):
        _ = found.to
    assert sip(found.from_).user == "caller"


def test_badaspec_blanks_in_the_brackets_are_stripped() -> None:
    assert str(sip(request("rfc4475-badaspec").to)) == "sip:t.watson@example.org"


def test_badbranch_is_a_branch() -> None:
    via = request("rfc4475-badbranch").via
    assert via is not None
    assert via.branch == "z9hG4bK"


def test_other_schemes_are_kept() -> None:
    assert request("rfc4475-unkscm").uri == "nobodyKnowsThisScheme:totallyopaquecontent"
    found = request("rfc4475-unksm2")
    assert found.to is not None
    assert found.from_ is not None
    assert [found.to.uri, found.from_.uri, found.contacts[0].uri] == [
        OtherUri("isbn:2983792873"),
        OtherUri("http://www.example.com"),
        OtherUri("name:John_Smith"),
    ]


def test_multi01_doubled_headers_of_identity() -> None:
    found = request("rfc4475-multi01")
    for name in ("from_", "to", "call_id", "cseq"):
        with pytest.raises(ParseError):
            getattr(found, name)
    assert len(found.contacts) == 2


def test_bcast_has_two_vias() -> None:
    found = read("rfc4475-bcast.dat")
    assert [via.host for via in found.vias] == ["192.0.2.198", "255.255.255.255"]


def test_cparam01_and_its_counterpart() -> None:
    (contact,) = request("rfc4475-cparam01").contacts
    assert contact.params == {"unknownparam": None}
    assert sip(contact).params == {}
    data = (DATA / "rfc4475-cparam01.dat").read_bytes()
    bracketed = data.replace(
        b"sip:+19725552222@gw1.example.net;unknownparam", b"<sip:+19725552222@gw1.example.net;unknownparam>"
    )
    (contact,) = parse_message(bracketed).contacts
    assert contact.params == {}
    assert sip(contact).params == {"unknownparam": None}


def test_regescrt_keeps_the_header_part() -> None:
    (contact,) = request("rfc4475-regescrt").contacts
    assert sip(contact).headers == {"Route": "<sip:sip.example.com>"}


def test_inv2543_lacks_what_came_later() -> None:
    found = request("rfc4475-inv2543")
    assert found.via is not None
    assert found.via.branch is None
    assert found.from_ is not None
    assert found.from_.tag is None
    assert found.contacts == ()
    assert len(found.body) == 105


def test_rfc5118_addresses() -> None:
    found = request("rfc5118-ipv6-good")
    assert SipUri.parse(found.uri).host == "2001:db8::10"
    assert found.via is not None
    assert found.via.host == "2001:db8::9:1"
    assert sip(found.contacts[0]).host == "2001:db8::1"
    ambiguous = SipUri.parse(request("rfc5118-port-ambiguous").uri)
    assert (ambiguous.host, ambiguous.port) == ("2001:db8::10:5070", None)
    via = request("rfc5118-via-received-param-with-delim").via
    assert via is not None
    assert via.received == "2001:db8::9:255"
    assert SipUri.parse(request("rfc5118-ipv6-bug-abnf-3-colons").uri) == SipUri.parse("sip:user@[2001:db8::192.0.2.1]")
