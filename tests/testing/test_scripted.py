"""aiosipreg/testing/scripted.py: what is decided for a datagram; what it is made of has its own files."""

from __future__ import annotations

import pytest

from aiosipreg.testing.flow import Flow
from aiosipreg.testing.scripted import ScriptedRegistrar
from aiosipreg.testing.stun import binding_response
from aiosipreg.wire import Request, Response
from tests.testing.requests import AOR, CONTACT, SOURCE, ask, register

BINDING_REQUEST = bytes.fromhex("000100002112a442") + bytes(12)


def test_a_register_makes_a_binding_and_lists_it() -> None:
    registrar = ScriptedRegistrar(None)
    answer = ask(registrar, register(rows=("Expires: 600", "User-Agent: test/1")), now=10.0)
    assert (answer.status, answer.reason) == (200, "OK")
    assert [(str(contact.uri), contact.expires) for contact in answer.contacts] == [("sip:toto@127.0.0.1:5062", 600)]
    (binding,) = registrar.bindings[AOR]
    assert str(binding.contact.uri) == "sip:toto@127.0.0.1:5062"
    assert (binding.expires_at, binding.call_id, binding.cseq) == (610.0, "call-1", 1)
    assert (binding.user_agent, binding.source, dict(binding.params)) == ("test/1", SOURCE, {})


def test_an_answer_repeats_what_rfc3261_8_2_6_says() -> None:
    answer = ask(ScriptedRegistrar(None), register(via="SIP/2.0/UDP 10.0.0.1:5062"))
    assert answer.headers.get("From") == f"<{AOR}>;tag=from-tag"
    assert answer.headers.get("Call-ID") == "call-1"
    assert answer.headers.get("CSeq") == "1 REGISTER"
    assert answer.to is not None
    assert answer.to.tag
    assert len(answer.headers.get_all("Via")) == 1


def test_a_retransmission_gets_the_same_octets_and_changes_nothing() -> None:
    registrar = ScriptedRegistrar(None, default_expires=100)
    data = register(branch="z9hG4bKsame")
    first = registrar.receive(data, SOURCE, 0.0)
    assert registrar.receive(data, SOURCE, 31.9) == first
    assert registrar.bindings_at(0.0)[AOR][0].expires_at == 100.0
    assert [packet.retransmission for packet in registrar.requests] == [False, True]
    assert [packet.retransmission for packet in registrar.responses] == [False, True]


def test_an_ack_is_never_answered() -> None:
    assert ScriptedRegistrar(None).receive(register(method="ACK"), SOURCE, 0.0) == []


@pytest.mark.parametrize(
    "data",
    [b"", b"\r\n\r\n", b"\x00\x01\x00\x00", b"HTTP/1.1 200 OK\r\n\r\n", b"REGISTER sip:h SIP/2.0\r\n\r\n"],
)
def test_what_is_not_sip_is_ignored_and_counted(data: bytes) -> None:
    registrar = ScriptedRegistrar(None)
    assert registrar.receive(data, SOURCE, 0.0) == []
    assert registrar.ignored == 1
    assert registrar.requests == ()


def test_scripted_answers_come_in_order_and_change_nothing() -> None:
    registrar = ScriptedRegistrar(None)
    registrar.answer_next(503, headers=[("Retry-After", "30")])
    registrar.answer_next(404, "Who", times=2)
    registrar.answer_next(200)
    answers = [ask(registrar, register(cseq=n)) for n in range(1, 6)]
    assert [(answer.status, answer.reason) for answer in answers] == [
        (503, "Service Unavailable"),
        (404, "Who"),
        (404, "Who"),
        (200, "OK"),
        (200, "OK"),
    ]
    assert answers[0].retry_after == 30
    assert answers[3].contacts == ()
    assert [binding.cseq for binding in registrar.bindings[AOR]] == [5]


def test_a_scripted_answer_is_repeated_for_retransmissions_and_not_used_up_by_them() -> None:
    registrar = ScriptedRegistrar(None)
    registrar.answer_next(503, times=2)
    data = register()
    assert [ask(registrar, data).status for _ in range(3)] == [503, 503, 503]
    assert ask(registrar, register(cseq=2)).status == 503
    assert ask(registrar, register(cseq=3)).status == 200


def test_scripted_silence_looks_like_loss() -> None:
    registrar = ScriptedRegistrar(None)
    registrar.answer_next(None, times=2)
    data = register()
    assert registrar.receive(data, SOURCE, 0.0) == []
    assert registrar.receive(data, SOURCE, 0.5) == []
    assert registrar.bindings == {}
    assert ask(registrar, data, 1.5).status == 200
    assert [packet.retransmission for packet in registrar.requests] == [False, True, True]


