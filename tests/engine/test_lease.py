"""Where a registration stands: binding, times, failures, and the one writer of the state."""

from __future__ import annotations

from random import Random

import pytest

from aiosipreg.engine.agreement import Agreement, Upkeep
from aiosipreg.engine.binding import Binding
from aiosipreg.engine.keepalive import KeepAlive
from aiosipreg.engine.lease import FOR_WANT_OF_CREDENTIALS, Lease, earliest
from aiosipreg.engine.outcome import Outcome
from aiosipreg.engine.register import NOTHING_FURTHER, Further, Grant
from aiosipreg.engine.replies import TROUBLES, Then, decide
from aiosipreg.engine.session import Session
from aiosipreg.engine.setup import Setup
from aiosipreg.engine.targets import Transport
from aiosipreg.states import Reason, RegistrationState
from aiosipreg.wire import NameAddr, ParamValue
from tests.engine.driver import flow, params, parse_response, target

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState

CONTACT = NameAddr.parse("<sip:alice@198.51.100.7>")
BINDING = Binding(CONTACT, 3600, 4600)
GRANT = Grant(BINDING, (BINDING,), further=Further(service_route=(CONTACT,)))
NOW = 1000.0


def lease(state: RegistrationState = NONE, *, binding: Binding | None = None) -> Lease:
    """A lease in a state; the way there does not matter here."""
    session = Session(params(), Setup(random=Random(1)))
    subject = Lease(session)
    subject.state = state
    subject.binding = binding
    return subject


def outcome(status: int, *rows: str, transport: Transport = Transport.TLS) -> Outcome:
    response = parse_response("\r\n".join([f"SIP/2.0 {status} Some\x07thing", *rows, "", ""]))
    return Outcome(decide(status), response, target=target(transport=transport))


def told(value: object) -> object:
    """The value of an attribute, which a type checker believes it knows from the last assignment."""
    return value


def test_a_new_lease_is_about_nothing() -> None:
    subject = lease()
    assert (subject.state, subject.deadline, subject.expires_at) == (NONE, None, None)
    assert not subject.alive(NOW)
    assert not subject.lingers(NOW)
    assert not subject.engaged(NOW)
    assert not subject.stopped
    assert not subject.failed_for(FOR_WANT_OF_CREDENTIALS)


@pytest.mark.parametrize(("now", "alive"), [(NOW, True), (4599.9, True), (4600.0, False)])
def test_a_binding_lives_until_its_end(now: float, alive: bool) -> None:
    assert lease(OK, binding=BINDING).alive(now) is alive


@pytest.mark.parametrize(
    ("state", "deadline"), [(OK, 2000.0), (REFRESHING, 2000.0), (FAILED, 2000.0), (PROGRESS, 3000.0)]
)
def test_the_end_of_the_binding_is_due_unless_it_is_being_removed(state: RegistrationState, deadline: float) -> None:
    subject = lease(state, binding=Binding(CONTACT, 1000, 2000))
    subject.refresh_at, subject.retry_at = 4000, 3000
    assert subject.deadline == deadline


@pytest.mark.parametrize(
    ("one", "other", "first"), [(None, None, None), (3.0, None, 3.0), (None, 1.0, 1.0), (0.0, -1.0, -1.0)]
)
def test_earliest(one: float | None, other: float | None, first: float | None) -> None:
    assert earliest(one, other) == first


@pytest.mark.parametrize("state", RegistrationState, ids=str)
def test_engaged_while_the_registrar_may_hold_something(state: RegistrationState) -> None:
    subject = lease(state)
    assert subject.engaged(NOW) is (state in (PROGRESS, OK, REFRESHING))
    subject.residual_until = NOW + 1
    assert subject.engaged(NOW)
    assert subject.engaged(NOW + 1) is (state in (PROGRESS, OK, REFRESHING))


