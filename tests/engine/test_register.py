"""REGISTERs octet by octet, and what a registrar's answer says."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.engine.binding import Binding
from aiosipreg.engine.contacts import Purpose, contact_address
from aiosipreg.engine.effects import Flow
from aiosipreg.engine.keepalive import KeepAlive
from aiosipreg.engine.register import RegisterSeries, mapped_address, read_grant
from aiosipreg.engine.repairs import Concessions
from aiosipreg.engine.setup import Setup
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.params import ExpiresIn, ProxyParams
from aiosipreg.states import Reason
from aiosipreg.wire import NameAddr, Request, Response, SipUri, parse_message
from tests.engine.driver import Driver, parse_response

FLOW = Flow(Target("192.0.2.10", 5060, Transport.UDP, "example.org"), "192.0.2.1", 5070)
TOTO = ProxyParams("sip:toto@example.org")
CONTACT = NameAddr.parse("<sip:toto@192.0.2.1:5070>")
INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


def flow(transport: Transport = Transport.UDP, host: str = "192.0.2.1", port: int = 5070) -> Flow:
    return Flow(Target("192.0.2.10", 5060, transport, "example.org"), host, port)


def series(params: ProxyParams = TOTO, *, user_agent: str | None = "test/1", seed: int = 1) -> RegisterSeries:
    return RegisterSeries(params, Setup(random=Random(seed), user_agent=user_agent))


def render(subject: RegisterSeries, purpose: Purpose = Purpose.REGISTER, lifetime: int = 3600, **more: Any) -> bytes:
    values: dict[str, Any] = {"contact": contact_address(subject.params, FLOW)} | more
    return subject.render(purpose, FLOW, "z9hG4bKb", lifetime=lifetime, **values)


def sent(params: ProxyParams = TOTO, purpose: Purpose = Purpose.REGISTER, **more: Any) -> Request:
    message = parse_message(render(series(params), purpose, **more))
    assert isinstance(message, Request)
    return message


def lines(data: bytes, *names: str) -> list[str]:
    rows = data.decode().split("\r\n")
    return [row for row in rows if row.partition(":")[0] in names]


# Requests


def test_REG_1_2_3_MSG_1_golden_register() -> None:
    subject = series()
    assert render(subject).decode() == (
        "REGISTER sip:example.org SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 192.0.2.1:5070;rport;branch=z9hG4bKb\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:toto@example.org>;tag={subject.call_id}\r\n"
        "To: <sip:toto@example.org>\r\n"
        f"Call-ID: {subject.call_id}\r\n"
        "CSeq: 1 REGISTER\r\n"
        "Contact: <sip:toto@192.0.2.1:5070>;expires=3600\r\n"
        "Expires: 3600\r\n"
        "Supported: path\r\n"
        "User-Agent: test/1\r\n"
        "Content-Length: 0\r\n"
        "\r\n"
    )


def test_REG_7_8_golden_register_with_everything() -> None:
    params = ProxyParams(
        "sip:toto@example.org",
        server="sip:edge.example.org:5070;transport=udp",
        routes=("sip:proxy.example.org", "sip:inner.example.org;lr"),
        contact_params={"q": "0.7", "methods": "OPTIONS, NOTIFY"},
        contact_uri_params={"ob": None, "x": "a b"},
        headers=(("X-Site", "köln"), ("Subject", "one: two")),
        supported=("path", "gruu"),
        instance_id=INSTANCE,
    )
    subject = series(params)
    subject.cseq = 41
    data = render(
        subject,
        lifetime=60,
        authorizations=[("Authorization", 'Digest realm="r"'), ("Proxy-Authorization", 'Digest realm="p"')],
        stale=[NameAddr.parse("<sip:toto@10.0.0.1:5060>;q=0.7")],
    )
    assert data.decode() == (
        "REGISTER sip:edge.example.org:5070;transport=udp SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 192.0.2.1:5070;rport;branch=z9hG4bKb\r\n"
        "Max-Forwards: 70\r\n"
        "Route: <sip:proxy.example.org;lr>\r\n"
        "Route: <sip:inner.example.org;lr>\r\n"
        f"From: <sip:toto@example.org>;tag={subject.call_id}\r\n"
        "To: <sip:toto@example.org>\r\n"
        f"Call-ID: {subject.call_id}\r\n"
        "CSeq: 42 REGISTER\r\n"
        'Contact: <sip:toto@192.0.2.1:5070;ob;x=a%20b>;q=0.7;methods="OPTIONS, NOTIFY"'
        f';+sip.instance="<{INSTANCE}>";expires=60\r\n'
        "Contact: <sip:toto@10.0.0.1:5060>;expires=0\r\n"
        "Expires: 60\r\n"
        'Authorization: Digest realm="r"\r\n'
        'Proxy-Authorization: Digest realm="p"\r\n'
        "Supported: path, gruu\r\n"
        "User-Agent: test/1\r\n"
        "X-Site: köln\r\n"
        "Subject: one: two\r\n"
        "Content-Length: 0\r\n"
        "\r\n"
    )


@pytest.mark.parametrize(
    ("identity", "server", "uri"),
    [
        ("sip:toto@Chicago.COM", None, "sip:Chicago.COM"),
        ("sip:toto@chicago.com:5070;transport=tcp", None, "sip:chicago.com:5070;transport=tcp"),
        ("sip:toto@chicago.com", "reg.example.org", "sip:reg.example.org"),
        ("sip:toto@chicago.com", "sip:someone@reg.example.org?Subject=x", "sip:reg.example.org"),
        ("sip:toto@chicago.com", "sip:reg.example.org;transport=tls", "sip:reg.example.org"),
        ("sip:toto@chicago.com", "sip:reg.example.org;transport=TLS;x", "sip:reg.example.org;x"),
        ("sip:toto@chicago.com", "sip:reg.example.org;transport=WSS;x", "sip:reg.example.org;x;transport=ws"),
        ("sip:toto@chicago.com", "sip:reg.example.org;transport=ws", "sip:reg.example.org;transport=ws"),
        ("sips:toto@chicago.com", "sips:reg.example.org;transport=ws", "sips:reg.example.org;transport=ws"),
        ("sip:toto@chicago.com", "sip:reg.example.org;transport", "sip:reg.example.org;transport"),
        ("sips:toto@chicago.com", None, "sips:chicago.com"),
        ("sip:toto@[2001:db8::1]", None, "sip:[2001:db8::1]"),
    ],
)
def test_REG_1_SIPS_5_request_uri(identity: str, server: str | None, uri: str) -> None:
    request = sent(ProxyParams(identity, server=server))
    assert request.uri == uri
    assert series(ProxyParams(identity, server=server)).form.request_uri == uri


def test_DNS_1_the_request_uri_is_never_rewritten() -> None:
    params = ProxyParams("sip:toto@example.org", server="sip:Reg.example.org;maddr=192.0.2.9")
    there = Flow(Target("192.0.2.9", 5060, Transport.UDP, "192.0.2.9"), "192.0.2.1", 5070)
    data = series(params).render(Purpose.REGISTER, there, "z9hG4bKb", contact=CONTACT, lifetime=60)
    assert data.startswith(b"REGISTER sip:Reg.example.org;maddr=192.0.2.9 SIP/2.0\r\n")


def test_RDR_4_request_uri_of_a_redirect() -> None:
    subject = series()
    subject.ask(SipUri.parse("sip:other.example.org"))
    assert render(subject).startswith(b"REGISTER sip:other.example.org SIP/2.0\r\n")
    assert lines(render(subject), "To") == ["To: <sip:toto@example.org>"]


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("bare", [False, True])
def test_MSG_14_RTE_1_what_every_request_carries(purpose: Purpose, bare: bool) -> None:
    subject = series()
    subject.concede(Concessions(bare=bare))
    request = parse_message(render(subject, purpose))
    names = [name for name, _ in request.headers.items()]
    for name in ("Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length"):
        assert names.count(name) == 1
        assert request.headers.get(name)
    assert request.headers.get("Max-Forwards") == "70"
    assert request.via is not None
    assert request.via.branch == "z9hG4bKb"
    # The registrar adds to Path, we never do.
    assert "Path" not in names
    assert ("path" in request.supported) is not bare


@pytest.mark.parametrize("transport", [Transport.TLS, Transport.WSS])
@pytest.mark.parametrize("purpose", [Purpose.REGISTER, Purpose.REMOVE])
def test_REG_9_a_sips_identity_registers_sips_only(purpose: Purpose, transport: Transport) -> None:
    there = flow(transport)
    subject = series(ProxyParams("sips:toto@example.org", routes=("sip:proxy.example.org",)))
    before = contact_address(subject.params, there)
    contact = contact_address(subject.params, there, ("203.0.113.5", 1024))
    request = parse_message(subject.render(purpose, there, "z9hG4bKb", contact=contact, lifetime=60, stale=[before]))
    uris = [entry.uri for entry in request.contacts]
    assert len(uris) == 2
    assert all(isinstance(uri, SipUri) and uri.secure for uri in uris)


def test_URI_12_clean_to_and_from() -> None:
    request = sent(ProxyParams("sip:toto@example.org:5070;transport=tcp;lr;maddr=h;ttl=1?Subject=x"))
    assert request.to is not None
    assert request.from_ is not None
    assert str(request.to) == "<sip:toto@example.org>"
    assert str(request.from_.uri) == "sip:toto@example.org"


def test_GRM_48_user_keeps_its_escapes() -> None:
    request = sent(ProxyParams("sip:a%3Bb%40c@example.org:5070"))
    assert request.to is not None
    assert str(request.to.uri) == "sip:a%3Bb%40c@example.org"
    assert str(request.contacts[0].uri) == "sip:a%3Bb%40c@192.0.2.1:5070"


def test_REG_2_to_has_no_tag() -> None:
    subject = series()
    for purpose in Purpose:
        [to] = lines(render(subject, purpose), "To")
        assert to == "To: <sip:toto@example.org>"


def test_REG_3_one_tag_per_call_id() -> None:
    subject = series()
    tags = set(lines(render(subject) + render(subject) + render(subject, Purpose.REMOVE), "From"))
    assert tags == {f"From: <sip:toto@example.org>;tag={subject.call_id}"}


def test_REG_3_4_SEC_14_tag_and_call_id_are_random() -> None:
    every = [series(seed=seed) for seed in range(300)]
    assert all(f";tag={one.call_id}\r\n" in render(one).decode() for one in every)
    assert len({one.call_id for one in every}) == 300
    assert all(re.fullmatch("[0-9a-f]{24}", one.call_id) for one in every)
    numbers = [int(one.call_id, 16) for one in every]
    assert all(0 < sum(number >> bit & 1 for number in numbers) < 300 for bit in range(96))


def test_SEC_35_nothing_private_in_identifiers() -> None:
    subject = series()
    for text in ("192.0.2.1", "toto", "example"):
        assert text not in subject.call_id


def test_REG_4_5_one_call_id_and_a_growing_cseq() -> None:
    subject = series()
    requests = [parse_message(render(subject, purpose)) for purpose in (*[Purpose.REGISTER] * 10, Purpose.REMOVE)]
    assert {request.call_id for request in requests} == {subject.call_id}
    assert [str(request.cseq) for request in requests] == [f"{number} REGISTER" for number in range(1, 12)]


def test_REG_8_lifetime_in_four_places() -> None:
    expected = {
        ExpiresIn.BOTH: ["Contact: <sip:toto@192.0.2.1:5070>;expires=600", "Expires: 600"],
        ExpiresIn.CONTACT: ["Contact: <sip:toto@192.0.2.1:5070>;expires=600"],
        ExpiresIn.HEADER: ["Contact: <sip:toto@192.0.2.1:5070>", "Expires: 600"],
        ExpiresIn.NOWHERE: ["Contact: <sip:toto@192.0.2.1:5070>"],
    }
    for place, rows in expected.items():
        data = render(series(TOTO.replace(lifetime_in=place)), lifetime=600)
        assert lines(data, "Contact", "Expires") == rows


@pytest.mark.parametrize(
    ("place", "rows"),
    [
        (ExpiresIn.BOTH, ["Contact: <sip:toto@192.0.2.1:5070>;expires=0", "Expires: 0"]),
        (ExpiresIn.CONTACT, ["Contact: <sip:toto@192.0.2.1:5070>;expires=0"]),
        (ExpiresIn.HEADER, ["Contact: <sip:toto@192.0.2.1:5070>", "Expires: 0"]),
        # A removal that does not say so would be a registration.
        (ExpiresIn.NOWHERE, ["Contact: <sip:toto@192.0.2.1:5070>", "Expires: 0"]),
    ],
)
def test_REG_22_removal_says_0_wherever_it_is_configured(place: ExpiresIn, rows: list[str]) -> None:
    data = render(series(TOTO.replace(lifetime_in=place)), Purpose.REMOVE, lifetime=600)
    assert lines(data, "Contact", "Expires") == rows


def test_REG_22_removal_names_the_contact_it_is_given() -> None:
    data = render(series(), Purpose.REMOVE, contact=NameAddr.parse("<sip:toto@198.51.100.7:1024>"))
    assert lines(data, "Contact")[0] == "Contact: <sip:toto@198.51.100.7:1024>;expires=0"


@pytest.mark.parametrize(
    ("settings", "contacts", "scheme"),
    [
        ({}, "sip:", "sip"),
        ({"server": "sips:example.org"}, "sips:", "sips"),
        ({"identity": "sips:toto@example.org"}, "sips:", "sips"),
        ({"routes": ("sips:edge.example.org;lr",)}, "sips:", "sips"),
        ({"server": "sips:example.org", "extra_contacts": ("<sips:toto@desk.example>",)}, "sips: sips:", "sips"),
        ({"server": "sips:example.org", "extra_contacts": ("<sip:toto@desk.example>",)}, "sips: sip:", "sip"),
        ({"server": "sips:example.org", "extra_contacts": ("<mailto:toto@titi.com>",)}, "sips: mailto:", "sip"),
        ({"extra_contacts": ("<sips:toto@desk.example>",)}, "sip: sips:", "sip"),
        ({"server": "sips:example.org", "registered_by": "sip:boss@example.org"}, "sips:", "sips"),
        ({"registered_by": "sips:boss@example.org"}, "sip:", "sip"),
    ],
)
def test_SIPS_3_from_and_to_are_sips_when_every_contact_is(
    settings: dict[str, Any], contacts: str, scheme: str
) -> None:
    subject = series(TOTO.replace(**settings))
    for purpose in (Purpose.REGISTER, Purpose.REMOVE):
        request = parse_message(render(subject, purpose))
        assert isinstance(request, Request)
        assert request.from_ is not None
        assert request.to is not None
        uris = [str(entry.uri) for entry in request.contacts]
        if purpose is Purpose.REGISTER:
            assert [uri.partition(":")[0] + ":" for uri in uris] == contacts.split()
        sender = (settings.get("registered_by") or "sip:toto@example.org").partition(":")[2]
        assert str(request.from_.uri) == f"{scheme}:{sender}"
        assert str(request.to.uri) == f"{scheme}:toto@example.org"
        answer = [(name, request.headers.get(name) or "") for name in ("Via", "From", "To", "Call-ID", "CSeq")]
        assert subject.mismatch(Response(200, "OK", answer), subject.cseq) is None


def test_SIPS_3_a_contact_that_comes_later_changes_both() -> None:
    subject = series(TOTO.replace(server="sips:example.org"))
    assert b"To: <sips:toto@example.org>\r\n" in render(subject)
    subject.adopt(subject.params.replace(extra_contacts=("<mailto:toto@titi.com>",)))
    assert b"To: <sip:toto@example.org>\r\n" in render(subject)
    subject.adopt(subject.params.replace(extra_contacts=()))
    assert b"To: <sips:toto@example.org>\r\n" in render(subject)


def test_SIPS_3_settings_that_change_while_a_request_is_out_do_not_make_its_answer_a_strangers() -> None:
    subject = series(TOTO.replace(server="sips:example.org"))
    request = parse_message(render(subject))
    subject.adopt(subject.params.replace(ref_key="other"))
    answer = [(name, request.headers.get(name) or "") for name in ("Via", "From", "To", "Call-ID", "CSeq")]
    assert subject.mismatch(Response(200, "OK", answer), subject.cseq) is None


@pytest.mark.parametrize(("server", "own", "twin"), [("sip", "sip", "sips"), ("sips", "sips", "sip")])
def test_SIPS_4_a_contact_of_ours_is_never_there_with_both_schemes(server: str, own: str, twin: str) -> None:
    others = (f"<{twin}:toto@192.0.2.1:5070;x>;q=0.5", f"<{twin}:toto@192.0.2.1:5071>")
    request = sent(TOTO.replace(server=f"{server}:example.org", extra_contacts=others))
    assert [str(entry.uri) for entry in request.contacts] == [
        f"{own}:toto@192.0.2.1:5070", f"{twin}:toto@192.0.2.1:5071",
    ]  # fmt: skip


STALE = NameAddr.parse("<sip:toto@10.0.0.1:5060>")


def test_REG_23_star_stands_alone() -> None:
    params = TOTO.replace(instance_id=INSTANCE, contact_params={"q": "1"}, lifetime_in=ExpiresIn.CONTACT)
    data = render(series(params), Purpose.CLEAR, stale=[STALE])
    assert lines(data, "Contact", "Expires") == ["Contact: *", "Expires: 0"]
    assert b"instance" not in data


def test_REG_21_fetch_has_neither_contact_nor_expires() -> None:
    data = render(series(), Purpose.FETCH, stale=[STALE])
    assert lines(data, "Contact", "Expires") == []


def test_REG_30_a_strict_router_becomes_the_request_uri() -> None:
    routes = ("sip:old.example;transport=udp", "sip:b.example;lr")
    request = sent(TOTO.replace(server="sip:reg.example", routes=routes, loose_routing=False))
    assert request.uri == "sip:old.example;transport=udp"
    assert list(request.headers.get_all("Route")) == ["<sip:b.example;lr>", "<sip:reg.example>"]


def test_REG_30_SIPS_6_a_first_route_that_says_lr_is_no_strict_router() -> None:
    routes = ("sips:a.example;lr", "sip:b.example")
    request = sent(TOTO.replace(routes=routes, loose_routing=False))
    assert request.uri == "sip:example.org"
    assert list(request.headers.get_all("Route")) == ["<sips:a.example;lr>", "<sip:b.example>"]


def test_REG_30_without_a_route_nothing_is_strict() -> None:
    assert sent(TOTO.replace(loose_routing=False)).uri == "sip:example.org"


def test_REG_32_whoever_registers_for_somebody_else_stands_in_from() -> None:
    params = TOTO.replace(registered_by="sip:boss@example.com;transport=udp")
    subject = series(params)
    data = render(subject)
    assert lines(data, "From", "To") == [
        f"From: <sip:boss@example.com>;tag={subject.call_id}",
        "To: <sip:toto@example.org>",
    ]
    request = parse_message(data)
    assert isinstance(request, Request)
    rows = [f"{name}: {request.headers.get(name)}" for name in ("Via", "From", "To", "Call-ID", "CSeq")]
    response = parse_message("\r\n".join(["SIP/2.0 200 OK", *rows, "", ""]).encode())
    assert isinstance(response, Response)
    assert subject.mismatch(response, 1) is None


def test_REG_30_routes_in_order() -> None:
    request = sent(ProxyParams("sip:toto@example.org", routes=("sip:a.example", "<sip:b.example:5070;lr>")))
    assert [str(route) for route in request.routes] == ["<sip:a.example;lr>", "<sip:b.example:5070;lr>"]
    assert request.uri == "sip:example.org"


def test_NAT_1_via_asks_for_rport() -> None:
    request = sent()
    assert request.via is not None
    assert request.via.params["rport"] is None
    assert "rport" in request.via.params


@pytest.mark.parametrize("transport", list(Transport))
def test_TRA_6_via_names_the_transport_and_where_answers_arrive(transport: Transport) -> None:
    subject = series()
    there = flow(transport, "2001:db8::1", 5071)
    data = subject.render(Purpose.REGISTER, there, "z9hG4bKb", contact=CONTACT, lifetime=60)
    assert lines(data, "Via") == [f"Via: SIP/2.0/{transport.value} [2001:db8::1]:5071;rport;branch=z9hG4bKb"]


def test_MSG_21_supported_can_be_chosen_or_left_out() -> None:
    assert lines(render(series(TOTO.replace(supported=()))), "Supported") == []
    assert lines(render(series(TOTO.replace(supported=("gin",)))), "Supported") == ["Supported: gin"]


def test_SEC_35_user_agent_can_be_left_out() -> None:
    assert lines(render(series(user_agent=None)), "User-Agent") == []


def test_SEC_28_max_forwards_is_70() -> None:
    assert sent().headers.get("Max-Forwards") == "70"


def test_GRM_26_octets_of_unknown_encoding_are_sent_as_given() -> None:
    value = b"K\xf6ln".decode("utf-8", "surrogateescape")
    assert b"\r\nX-City: K\xf6ln\r\n" in render(series(TOTO.replace(headers=(("X-City", value),))))


def test_REG_15_settings_change_under_the_same_call_id() -> None:
    subject = series()
    before = parse_message(render(subject))
    subject.adopt(TOTO.replace(headers=(("X-New", "1"),), supported=("gruu",)))
    after = parse_message(render(subject))
    assert (after.call_id, str(after.cseq)) == (before.call_id, "2 REGISTER")
    assert (after.headers.get("X-New"), after.supported) == ("1", ("gruu",))


def test_RSP_513_concessions_show_in_the_next_request() -> None:
    subject = series(TOTO.replace(headers=(("X-Long", "1"),)))
    subject.concede(Concessions(bare=True))
    data = render(subject)
    assert lines(data, "Supported", "User-Agent", "X-Long") == []
    subject.concede(Concessions(with_tags=("outbound",)))
    assert lines(render(subject), "Supported", "X-Long") == ["Supported: path, outbound", "X-Long: 1"]


# A request says what it was told to


TEXT = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=12)
VALUE = TEXT.map(str.strip).filter(bool).map(lambda text: text.strip(" \t"))
TOKEN = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.!%*_+`'~-]{0,8}", fullmatch=True)
HOST = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?(\.[a-z]{2,5}){1,2}", fullmatch=True),
    st.ip_addresses(v=4).filter(lambda address: not address.is_multicast).map(str),
    st.ip_addresses(v=6).filter(lambda address: not address.is_multicast).map(lambda address: f"[{address}]"),
)
USER = TEXT.map(lambda text: str(SipUri("sip", text, "h"))[4:-2])
PARAMS = st.dictionaries(TOKEN.map(lambda name: f"x{name}".lower()), st.one_of(st.none(), VALUE), max_size=3)


@st.composite
def accounts(draw: st.DrawFn) -> ProxyParams:
    return ProxyParams(
        f"sip:{draw(USER)}@{draw(HOST)}",
        server=draw(st.one_of(st.none(), HOST.map(lambda host: f"sip:{host}:5070"))),
        routes=tuple(draw(st.lists(HOST.map(lambda host: f"sip:{host}"), max_size=2))),
        contact_params=draw(PARAMS),
        contact_uri_params=draw(PARAMS),
        headers=tuple(draw(st.lists(st.tuples(TOKEN.map(lambda name: f"X-{name}"), VALUE), max_size=3))),
        supported=draw(st.one_of(st.none(), st.lists(TOKEN, max_size=3).map(tuple))),
        instance_id=draw(st.sampled_from([None, INSTANCE])),
        lifetime_in=draw(st.sampled_from(ExpiresIn)),
    )


@given(
    accounts(), st.sampled_from(Purpose), st.integers(1, 2**32 - 1), st.sampled_from(Transport), VALUE, st.booleans()
)
def test_MSG_16_rendered_register_parses_back(
    params: ProxyParams, purpose: Purpose, lifetime: int, transport: Transport, agent: str, keep: bool
) -> None:
    there = flow(transport)
    subject = RegisterSeries(params, Setup(random=Random(1), user_agent=agent, keepalive=KeepAlive(keep=keep)))
    contact = contact_address(params, there, reg_id=7 if keep else None)
    data = subject.render(purpose, there, "z9hG4bKb", contact=contact, lifetime=lifetime)
    request = parse_message(data)
    assert isinstance(request, Request)
    assert (request.method, request.uri, request.body) == ("REGISTER", subject.form.request_uri, b"")
    assert request.dropped == 0
    assert request.oddities == ()
    assert len(request.vias) == 1
    assert [str(route.uri) for route in request.routes] == list(params.routes)
    assert ("keep" in request.vias[0].params) is keep
    assert request.to is not None
    assert request.from_ is not None
    assert (str(request.to.uri), request.to.params) == (str(params.aor), {})
    assert (str(request.from_.uri), request.from_.params) == (str(params.aor), {"tag": subject.call_id})
    assert (request.call_id, str(request.cseq), request.content_length) == (subject.call_id, "1 REGISTER", 0)
    if purpose is Purpose.FETCH:
        assert (request.contacts, request.expires) == ((), None)
    elif purpose is Purpose.CLEAR:
        assert [str(entry) for entry in request.contacts] == ["*"]
        assert request.expires == 0
    else:
        wished = 0 if purpose is Purpose.REMOVE else lifetime
        [entry] = request.contacts
        assert str(entry.uri) == str(contact.uri)
        assert {name: value for name, value in entry.params.items() if name != "expires"} == dict(contact.params)
        for value, places in ((entry.expires, "CONTACT"), (request.expires, "HEADER")):
            assert value in (None, wished)
            assert (value is not None) >= (params.lifetime_in.name in (places, "BOTH"))
    usual = ("path",) if params.instance_id is None else ("path", "gruu")
    tags = usual if params.supported is None else params.supported
    assert request.supported == tuple(tag.lower() for tag in tags)
    assert request.headers.get("User-Agent") == agent
    extra = [(name, value) for name, value in request.headers.items() if name.startswith("X-")]
    assert extra == list(params.headers)


# Whether an answer is ours


def answer(subject: RegisterSeries, **changes: str | None) -> Response:
    """A response to the last request; a keyword replaces a row, ``None`` leaves it out."""
    rows: dict[str, str | None] = {
        "Via": "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKb",
        "From": f"<sip:toto@example.org>;tag={subject.call_id}",
        "To": "<sip:toto@example.org>;tag=x",
        "Call-ID": subject.call_id,
        "CSeq": f"{subject.cseq} REGISTER",
    }
    rows |= {name.rstrip("_").replace("_", "-"): value for name, value in changes.items()}
    return Response(200, "OK", [(name, value) for name, value in rows.items() if value is not None])


def asked() -> RegisterSeries:
    subject = series()
    render(subject)
    render(subject)
    return subject


def test_MSG_22_own_answer_fits() -> None:
    subject = asked()
    assert subject.mismatch(answer(subject), 2) is None
    assert subject.mismatch(answer(subject, To="<sip:toto@EXAMPLE.org>"), 2) is None
    assert subject.mismatch(answer(subject, To="sip:toto@example.org"), 2) is None
    assert subject.mismatch(answer(subject, From=f"<sip:toto@example.org>;tag={subject.call_id.upper()}"), 2) is None


@pytest.mark.parametrize(
    ("changes", "header"),
    [
        ({"Via": "SIP/2.0/UDP h;branch=z9hG4bKb, SIP/2.0/UDP other"}, "Via"),
        ({"Via": None}, "Via"),
        ({"Call_ID": "other"}, "Call-ID"),
        ({"Call_ID": None}, "Call-ID"),
        ({"CSeq": "1 REGISTER"}, "CSeq"),
        ({"CSeq": "3 REGISTER"}, "CSeq"),
        ({"CSeq": None}, "CSeq"),
        ({"From": "<sip:toto@example.org>;tag=other"}, "From"),
        ({"From": "<sip:toto@example.org>"}, "From"),
        ({"From": "<sip:toto@example.org>;tag"}, "From"),
        ({"From": None}, "From"),
        ({"To": "<sip:titi@example.org>;tag=x"}, "To"),
        ({"To": "<sip:Toto@example.org>;tag=x"}, "To"),
        ({"To": "<tel:+123>"}, "To"),
        ({"To": None}, "To"),
    ],
)
def test_MSG_22_SEC_15_ROB_6_one_field_that_differs_is_enough(changes: dict[str, str | None], header: str) -> None:
    subject = asked()
    assert subject.mismatch(answer(subject, **changes), 2) == header


def test_SEC_15_call_id_compares_octet_by_octet() -> None:
    subject = asked()
    subject.call_id = "abc"
    assert subject.mismatch(answer(subject, Call_ID="ABC"), 2) == "Call-ID"


@pytest.mark.parametrize("name", ["Via", "Call-ID", "CSeq", "From", "To"])
def test_ROB_5_doubled_and_malformed_fields_are_a_mismatch(name: str) -> None:
    subject = asked()
    rows = answer(subject).headers.items()
    doubled = Response(200, "OK", [*rows, *[row for row in rows if row[0] == name]])
    assert subject.mismatch(doubled, 2) is not None
    if name != "Call-ID":
        broken = Response(200, "OK", [(row, "<" if row == name else value) for row, value in rows])
        assert subject.mismatch(broken, 2) is not None


@pytest.mark.parametrize(
    ("tail", "sound"), [("tag=x", True), ("tag=x y;z", True), ('tag="x', False), ('tag=a;b="c"d', False)]
)
def test_ROB_5_our_own_address_excuses_nothing_behind_it(tail: str, sound: bool) -> None:
    subject = asked()
    assert (subject.mismatch(answer(subject, To=f"<sip:toto@example.org>;{tail}"), 2) is None) is sound


# What a 2xx says


def granted(*contacts: str, expires: int | None = None, requested: float = 600, **more: Any) -> Any:
    rows = [("Contact", contact) for contact in contacts]
    rows += [("Expires", str(expires))] if expires is not None else []
    rows += more.pop("rows", [])
    return read_grant(Response(200, "OK", rows), more.pop("contact", CONTACT), requested, 1000.0, FLOW, **more)


OURS = "<sip:toto@192.0.2.1:5070>"


@pytest.mark.parametrize(
    ("contact", "header", "lifetime"),
    [
        (f"{OURS};expires=300", 400, 300),
        (OURS, 400, 400),
        (OURS, None, 600),
        (f"{OURS};expires=abc", 400, 400),
        (f"{OURS};expires=abc", None, 600),
        (f"{OURS};expires=99999999999999", None, 2**32 - 1),
    ],
)
def test_REG_13_granted_lifetime(contact: str, header: int | None, lifetime: float) -> None:
    grant = granted(contact, expires=header)
    assert (grant.binding.expires, grant.binding.expires_at) == (lifetime, 1000 + lifetime)
    assert (grant.listed, grant.doubt) == (True, Reason.NONE)


LISTED = [
    OURS,
    f"{OURS};expires=300",
    f"{OURS};expires=0",
    f"{OURS};expires=abc",
    f'{OURS};x="y"',
    f"{OURS};expires=300, <sip:toto@198.51.100.1>;expires=60",
    f'"Toto" {OURS};expires=300',
    f"{OURS};expires=300\r\nPath: <sip:edge.example.org;lr>",
    f"{OURS};expires=300\r\nContact: <sip:toto@198.51.100.1>;expires=60",
    "<sip:toto@203.0.113.5:1024>;expires=300",
    "<tel:+33123456789>",
]


@pytest.mark.parametrize("newer", LISTED)
@pytest.mark.parametrize("older", LISTED)
def test_what_is_listed_again_is_read_as_if_it_were_new(older: str, newer: str) -> None:
    first, second = (
        parse_response(f"SIP/2.0 200 OK\r\nExpires: 400\r\nContact: {row}\r\n\r\n") for row in (older, newer)
    )
    listed = read_grant(first, CONTACT, 600, 1000.0, FLOW)
    before = listed.binding.contact if listed.listed and listed.binding is not None else None
    again = read_grant(second, CONTACT, 600, 2000.0, FLOW, before)
    assert again == read_grant(second, CONTACT, 600, 2000.0, FLOW)
    assert repr(again) == repr(read_grant(second, CONTACT, 600, 2000.0, FLOW))


def test_a_contact_that_is_listed_again_is_the_same_object() -> None:
    driver = Driver()
    driver.register()
    driver.challenged()
    driver.ok()
    contact = driver.lease.binding.contact if driver.lease.binding is not None else None
    driver.refresh()
    driver.ok()
    assert driver.lease.binding is not None
    assert driver.lease.binding.contact is contact


def test_REG_12_own_binding_among_three() -> None:
    grant = granted("<sip:toto@10.0.0.1>;expires=60", f"{OURS};expires=300, <sip:toto@10.0.0.2>;expires=70")
    assert grant.binding.expires == 300
    assert [binding.expires for binding in grant.bindings] == [60, 300, 70]


@pytest.mark.parametrize(
    "instance",
    [
        f'+sip.instance="<{INSTANCE}>"',
        f'+sip.instance="<{INSTANCE.upper().replace("URN:UUID", "urn:uuid")}>"',
        f"+sip.instance=<{INSTANCE}>",
        f'+SIP.Instance="<{INSTANCE}>"',
    ],
)
def test_REG_12_GRM_9_10_own_binding_by_instance_id(instance: str) -> None:
    contact = contact_address(TOTO.replace(instance_id=INSTANCE), FLOW)
    rows = [
        f'{OURS};+sip.instance="<urn:uuid:other>";expires=1',
        f"<sip:toto@198.51.100.1:1024>;{instance};expires=300",
    ]
    grant = granted(*rows, contact=contact)
    assert (grant.binding.expires, grant.listed) == (300, True)
    assert grant.binding.instance_id.lower() == INSTANCE


def test_REG_12_of_several_with_our_instance_id_the_one_with_our_address() -> None:
    contact = contact_address(TOTO.replace(instance_id=INSTANCE), FLOW)
    mine = f'+sip.instance="<{INSTANCE}>"'
    grant = granted(f"<sip:toto@10.0.0.1>;{mine};expires=900", f"{OURS};{mine};expires=300", contact=contact)
    assert grant.binding.expires == 300


def test_REG_12_of_several_with_our_instance_id_the_newest() -> None:
    contact = contact_address(TOTO.replace(instance_id=INSTANCE), FLOW)
    mine = f'+sip.instance="<{INSTANCE}>"'
    rows = [f"<sip:toto@10.0.0.1>;{mine};expires=20", f"<sip:toto@10.0.0.2>;{mine};expires=300"]
    assert granted(*rows, contact=contact).binding.expires == 300


def test_REG_12_registrar_that_drops_the_instance_id() -> None:
    contact = contact_address(TOTO.replace(instance_id=INSTANCE), FLOW)
    grant = granted("<sip:toto@10.0.0.1>;expires=20", f"{OURS};expires=300", contact=contact)
    assert (grant.binding.expires, grant.listed) == (300, True)


NAT = [("Via", "SIP/2.0/UDP 192.0.2.1:5070;received=203.0.113.5;rport=1024;branch=z9hG4bKb")]


def test_REG_14_contact_rewritten_to_the_public_address() -> None:
    grant = granted("<sip:toto@10.0.0.1>;expires=20", "<sip:toto@203.0.113.5:1024>;expires=300", rows=NAT)
    assert (grant.binding.expires, grant.listed, grant.doubt) == (300, True, Reason.NONE)
    assert grant.public == ("203.0.113.5", 1024)


def test_REG_14_own_address_comes_before_the_public_one() -> None:
    grant = granted("<sip:toto@203.0.113.5:1024>;expires=20", f"{OURS};expires=300", rows=NAT)
    assert grant.binding.expires == 300


def test_REG_14_lone_foreign_contact_is_taken_for_ours() -> None:
    grant = granted("<sip:toto@sbc.example:5060;x=1>;expires=300")
    assert (grant.binding.expires, grant.listed, grant.doubt) == (300, False, Reason.CONTACT_MISMATCH)
    assert str(grant.binding.contact.uri) == "sip:toto@sbc.example:5060;x=1"


def test_REG_14_no_contact_at_all() -> None:
    grant = granted(expires=400)
    assert (grant.binding.expires, grant.listed, grant.doubt) == (400, False, Reason.CONTACT_MISMATCH)
    assert (str(grant.binding.contact), grant.bindings) == (OURS, ())
    assert granted().binding.expires == 600


def test_REG_14_several_foreign_contacts() -> None:
    grant = granted("<sip:toto@10.0.0.1>;expires=20", "<sip:toto@10.0.0.2>;expires=30")
    assert (grant.binding.expires, grant.listed, grant.doubt) == (600, False, Reason.CONTACT_MISMATCH)
    assert str(grant.binding.contact) == OURS


@pytest.mark.parametrize("contact", [f"{OURS};expires=0", "<sip:toto@sbc.example>;expires=0"])
def test_REG_16_lifetime_of_0_is_no_binding(contact: str) -> None:
    grant = granted(contact)
    assert grant.binding is None
    assert len(grant.bindings) == 1


def test_REG_16_expires_header_of_0_is_no_binding() -> None:
    assert granted(OURS, expires=0).binding is None
    assert granted(expires=0).binding is None


def test_REG_24_removal_that_lists_us_no_more() -> None:
    grant = granted("<sip:toto@10.0.0.1>;expires=20", "<sip:toto@10.0.0.2>;expires=30", requested=0)
    assert (grant.binding, grant.listed) == (None, False)
    assert granted(requested=0).binding is None


def test_REG_24_removal_that_still_lists_us() -> None:
    grant = granted(f"{OURS};expires=20", requested=0)
    assert (grant.binding.expires, grant.listed) == (20, True)


def test_ROB_4_junk_spoils_its_own_entry_only() -> None:
    grant = granted("<sip:broken", "<tel:+123>;expires=5", f"{OURS};q=7;expires=300", "<http://h/>", "<sip:b@h>;q=0.5")
    assert (grant.binding.expires, grant.binding.q) == (300, None)
    assert [binding.q for binding in grant.bindings] == [None, 0.5]


def test_REG_12_own_binding_among_a_thousand_of_which_100_are_shown() -> None:
    others = [f"<sip:toto@10.0.{number // 250}.{number % 250}>;expires=20" for number in range(999)]
    grant = granted(", ".join(others[:500]), ", ".join(others[500:]), f"{OURS};expires=300")
    assert (grant.binding.expires, grant.listed, len(grant.bindings)) == (300, True, 100)


def test_REG_12_binding_shows_everything() -> None:
    [binding] = granted(
        f'{OURS};expires=300;q=0.7;reg-id=2;+sip.instance="<{INSTANCE}>"'
        ';pub-gruu="sip:toto@example.org;gr=1";temp-gruu="sip:t@example.org;gr";x'
    ).bindings
    assert binding == Binding(binding.contact, expires=300.0, expires_at=1300.0)
    assert (binding.q, binding.instance_id, binding.reg_id) == (0.7, INSTANCE, 2)
    assert (binding.pub_gruu, binding.temp_gruu) == ("sip:toto@example.org;gr=1", "sip:t@example.org;gr")
    assert binding.params is binding.contact.params
    assert isinstance(hash(binding), int)


def outbound(reg_id: int = 3) -> NameAddr:
    params = TOTO.replace(instance_id=INSTANCE, outbound=True)
    return contact_address(params, FLOW, reg_id=reg_id)


def test_OUTB_2_3_golden_contact_of_a_flow() -> None:
    assert str(outbound(2**31 - 1)) == (f'<sip:toto@192.0.2.1:5070>;+sip.instance="<{INSTANCE}>";reg-id=2147483647')


def test_KA_12_13_keep_is_offered_in_every_request() -> None:
    subject = RegisterSeries(TOTO, Setup(random=Random(1), keepalive=KeepAlive(keep=True)))
    for _ in range(2):
        assert lines(render(subject), "Via") == ["Via: SIP/2.0/UDP 192.0.2.1:5070;rport;keep;branch=z9hG4bKb"]


def test_OUTB_3_REG_12_own_binding_among_those_of_our_other_flows() -> None:
    rows = [f'<sip:toto@192.0.2.{n}:5070>;+sip.instance="<{INSTANCE}>";reg-id={n};expires={n}00' for n in (1, 2, 3)]
    foreign = f'<sip:toto@192.0.2.1:5070>;+sip.instance="<{INSTANCE[:-1]}7>";reg-id=3;expires=900'
    grant = granted(*rows, foreign, contact=outbound())
    assert (grant.binding.reg_id, grant.binding.expires, grant.listed) == (3, 300, True)


def test_OUTB_7_a_registrar_without_outbound_may_not_give_the_reg_id_back() -> None:
    rows = [f'<sip:toto@192.0.2.{n}:5070>;+sip.instance="<{INSTANCE}>";expires={n}00' for n in (2, 1)]
    assert granted(*rows, contact=outbound()).binding.expires == 100


def test_RTE_3_routes_path_and_associated_uris() -> None:
    grant = granted(
        f"{OURS};expires=300",
        rows=[
            ("Service-Route", "<sip:a;lr>, <sip:b;lr>"),
            ("Service-Route", "<sip:c;lr>"),
            ("Path", "<sip:p;lr;ob>"),
            ("P-Associated-URI", "<sip:toto@example.org>, <tel:+123>"),
            ("Feature-Caps", '*;+g.3gpp.srvcc, *;+sip.666="<tel:+666>"'),
        ],
    )
    further = grant.further
    assert [dict(entry.params) for entry in further.feature_caps] == [
        {"+g.3gpp.srvcc": None},
        {"+sip.666": "<tel:+666>"},
    ]
    assert [str(route.uri) for route in further.service_route] == ["sip:a;lr", "sip:b;lr", "sip:c;lr"]
    assert [str(route.uri) for route in further.path] == ["sip:p;lr;ob"]
    assert [str(entry.uri) for entry in further.associated_uris] == ["sip:toto@example.org", "tel:+123"]


# Our address as others see it


@pytest.mark.parametrize(
    ("via", "public"),
    [
        (";received=203.0.113.5;rport=1024", ("203.0.113.5", 1024)),
        (";rport=1024", ("192.0.2.1", 1024)),
        (";received=203.0.113.5", ("203.0.113.5", 5070)),
        (";received=192.0.2.1;rport=5070", None),
        (";rport", None),
        ("", None),
        (";received=nonsense;rport=70000", None),
        (";received=[2001:db8::1];rport=1", ("2001:db8::1", 1)),
        (";received=2001:DB8:0::1;rport=1", ("2001:db8::1", 1)),
    ],
)
def test_NAT_2_mapping_of_the_top_via(via: str, public: tuple[str, int] | None) -> None:
    response = Response(200, "OK", [("Via", f"SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKb{via}")])
    assert mapped_address(response, FLOW) == public


def test_NAT_2_answer_without_via_tells_nothing() -> None:
    assert mapped_address(Response(200, "OK"), FLOW) is None


def test_WS_4_nobody_looks_for_an_address_behind_a_websocket() -> None:
    there = Flow(Target("192.0.2.10", 80, Transport.WS, "example.org"), "0a1b2c.invalid", None, 1)
    via = "SIP/2.0/WS 0a1b2c.invalid;rport=4711;branch=z9hG4bKb;received=203.0.113.5"
    assert mapped_address(Response(200, "OK", [("Via", via)]), there) is None


@pytest.mark.parametrize(("transport", "word"), [(Transport.WS, "WS"), (Transport.WSS, "WSS")])
def test_WS_4_golden_register_by_websocket(transport: Transport, word: str) -> None:
    there = Flow(Target("192.0.2.10", 80, transport, "example.org"), "0a1b2c.invalid", None, 1)
    subject = series(ProxyParams("sip:toto@example.org", server=f"sip:example.org;transport={word.lower()}"))
    contact = contact_address(subject.params, there)
    data = subject.render(Purpose.REGISTER, there, "z9hG4bKb", contact=contact, lifetime=3600)
    start = data.decode().partition("\r\n")[0]
    assert [start, *lines(data, "Via", "Contact", "Content-Length")] == [
        "REGISTER sip:example.org;transport=ws SIP/2.0",
        f"Via: SIP/2.0/{word} 0a1b2c.invalid;rport;branch=z9hG4bKb",
        "Contact: <sip:toto@0a1b2c.invalid;transport=ws>;expires=3600",
        "Content-Length: 0",
    ]
