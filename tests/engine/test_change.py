"""aiosipreg/engine/change.py: what is told of a change, worded when somebody looks."""

from __future__ import annotations

import pytest

from aiosipreg import ProxyParams, Reason, RegistrationState
from aiosipreg.engine.binding import Binding
from aiosipreg.engine.change import Changed
from aiosipreg.engine.outcome import Outcome
from aiosipreg.engine.replies import decide
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.engine.transitions import TRANSITIONS
from aiosipreg.wire import NameAddr, Response, parse_message

PARAMS = ProxyParams("sip:toto@sip.titi.com", server="registrar.titi.com")
PROGRESS, OK, FAILED = RegistrationState.PROGRESS, RegistrationState.OK, RegistrationState.FAILED
BINDING = Binding(NameAddr.parse("<sip:toto@192.0.2.1>"), expires=60, expires_at=160)


def changed(
    state: RegistrationState = PROGRESS, outcome: Outcome | None = None, binding: Binding | None = None
) -> Changed:
    row = {PROGRESS: "F-01", OK: "F-05", FAILED: "F-07"}[state]
    plain = Changed(PARAMS, TRANSITIONS[row], RegistrationState.NONE, state, Reason.NONE, binding, None, None, False)
    if outcome is None:
        return plain
    return plain._replace(row=outcome.row, response=outcome.response, cause=outcome.cause, sent_to=outcome.target)


def refused(transport: Transport = Transport.UDP, *rows: str) -> Outcome:
    response = parse_message("\r\n".join(["SIP/2.0 403 Not\tyou", *rows, "", ""]).encode())
    assert isinstance(response, Response)
    return Outcome(decide(403), response, target=Target("192.0.2.2", 5060, transport, "titi.com"))


def test_REG_40_who_it_is_about() -> None:
    assert (changed().identity, changed().server) == ("sip:toto@sip.titi.com", "sip:registrar.titi.com")


def test_REG_40_nothing_came_back() -> None:
    told = changed()
    assert (told.status, told.phrase, told.warnings, told.retry_after, told.target) == (0, "", (), None, None)
    assert (told.expires_at, told.unverified, told.message) == (None, False, "registering")


def test_REG_40_what_the_server_said() -> None:
    told = changed(FAILED, refused(Transport.UDP, "Retry-After: 7", 'Warning: 399 titi.com "no\u202eway"'))
    assert (told.status, told.phrase, told.warnings) == (403, "Not\\x09you", ("no\\xe2\\x80\\xaeway",))
    assert (told.retry_after, told.target) == (7, "udp:192.0.2.2:5060")
    assert "403 Not\\x09you" in told.message


@pytest.mark.parametrize(("transport", "unverified"), [(Transport.UDP, True), (Transport.TLS, False)])
def test_SEC_17_a_refusal_that_anybody_could_have_forged(transport: Transport, unverified: bool) -> None:
    outcome = refused(transport)
    row = outcome.row._replace(on_network_change=True)
    assert changed(FAILED, outcome._replace(row=row)).unverified is unverified


def test_a_binding_says_when_it_ends() -> None:
    assert changed(OK, binding=BINDING).expires_at == 160


def test_F_50_a_change_of_one_of_several_flows_says_of_which() -> None:
    assert changed()._replace(flow=2).message == "flow 2: registering"