def test_a_grant_is_stored_and_dropped() -> None:
    subject = lease(PROGRESS)
    subject.residual_until = 9000
    subject.store(GRANT, NOW)
    assert (subject.binding, subject.bindings, subject.further.service_route) == (BINDING, (BINDING,), (CONTACT,))
    assert subject.expires_at == 4600
    assert told(subject.residual_until) is None
    subject.refresh_at = 4000
    subject.drop()
    assert (subject.binding, subject.bindings, subject.further.service_route) == (None, (), ())
    assert told(subject.refresh_at) is None
    assert told(subject.residual_until) is None


def test_the_bindings_of_others_are_kept_as_the_registrar_listed_them() -> None:
    other = Binding(CONTACT, 60, 1060)
    subject = lease(PROGRESS)
    subject.store(Grant(BINDING, (other, BINDING)), NOW)
    assert subject.bindings == (other, BINDING)
    subject.store(Grant(BINDING, ()), NOW)
    assert told(subject.bindings) == ()


def test_what_is_dropped_may_linger() -> None:
    subject = lease(OK, binding=BINDING)
    subject.drop(linger=True)
    assert subject.residual_until == 4600
    subject.drop(linger=True)
    assert subject.residual_until == 4600


@pytest.mark.parametrize(("state", "row"), [(PROGRESS, OK), (REFRESHING, OK)])
def test_F_05_F_25_a_success(state: RegistrationState, row: RegistrationState) -> None:
    subject = lease(state)
    subject.fail(outcome(403), NOW, None, final=True)
    subject.state, subject.failures = state, 4
    assert subject.cause is not None
    changed = subject.grant(GRANT, Outcome(decide(200), target=target()), NOW, 3500)
    assert (subject.state, subject.failures, subject.refresh_at) == (row, 0, 3500)
    assert told(subject.cause) is None
    assert (changed.old, changed.state, changed.binding, changed.expires_at) == (state, OK, BINDING, 4600)
    assert (changed.reason, changed.message) == (Reason.NONE, "registered for 3600 s")


@pytest.mark.parametrize(
    ("state", "final", "now", "row"),
    [
        (PROGRESS, False, NOW, FAILED),
        (PROGRESS, True, NOW, FAILED),
        (REFRESHING, False, NOW, REFRESHING),
        (REFRESHING, False, 4600, FAILED),
        (REFRESHING, True, NOW, FAILED),
    ],
    ids=["F_06", "F_07", "F_26", "F_27", "F_28"],
)
def test_a_failure(state: RegistrationState, final: bool, now: float, row: RegistrationState) -> None:
    subject = lease(state, binding=BINDING if state is REFRESHING else None)
    wait = None if final else 50.0
    changed = subject.fail(outcome(480, "Retry-After: 40"), now, wait, final=final)
    assert subject.state is changed.state is row
    assert subject.retry_at == changed.retry_at == (None if final else now + 50)
    assert (subject.binding is None) is (row is FAILED)
    assert subject.residual_until == (4600 if final and state is REFRESHING else None)
    assert subject.stopped is final
    assert (changed.status, changed.phrase, changed.retry_after) == (480, "Some\\x07thing", 40)


def test_a_failure_without_network_has_no_time_and_is_not_final() -> None:
    subject = lease(PROGRESS)
    subject.fail(Outcome(TROUBLES["RSP-NET"]), NOW, None, final=False)
    assert (subject.state, subject.retry_at, subject.stopped) == (FAILED, None, False)


@pytest.mark.parametrize(("status", "stopped"), [(403, True), (405, False), (501, False)])
def test_stopped_for_the_network_too(status: int, stopped: bool) -> None:
    subject = lease(PROGRESS)
    subject.fail(outcome(status), NOW, None, final=True)
    assert subject.stopped is stopped


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP, Transport.TLS, Transport.WS, Transport.WSS])
def test_SEC_17_a_refusal_that_anybody_could_have_sent_ends_with_the_network(transport: Transport) -> None:
    subject = lease(PROGRESS)
    changed = subject.fail(outcome(403, transport=transport), NOW, None, final=True)
    assert (subject.stopped, changed.unverified) == (transport.secure, not transport.secure)


def test_SEC_17_a_limit_of_our_own_is_no_verdict() -> None:
    subject = lease(PROGRESS)
    changed = subject.fail(outcome(480, transport=Transport.UDP), NOW, None, final=True)
    assert (subject.stopped, changed.unverified) == (True, False)


