"""What a 2xx agrees to about keep-alives (RFC 5626 4.4, RFC 6223), and what comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from aiosipreg.engine.agreement import Agreement, Upkeep, read_agreement
from aiosipreg.engine.keepalive import KeepAlive
from aiosipreg.engine.targets import Transport
from tests.engine.driver import flow, parse_response, target


def answer(*headers: str, via: str = "") -> Any:
    rows = [f"Via: SIP/2.0/TCP 198.51.100.7:5060;branch=z9hG4bK1{via}", *headers, "Content-Length: 0"]
    return parse_response("\r\n".join(["SIP/2.0 200 OK", *rows, "", ""]))


@pytest.mark.parametrize(
    ("headers", "via", "agreed"),
    [
        pytest.param([], "", Agreement(), id="KA_1-nothing"),
        pytest.param(["Flow-Timer: 90"], "", Agreement(), id="KA_1-flow-timer-alone"),
        pytest.param(["Require: Outbound"], "", Agreement(True, True), id="KA_1-outbound"),
        pytest.param(["Require: outbound", "Flow-Timer: 90"], "", Agreement(True, True, 90), id="KA_2"),
        pytest.param(["Require: outbound", "Flow-Timer: 1"], "", Agreement(True, True, 10), id="SEC_21-low"),
        pytest.param(["Require: outbound", "Flow-Timer: 9999"], "", Agreement(True, True, 7200), id="SEC_21-high"),
        pytest.param([], ";keep=4294967295", Agreement(True, True, 7200), id="SEC_21-keep"),
        pytest.param(
            ["Require: outbound", "Path: <sip:a.example.org;lr;ob>, <sip:edge.example.org;lr>"],
            "",
            Agreement(True, False),
            id="KA_9-first-hop-says-nothing",
        ),
        pytest.param(
            ["Require: outbound", "Path: <sip:a.example.org;lr>", "Path: <sip:edge.example.org;lr;ob>"],
            "",
            Agreement(True, True),
            id="KA_9-first-hop-says-ob",
        ),
        pytest.param(["Require: outbound", "Path: <tel:+1>"], "", Agreement(True, False), id="KA_9-tel"),
        pytest.param(["Path: <sip:edge.example.org;lr;ob>"], "", Agreement(), id="KA_9-ob-alone"),
        pytest.param([], ";keep=30", Agreement(True, True, 30), id="KA_12-a-value"),
        pytest.param([], ";keep=0", Agreement(True, True), id="KA_12-zero"),
        pytest.param([], ";keep", Agreement(), id="KA_12-no-value"),
        pytest.param([], ";keep=often", Agreement(), id="KA_12-no-number"),
        pytest.param(["Require: outbound", "Flow-Timer: 90"], ";keep=30", Agreement(True, True, 30), id="KA_12-both"),
        pytest.param(["Require: outbound", "Flow-Timer: 25"], ";keep=30", Agreement(True, True, 25), id="KA_12-timer"),
        pytest.param(["Require: outbound", "Flow-Timer: 25"], ";keep=0", Agreement(True, True, 25), id="KA_12-none"),
    ],
)
def test_agreement(headers: list[str], via: str, agreed: Agreement) -> None:
    assert read_agreement(answer(*headers, via=via), KeepAlive()) == agreed


def test_KA_8_9_options_stand_for_what_a_server_does_not_say() -> None:
    assert read_agreement(answer(), KeepAlive(pongs=True)) == Agreement(pongs=True)
    assert read_agreement(answer(), KeepAlive(stun=True)) == Agreement(stun=True)


def test_an_answer_without_via_agrees_to_no_keep() -> None:
    response = parse_response("SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert read_agreement(response, KeepAlive()) == Agreement()


@pytest.mark.parametrize(
    ("transport", "agreement", "answered"),
    [
        (Transport.UDP, Agreement(pongs=True), False),
        (Transport.UDP, Agreement(stun=True), True),
        (Transport.TCP, Agreement(pongs=True), True),
        (Transport.TLS, Agreement(stun=True), False),
    ],
)
def test_OUTB_16_which_flows_prove_themselves_by_answers(
    transport: Transport, agreement: Agreement, answered: bool
) -> None:
    assert Upkeep(flow(target(transport=transport)), agreement).answered is answered