def test_other_methods_use_no_scripted_answer_up() -> None:
    registrar = ScriptedRegistrar(None)
    registrar.answer_next(503)
    assert ask(registrar, register(method="OPTIONS")).status == 405
    assert ask(registrar, register()).status == 503


def test_an_unusual_status_gets_some_phrase() -> None:
    registrar = ScriptedRegistrar(None)
    registrar.answer_next(499)
    assert ask(registrar, register()).status == 499


def test_a_hook_sees_the_request_and_the_answer_and_may_replace_it() -> None:
    seen: list[tuple[Request, Response]] = []

    def hook(request: Request, answer: Response) -> Response | None:
        seen.append((request, answer))
        return Response(503, "Busy")

    registrar = ScriptedRegistrar(None, hook=hook)
    answer = ask(registrar, register())
    assert (answer.status, answer.headers.get("Call-ID")) == (503, "call-1")
    assert registrar.bindings == {}
    request, default = seen[0]
    assert request.method == "REGISTER"
    assert default.status == 200
    assert default.contacts[0].expires == 3600
    registrar.hook = None
    assert ask(registrar, register(cseq=2)).status == 200


def test_a_hook_may_add_headers_to_a_success() -> None:
    def hook(request: Request, answer: Response) -> Response | None:
        return Response(answer.status, answer.reason, [*answer.headers.items(), ("Service-Route", "<sip:edge;lr>")])

    registrar = ScriptedRegistrar(None, hook=hook)
    answer = ask(registrar, register())
    assert [str(route.uri) for route in answer.service_route] == ["sip:edge;lr"]
    assert len(answer.headers.get_all("Via")) == 1
    assert registrar.bindings[AOR]


def test_a_hook_that_says_nothing_leaves_everything_as_it_was() -> None:
    registrar = ScriptedRegistrar(None, hook=lambda request, answer: None)
    data = register()
    assert registrar.receive(data, SOURCE, 0.0) == []
    assert registrar.bindings == {}
    registrar.hook = None
    assert ask(registrar, data, 0.5).status == 200


def test_a_hook_may_answer_other_methods() -> None:
    registrar = ScriptedRegistrar(None, hook=lambda request, answer: Response(200, "OK"))
    assert ask(registrar, register(method="OPTIONS")).status == 200


def test_a_restart_forgets_bindings_and_transactions() -> None:
    registrar = ScriptedRegistrar(None)
    data = register()
    ask(registrar, data)
    registrar.restart()
    assert registrar.bindings == {}
    ask(registrar, data)
    assert not registrar.requests[-1].retransmission


def test_packets_say_when_who_and_what() -> None:
    registrar = ScriptedRegistrar(None)
    data = register(rows=("Expires: 60",))
    registrar.receive(data, SOURCE, 7.0)
    (packet,) = registrar.requests
    assert (packet.at, packet.peer, packet.data) == (7.0, SOURCE, data)
    assert packet.request.expires == 60
    (sent,) = registrar.responses
    assert (sent.at, sent.peer, sent.response.status) == (7.0, SOURCE, 200)
    with pytest.raises(TypeError):
        packet.response  # noqa: B018
    with pytest.raises(TypeError):
        sent.request  # noqa: B018


def test_the_record_is_bounded() -> None:
    registrar = ScriptedRegistrar(None, history=2)
    for number in range(1, 6):
        ask(registrar, register(cseq=number))
    assert [packet.request.cseq.number for packet in registrar.requests if packet.request.cseq] == [4, 5]
    assert len(registrar.responses) == 2


def test_options_go_to_where_the_contact_registered_from() -> None:
    registrar = ScriptedRegistrar(None)
    registrar.address = ("192.0.2.1", 5060)
    ask(registrar, register(contact=f"{CONTACT};+sip.ice"))
    data, address = registrar.options_request(registrar.bindings[AOR][0])
    assert address == SOURCE
    lines = data.decode().split("\r\n")
    assert lines[0] == "OPTIONS sip:toto@127.0.0.1:5062 SIP/2.0"
    assert lines[1].startswith("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK")
    answer = b"SIP/2.0 200 OK\r\n" + b"\r\n".join(data.split(b"\r\n")[1:])
    assert registrar.receive(answer, SOURCE, 1.0) == []
    assert [packet.response.status for packet in registrar.answers] == [200]


