"""Answers of real registrars, field by field, and header samples of other projects."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from aiosipreg.wire import Challenge, NameAddr, ParamValue, ParseError, Response, Via, parse_message
from aiosipreg.wire.host import format_host
from tests.wire.test_robustness import check_everything

ROOT = Path(__file__).parents[1] / "data"
DATA = ROOT / "wild"
INDEX: list[dict[str, Any]] = json.loads((DATA / "index.json").read_text("utf-8"))["messages"]
HEADERS: list[dict[str, Any]] = json.loads((ROOT / "vectors.json").read_text("utf-8"))["header_parse"]

each = pytest.mark.parametrize("case", INDEX, ids=lambda case: case["file"].removesuffix(".txt"))


def read(case: dict[str, Any]) -> Response:
    message = parse_message((DATA / case["file"]).read_bytes())
    assert isinstance(message, Response)
    return message


def via_of(via: Via) -> dict[str, Any]:
    port = "" if via.port is None else f":{via.port}"
    return {
        "transport": via.transport,
        "sent_by": format_host(via.host) + port,
        "branch": via.branch,
        "received": via.received,
        "rport": None if via.rport is None else str(via.rport),
        "rport_present": "rport" in via.params,
    }


def challenge_of(challenge: Challenge) -> dict[str, Any]:
    found = {name: getattr(challenge, name) for name in ("header", "scheme", "realm", "algorithm", "opaque", "domain")}
    found["nonce"] = challenge.nonce or None
    found["qop"] = list(challenge.qop) or None
    found["stale"] = challenge.stale if "stale" in challenge.params else None
    return found | {"charset": challenge.charset, "userhash": challenge.userhash}


def contact_of(contact: NameAddr) -> dict[str, Any]:
    names = {"contact": str(contact.uri), "display": contact.display_name}
    return dict(contact.params) | names | {"instance": contact.params.get("+sip.instance")}


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every expected field that we read has its value; what floors above make of them is named here."""
    unread = {"effective_expires", "rand", "autn"}
    for name, value in expected.items():
        if name not in unread:
            assert (name, found.get(name.replace("_", "-"), found.get(name))) == (name, value)


def routes(addresses: tuple[NameAddr, ...]) -> list[str]:
    return [f"<{address.uri}>" for address in addresses]


def test_every_file_is_listed() -> None:
    assert {case["file"] for case in INDEX} == {path.name for path in DATA.glob("*.txt")}


@each
def test_everything_can_be_read(case: dict[str, Any]) -> None:
    data = (DATA / case["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == case["sha256"]
    check_everything(data)


@each
def test_identity(case: dict[str, Any]) -> None:
    found, expected = read(case), case["expected"]
    assert (found.status, found.reason) == (expected["status"], expected["reason"])
    assert found.call_id == expected["call_id"]
    assert found.cseq is not None
    assert found.cseq.number == expected["cseq"]
    assert found.to is not None
    assert found.to.tag == expected["to_tag"]
    assert len(found.body) == expected["content_length"]
    if case["file"].startswith("70-"):
        # An unusable From, made by the server, must not hide the 503.
        with pytest.raises(ParseError):
            _ = found.from_
    else:
        assert found.from_ is not None
        assert found.from_.tag == expected["from_tag"]


@each
def test_via(case: dict[str, Any]) -> None:
    found, expected = read(case), case["expected"]["via"]
    assert len(found.headers.get_all("Via")) == case["via_count"]
    if case["file"].startswith("28-"):
        with pytest.raises(ParseError):
            _ = found.via
        return
    assert found.via is not None
    assert via_of(found.via) == expected
    # ROB-6: what must not be acted on has several Vias.
    assert (len(found.vias) == 1) == case["deliverable"]


@each
def test_challenges(case: dict[str, Any]) -> None:
    found, expected = read(case), case["expected"]["challenges"]
    assert len(found.challenges) == len(expected)
    for challenge, wanted in zip(found.challenges, expected, strict=True):
        same(challenge_of(challenge), wanted)


@each
def test_bindings(case: dict[str, Any]) -> None:
    found, expected = read(case), case["expected"]
    bindings = [
        wanted
        for number, wanted in enumerate(expected["bindings"])
        # An address that is no URI may be left out, and is.
        if not (case["file"].startswith("48-") and number == 1)
    ]
    assert len(found.contacts) == len(bindings)
    for contact, wanted in zip(found.contacts, bindings, strict=True):
        same(contact_of(contact), wanted)
        effective = contact.expires if contact.expires is not None else found.expires
        # Whether a malformed lifetime means an hour is decided above this floor.
        assert effective == wanted["effective_expires"] or case["file"].startswith("48-")
    assert found.dropped == len(expected["bindings"]) - len(bindings) + (expected["expires_header"] or "").count("GMT")


@each
def test_routes_timers_and_the_rest(case: dict[str, Any]) -> None:
    found, expected = read(case), case["expected"]
    assert routes(found.service_route) == expected["service_route"]
    assert routes(found.path) == expected["path"]
    assert routes(found.associated_uris) == expected["p_associated_uri"]
    assert found.headers.get("Expires") == expected["expires_header"]
    assert found.headers.get("Date") == expected["date"]
    assert found.min_expires == expected["min_expires"]
    assert found.retry_after == (expected["retry_after"] or {}).get("seconds")
    assert found.flow_timer == expected["flow_timer"]
    assert list(found.require) == expected["require"]
    assert (found.authentication_info or None) == expected["authentication_info"]
    mechanisms = [{"mechanism": entry.value, "params": dict(entry.params)} for entry in found.security_server]
    assert mechanisms == expected["security_server"]


def test_ROB_7_bare_line_feeds_are_told() -> None:
    (case,) = (case for case in INDEX if case["file"].startswith("62-"))
    assert read(case).oddities == ("bare LF",)


@pytest.mark.parametrize("case", HEADERS, ids=lambda case: case["id"])
def test_headers_of_other_projects(case: dict[str, Any]) -> None:
    name, expected = case["header"], case["expect"]
    data = f"SIP/2.0 200 OK\r\n{name}: {case['value']}\r\n\r\n".encode()
    found = parse_message(data)
    assert isinstance(found, Response)
    match name.lower():
        case "contact":
            assert len(found.contacts) == len(expected)
            for contact, wanted in zip(found.contacts, expected, strict=True):
                assert str(contact.uri) == wanted["uri"]
                assert contact.display_name == wanted.get("display")
                assert contact.expires == wanted["expires"]
                assert contact.q == wanted.get("q")
                assert contact.params.get("+sip.instance") == wanted.get("instance")
        case "retry-after":
            assert found.retry_after == expected["seconds"]
        case "min-expires":
            assert found.min_expires == expected["seconds"]
        case "authentication-info":
            assert found.authentication_info == expected
        case "service-route":
            assert [str(route.uri) for route in found.service_route] == expected["routes"]
        case "security-server":
            assert [(entry.value, dict(entry.params)) for entry in found.security_server] == [
                (wanted["mechanism"], wanted["params"]) for wanted in expected
            ]
            assert isinstance(found.security_server[0], ParamValue)
        case _:
            pytest.fail(f"no check for {name}")
