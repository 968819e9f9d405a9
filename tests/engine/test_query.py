"""Asking for the bindings without changing any: REG-21, as a machine without a loop."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeVar

import pytest

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.effects import (
    Answered,
    Ask,
    Concluded,
    Connect,
    Connected,
    Locate,
    Located,
    NotConnected,
    NotLocated,
    Send,
    TargetFailed,
)
from aiosipreg.engine.query import Query
from aiosipreg.engine.session import Session
from aiosipreg.engine.setup import Setup
from aiosipreg.wire import Request, parse_message
from tests.engine.driver import challenge, flow, params, response_to, target

if TYPE_CHECKING:
    from aiosipreg.engine.binding import Binding
    from aiosipreg.engine.effects import Effect
    from aiosipreg.engine.outcome import Outcome

START = 50.0
LIST = "Contact: <sip:alice@198.51.100.9>;expires=60;q=0.5, <sip:alice@203.0.113.4:5070>;expires=600"

E = TypeVar("E")


def only(kind: type[E], effects: list[Effect]) -> E:
    """The one effect, which is of this kind."""
    (effect,) = (effect for effect in effects if not isinstance(effect, TargetFailed))
    assert isinstance(effect, kind)
    return effect


def asked() -> tuple[Query, Request]:
    """A query whose request is out."""
    session = Session(params(), Setup(random=Random(1)))
    query = Query(session, START)
    locate = only(Locate, query.start(START))
    assert query.question == locate.token
    connect = only(Connect, query.take(Located(locate.token, [target(1), target(2)]), START))
    assert query.question == connect.token
    return query, request(query.take(Connected(connect.token, flow(connect.target)), START))


def request(effects: list[Effect]) -> Request:
    message = parse_message(only(Send, effects).data)
    assert isinstance(message, Request)
    return message


def outcome(effects: list[Effect]) -> Outcome:
    """How a fetch ended that brought no list."""
    concluded = only(Concluded, effects)
    assert concluded.bindings is None
    return concluded.outcome


def listed(effects: list[Effect]) -> tuple[Binding, ...]:
    """What a fetch brought."""
    bindings = only(Concluded, effects).bindings
    assert bindings is not None
    return bindings


def test_REG_21_no_contact_and_no_expires() -> None:
    query, sent = asked()
    for name in ("Contact", "Expires", "Feature-Caps"):
        assert name not in sent.headers
    assert str(sent.to.uri if sent.to else None) == "sip:alice@example.org"
    assert query.branch == (sent.via.branch if sent.via else None)
    assert query.deadline == START + 0.5


def test_RSP_200E_the_list_and_nothing_else() -> None:
    query, sent = asked()
    bindings = listed(query.received(response_to(sent, 200, LIST), START + 0.1))
    assert [str(binding.contact.uri) for binding in bindings] == [
        "sip:alice@198.51.100.9",
        "sip:alice@203.0.113.4:5070",
    ]
    assert [binding.expires_at for binding in bindings] == [START + 60, START + 600]
    assert query.session.bound is None
    assert (query.deadline, query.branch) == (None, None)


def test_RSP_200E_an_empty_list() -> None:
    query, sent = asked()
    assert listed(query.received(response_to(sent, 200, contacts=False), START)) == ()


def test_a_challenge_is_answered() -> None:
    query, sent = asked()
    ask = only(Ask, query.received(response_to(sent, 401, challenge()), START))
    again = request(query.take(Answered(ask.token, AuthInfo("alice", password="secret")), START))
    assert "Authorization" in again.headers
    assert listed(query.received(response_to(again, 200, LIST), START))


def test_fail_over() -> None:
    query, sent = asked()
    connect = only(Connect, query.received(response_to(sent, 503), START))
    assert connect.target == target(2)
    told = outcome(query.take(NotConnected(connect.token, "unreachable"), START))
    assert told.row.id == "RSP-REF"
    assert told.tried == {str(target(1)): "503", str(target(2)): "unreachable"}


def test_a_lost_request_goes_to_the_next_target() -> None:
    query, _ = asked()
    assert only(Connect, query.failed("refused", START)).target == target(2)


def test_a_connection_lost_while_credentials_are_asked_for_is_replaced() -> None:
    query, sent = asked()
    question = only(Ask, query.received(response_to(sent, 401, challenge()), START))
    assert query.flow_lost(flow(target(2)), "closed", START) == []
    assert query.flow_lost(flow(), "closed", START) == []
    connect = only(Connect, query.take(Answered(question.token, AuthInfo("alice", password="secret")), START))
    assert connect.target == target(1)


def test_a_server_that_answers_others_means_nothing_to_a_fetch() -> None:
    query, _ = asked()
    deadline = query.deadline
    assert query.recovered(START) == []
    assert query.deadline == deadline


def test_copies_and_the_end_of_patience() -> None:
    query, _ = asked()
    copies = 0
    while True:
        deadline = query.deadline
        assert deadline is not None
        effects = query.tick(deadline)
        if not all(isinstance(effect, Send) and effect.again for effect in effects):
            break
        copies += len(effects)
    assert (copies, deadline) == (10, START + 32)
    assert only(Connect, effects).target == target(2)


@pytest.mark.parametrize("status", [302, 403, 420, 423, 500])
def test_nothing_is_repaired_or_followed(status: int) -> None:
    query, sent = asked()
    rows = ["Contact: <sip:b.example.org>", "Unsupported: path", "Min-Expires: 9000"]
    told = outcome(query.received(response_to(sent, status, *rows), START))
    assert told.response is not None
    assert told.response.status == status


def test_no_targets() -> None:
    session = Session(params(), Setup(random=Random(1)))
    query = Query(session, START)
    locate = only(Locate, query.start(START))
    assert query.deadline is None
    assert outcome(query.take(NotLocated(locate.token, "no such name", absent=True), START)).row.id == "RSP-DNS"


def test_it_concludes_once() -> None:
    query, sent = asked()
    answer = response_to(sent, 200, LIST)
    listed(query.received(answer, START))
    assert query.received(answer, START) == []
    assert query.tick(START + 100) == []
    assert query.failed("late", START) == []
    assert query.take(NotConnected(2, "late"), START) == []


def test_a_crash_is_an_end() -> None:
    query, sent = asked()
    assert outcome(query.crash()).row.id == "INTERNAL"
    assert (query.deadline, query.branch) == (None, None)
    assert query.received(response_to(sent, 200, LIST), START) == []


def test_a_query_binds_nothing_to_its_flow() -> None:
    query, _ = asked()
    assert (query.flow, query.upkeep, query.proved()) == (None, None, [])