def test_SEC_27_sixty_attempts_an_hour() -> None:
    subject = lease(FAILED)
    for number in range(60):
        assert subject.storming(NOW + number) is None
        subject.begin(NOW + number)
    assert subject.storming(NOW + 60) == NOW + 3600
    assert subject.storming(NOW + 3600) is None
    subject.begin(NOW + 3600)
    assert subject.storming(NOW + 3601) is None


def test_SEC_27_refreshes_that_succeed_do_not_count() -> None:
    subject = lease(REFRESHING, binding=BINDING)
    for number in range(100):
        subject.begin(NOW + number)
    assert subject.storming(NOW + 100) is None
    subject.failures = 1
    for number in range(60):
        subject.begin(NOW + 100 + number)
    assert subject.storming(NOW + 160) is not None


def test_F_18_a_binding_is_only_ever_shortened() -> None:
    subject = lease(OK, binding=BINDING)
    subject.refresh_at = 4000.0
    subject.shorten(100.0, NOW)
    assert (subject.expires_at, subject.refresh_at, subject.bound_at) == (
        NOW + 100,
        NOW + 50,
        BINDING.expires_at - 3600,
    )
    subject.shorten(900.0, NOW)
    assert (subject.expires_at, subject.refresh_at) == (NOW + 100, NOW + 50)


def test_what_was_decided_counts_and_not_the_row() -> None:
    subject = lease(PROGRESS)
    subject.fail(outcome(404, "Retry-After: 5"), NOW, 40, final=False)
    assert not subject.stopped
    subject.state = PROGRESS
    subject.fail(outcome(480), NOW, None, final=True)
    assert subject.stopped


@pytest.mark.parametrize(
    ("trouble", "wants"), [("AUTH-20", True), ("AUTH-24", True), ("RSP-CB", True), ("AUTH-23", True), ("RSP-F0", False)]
)
def test_F_38_who_waits_for_credentials(trouble: str, wants: bool) -> None:
    subject = lease(PROGRESS)
    row = TROUBLES[trouble]
    subject.fail(Outcome(row), NOW, None, final=row.then is Then.STOP)
    assert subject.failed_for(FOR_WANT_OF_CREDENTIALS) is wants


def test_SEC_27_attempts_are_put_off_to_one_a_second() -> None:
    subject = lease(FAILED)
    assert not subject.put_off(NOW)
    subject.started_at = NOW
    assert subject.put_off(NOW + 0.999)
    assert subject.retry_at == NOW + 1
    assert not subject.put_off(NOW + 1)


def test_REG_40_an_event_says_all() -> None:
    subject = lease(PROGRESS)
    given = outcome(503, 'Warning: 399 host "too \u202emany"', "Retry-After: 99999")
    given = Outcome(
        given.row, given.response, target=target(2), tried={str(target(1)): "no answer", str(target(2)): "503"}
    )
    changed = subject.fail(given, NOW, 3600, final=False)
    assert (changed.identity, changed.server) == ("sip:alice@example.org", "sip:example.org")
    assert (changed.status, changed.reason, changed.target) == (503, Reason.SERVICE_UNAVAILABLE, "udp:192.0.2.2:5060")
    assert changed.warnings == ("too \\xe2\\x80\\xaemany",)
    # SEC-21: clamped, and told as clamped.
    assert changed.retry_after == 3600
    assert changed.message == (
        "the server is overloaded or down (503 Some\\x07thing); next attempt in 3600 s"
    )  # fmt: skip
    assert subject.tried == {"udp:192.0.2.1:5060": "no answer", "udp:192.0.2.2:5060": "503"}


def test_a_move_without_an_attempt_keeps_the_cause() -> None:
    subject = lease(PROGRESS)
    subject.fail(outcome(403), NOW, None, final=True)
    cause = subject.cause
    changed = subject.move("F-37")
    assert (changed.reason, changed.status, changed.phrase, changed.target) == (Reason.NONE, 0, "", None)
    assert subject.cause is cause is not None