def test_options_name_an_ipv6_registrar_in_brackets() -> None:
    registrar = ScriptedRegistrar(None)
    registrar.address = ("2001:db8::1", 5060)
    ask(registrar, register())
    data, _ = registrar.options_request(registrar.bindings[AOR][0])
    assert b"SIP/2.0/UDP [2001:db8::1]:5060;" in data


def test_the_same_seed_gives_the_same_answers() -> None:
    data = register()
    one, same, other = (ScriptedRegistrar(None, seed=seed).receive(data, SOURCE, 0.0) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_unless_told_it_knows_toto_with_the_password_secret() -> None:
    assert ask(ScriptedRegistrar(), register()).status == 401


def test_what_came_over_a_connection_is_answered_over_it() -> None:
    registrar = ScriptedRegistrar(None)
    flow = Flow(SOURCE, "tcp", 7)
    ((_, address),) = registrar.receive(register(via="SIP/2.0/TCP 10.0.0.1:5062"), flow, 0.0)
    assert address == SOURCE
    (binding,) = registrar.bindings[AOR]
    assert (binding.flow, binding.source) == (flow, SOURCE)
    assert [packet.flow for packet in (*registrar.requests, *registrar.responses)] == [flow, flow]


def test_an_address_alone_is_udp() -> None:
    registrar = ScriptedRegistrar(None)
    registrar.receive(register(via="SIP/2.0/UDP 10.0.0.1:5062"), SOURCE, 0.0)
    assert registrar.requests[0].flow == Flow(SOURCE, "udp", 0)
    assert registrar.responses[0].flow == Flow((SOURCE[0], 5062))


def test_a_ping_on_a_connection_is_answered_and_kept() -> None:
    registrar = ScriptedRegistrar(None)
    flow = Flow(SOURCE, "tls", 1)
    assert registrar.receive(b"\r\n\r\n", flow, 3.0) == [(b"\r\n", SOURCE)]
    assert [(packet.at, packet.flow, packet.data) for packet in registrar.pings] == [(3.0, flow, b"\r\n\r\n")]
    registrar.pongs = False
    assert registrar.receive(b"\r\n\r\n", flow, 4.0) == []
    assert len(registrar.pings) == 2
    assert registrar.ignored == 0


def test_neither_kind_of_ping_works_on_the_other_transport() -> None:
    registrar = ScriptedRegistrar(None)
    assert registrar.receive(b"\r\n\r\n", SOURCE, 0.0) == []
    assert registrar.receive(BINDING_REQUEST, Flow(SOURCE, "tcp", 1), 0.0) == []
    assert (registrar.pings, registrar.ignored) == ((), 2)


def test_stun_tells_the_address_that_it_is_told_to_tell() -> None:
    registrar = ScriptedRegistrar(None)
    assert registrar.receive(BINDING_REQUEST, SOURCE, 0.0) == [(binding_response(BINDING_REQUEST, SOURCE), SOURCE)]
    registrar.mapped = ("198.51.100.1", 1)
    ((answer, address),) = registrar.receive(BINDING_REQUEST, SOURCE, 0.0)
    assert (answer, address) == (binding_response(BINDING_REQUEST, ("198.51.100.1", 1)), SOURCE)
    registrar.pongs = False
    assert registrar.receive(BINDING_REQUEST, SOURCE, 0.0) == []
    assert [packet.data for packet in registrar.pings] == [BINDING_REQUEST] * 3


def test_headers_of_its_own_go_into_every_200_and_nowhere_else() -> None:
    rows = [("Service-Route", "<sip:edge;lr>"), ("P-Associated-URI", "<tel:+15551234>"), ("Feature-Caps", "*;+g.x")]
    registrar = ScriptedRegistrar(None, headers=rows, min_expires=60)
    answer = ask(registrar, register())
    assert [str(entry.uri) for entry in answer.service_route] == ["sip:edge;lr"]
    assert [str(entry.uri) for entry in answer.associated_uris] == ["tel:+15551234"]
    assert [dict(entry.params) for entry in answer.feature_caps] == [{"+g.x": None}]
    assert ask(registrar, register(cseq=2, rows=("Expires: 1",))).service_route == ()
    registrar.headers = ()
    assert ask(registrar, register(cseq=3)).service_route == ()


def test_options_name_the_transport_of_the_binding() -> None:
    registrar = ScriptedRegistrar(None)
    registrar.receive(register(), Flow(SOURCE, "wss", 1), 0.0)
    data, address = registrar.options_request(registrar.bindings[AOR][0])
    assert address == SOURCE
    assert b"Via: SIP/2.0/WSS 127.0.0.1:5060;" in data
    assert b"Contact: <sip:127.0.0.1:5060;transport=wss>" in data
