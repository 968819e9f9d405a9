"""What is said between the machines and the outside world: values that compare, and where a flow leaves."""

from __future__ import annotations

import pytest

from aiosipreg.engine import effects
from aiosipreg.engine.effects import Connect, Flow, Locate, NotLocated, Send
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.wire import SipUri

TARGET = Target("192.0.2.10", 5060, Transport.UDP, "example.org")
FLOW = Flow(TARGET, "192.0.2.1", 5070)


@pytest.mark.parametrize(("host", "sent_by"), [("192.0.2.1", "192.0.2.1:5070"), ("2001:db8::1", "[2001:db8::1]:5070")])
def test_TRA_6_flow_as_it_stands_in_via(host: str, sent_by: str) -> None:
    assert Flow(TARGET, host, 5070).sent_by == sent_by


def test_TRA_6_WS_4_a_name_in_via_has_no_port() -> None:
    assert Flow(TARGET, "0a1b2c.invalid", None, 1).sent_by == "0a1b2c.invalid"


def test_REG_35_a_websocket_has_an_address_behind_its_name() -> None:
    assert Flow(TARGET, "0a1b2c.invalid", None, 1, "192.0.2.1").address == FLOW.address == "192.0.2.1"


def test_a_copy_is_told_from_the_first_request() -> None:
    assert Send(FLOW, b"REGISTER", "z9hG4bK1") == Send(FLOW, b"REGISTER", "z9hG4bK1", again=False)
    assert Send(FLOW, b"REGISTER", "z9hG4bK1") != Send(FLOW, b"REGISTER", "z9hG4bK1", again=True)


def test_questions_are_told_apart_by_their_tokens() -> None:
    uri = SipUri.parse("sip:example.org")
    assert Locate(1, uri) == Locate(1, uri) != Locate(2, uri)
    assert Connect(1, TARGET) != Connect(1, TARGET._replace(port=5061))


@pytest.mark.parametrize("name", [name for name in effects.__all__ if isinstance(getattr(effects, name), type)])
def test_everything_said_is_a_value(name: str) -> None:
    kind = getattr(effects, name)
    assert issubclass(kind, tuple)
    assert "__dict__" not in dir(kind)


def test_what_was_said_cannot_be_changed() -> None:
    answer = NotLocated(1, "no such name", absent=True)
    with pytest.raises(AttributeError, match="can't set"):
        answer.token = 2  # type: ignore[misc]