def test_a_move_may_have_a_reason_of_its_own() -> None:
    subject = lease(OK, binding=BINDING)
    assert subject.move("F-24", reason=Reason.EXPIRED).reason is Reason.EXPIRED


def test_a_move_that_does_not_start_here_is_refused() -> None:
    subject = lease(OK)
    with pytest.raises(AssertionError, match="F-01 does not start in Ok"):
        subject.move("F-01")


# The flow


def granted(*rows: str, keepalive: KeepAlive | None = None, transport: Transport = Transport.TCP) -> Lease:
    """A lease whose binding came by a flow, with a 2xx that says so much."""
    subject = lease(PROGRESS)
    session = subject._session
    session.setup = Setup(random=Random(1), keepalive=keepalive or KeepAlive())
    session.flow = flow(target(transport=transport))
    session.answer = parse_response("\r\n".join(["SIP/2.0 200 OK", *rows, "", ""]))
    subject.failures = 3
    subject.grant(GRANT, Outcome(decide(200), target=target()), NOW, 3500)
    return subject


def test_KA_1_what_the_2xx_agreed_to_is_done_on_its_flow() -> None:
    subject = granted("Require: outbound", "Flow-Timer: 60")
    there = flow(target(transport=Transport.TCP))
    assert subject.flow == there
    assert subject.upkeep == Upkeep(there, Agreement(pongs=True, stun=True, interval=60))


@pytest.mark.parametrize(
    ("transport", "settings", "kept"),
    [
        (Transport.UDP, KeepAlive(), False),
        (Transport.UDP, KeepAlive(nat_refresh=15.0), True),
        (Transport.UDP, KeepAlive(stun=True), True),
        (Transport.TCP, KeepAlive(), True),
        (Transport.TCP, KeepAlive(blind=False), False),
    ],
)
def test_KA_7_8_nothing_is_kept_where_nothing_is_to_be_done(
    transport: Transport, settings: KeepAlive, kept: bool
) -> None:
    subject = granted(keepalive=settings, transport=transport)
    assert (subject.upkeep is not None) is kept
    assert subject.flow is not None


def test_OUTB_16_failures_are_forgotten_once_the_flow_is_proven() -> None:
    assert granted().failures == 0
    subject = granted("Require: outbound")
    assert (subject.failures, subject.proven) == (3, False)
    subject.prove()
    assert (told(subject.failures), told(subject.proven)) == (0, True)
    subject.state = REFRESHING
    subject.grant(GRANT, Outcome(decide(200), target=target()), NOW, 3500)
    assert subject.proven
    subject.lose()
    assert (subject.flow, subject.upkeep) == (None, None)
    subject.state = REFRESHING
    subject.grant(GRANT, Outcome(decide(200), target=target()), NOW, 3500)
    assert not subject.proven


ROUTES = Grant(BINDING, (BINDING,), further=Further((CONTACT,), (CONTACT,), (CONTACT,)))


def test_RTE_4_a_refused_refresh_discards_the_service_route_and_an_unanswered_one_does_not() -> None:
    subject = lease(REFRESHING)
    subject.store(ROUTES, NOW)
    subject.fail(Outcome(TROUBLES["RSP-F0"], target=target()), NOW, 50.0, final=False)
    assert subject.further.service_route == (CONTACT,)
    subject.fail(outcome(480), NOW, 50.0, final=False)
    assert told(subject.further.service_route) == ()
    assert subject.further.path == (CONTACT,)


def test_RTE_4_7_8_a_2xx_replaces_all_and_the_end_of_the_binding_takes_all() -> None:
    told = Further((CONTACT,), (CONTACT,), (CONTACT,), (ParamValue.parse("*;+g.3gpp.srvcc"),))
    subject = lease(PROGRESS)
    subject.store(Grant(BINDING, further=told), NOW)
    assert subject.further == told
    subject.store(Grant(BINDING), NOW)
    assert subject.further == Further((), (), (), ())
    subject.store(ROUTES, NOW)
    subject.drop()
    assert subject.further == NOTHING_FURTHER
