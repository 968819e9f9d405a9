"""Several flows of one account (RFC 5626), on plain numbers: one machine for each, and what they have in common."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg.engine.agreement import Agreement, Upkeep
from aiosipreg.engine.effects import Connect, Locate
from aiosipreg.engine.keepalive import KeepAlive
from aiosipreg.engine.lease import Intent
from aiosipreg.engine.outbound import join, review
from aiosipreg.engine.targets import Transport
from aiosipreg.engine.transitions import combined
from aiosipreg.states import Reason, RegistrationState
from tests.engine.driver import START, Driver, challenge, flow, params, response_to, target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiosipreg.engine.targets import Target

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState
INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
AGREED = "Require: outbound"
PUBLIC = ("203.0.113.9", 40_000)


def tcp(number: int = 1) -> Target:
    return target(number, name=f"edge{number}.example.org", transport=Transport.TCP)


class Account:
    """Several machines, and the account that lets them begin and end (the inner loop of `aiosipreg.flows`)."""

    def __init__(self, count: int = 2, **settings: Any) -> None:
        proxies = tuple(f"sip:edge{number}.example.org;transport=tcp" for number in range(1, count + 1))
        self.params = params(instance_id=INSTANCE, outbound_proxies=proxies, **settings)
        self.drivers = [
            Driver(own, seed=number, reg_id=number, targets=[tcp(number)])
            for number, own in enumerate(self.params.flows(), 1)
        ]
        self.machines = tuple(driver.machine for driver in self.drivers)
        join(self.machines)

    def __iter__(self) -> Iterator[Driver]:
        return iter(self.drivers)

    def register(self) -> None:
        self.drivers[0].register()

    def review(self) -> None:
        begin, end = review(self.machines)
        for driver in self.drivers:
            if driver.machine in begin:
                driver.register()
            elif driver.machine in end:
                driver.unregister()

    def final(self, number: int, status: int, *headers: str, **more: Any) -> None:
        """Answer the newest request of a flow."""
        self.drivers[number - 1].final(status, *headers, **more)
        self.review()

    def lost(self, number: int, cause: str = "Connection refused") -> None:
        self.drivers[number - 1].lost(cause)
        self.review()

    def enter(self, make: Callable[[Driver], None]) -> None:
        """Give each flow an input."""
        for driver in self.drivers:
            make(driver)
        self.review()

    @property
    def states(self) -> list[RegistrationState]:
        return [driver.state for driver in self.drivers]


def registered(count: int = 2, **settings: Any) -> Account:
    account = Account(count, **settings)
    account.register()
    for number in range(1, count + 1):
        account.final(number, 200, AGREED)
    assert account.states == [OK] * count
    return account


# What is sent


@pytest.mark.parametrize("count", [2, 4])
def test_OUTB_3_4_5_6_a_flow_to_each_proxy(count: int) -> None:
    account = registered(count, routes=("sip:core.example.org;lr",))
    assert len({driver.last.request.call_id for driver in account}) == count
    for number, driver in enumerate(account, 1):
        request = driver.last.request
        assert request.supported == ("path", "gruu", "outbound")
        [contact] = request.contacts
        assert contact.params["reg-id"] == str(number)
        assert contact.params["+sip.instance"] == f"<{INSTANCE}>"
        assert [str(route.uri) for route in request.routes] == [
            f"sip:edge{number}.example.org;transport=tcp;lr",
            "sip:core.example.org;lr",
        ]
        assert request.uri == "sip:example.org"
        [asked] = [asked for asked in driver.asked if isinstance(asked, Locate)]
        assert str(asked.uri) == f"sip:edge{number}.example.org;transport=tcp;lr"


def test_OUTB_3_the_order_of_the_proxies_gives_the_numbers() -> None:
    assert [own.routes for own in registered(2).params.flows()] == [
        ("sip:edge1.example.org;transport=tcp;lr",),
        ("sip:edge2.example.org;transport=tcp;lr",),
    ]


def test_OUTB_4_a_single_flow_without_proxies() -> None:
    driver = Driver(params(instance_id=INSTANCE, outbound=True, supported=()))
    driver.register()
    assert driver.last.request.supported == ("path", "outbound")
    assert driver.last.request.contacts[0].params["reg-id"] == "1"
    assert driver.last.request.routes == ()


def test_OUTB_4_spelt_in_other_letters_they_are_named_once() -> None:
    driver = Driver(params(instance_id=INSTANCE, outbound=True, supported=("Path", "OUTBOUND")))
    driver.register()
    assert driver.last.request.headers.get("Supported") == "Path, OUTBOUND"
    assert "reg-id" in driver.last.request.contacts[0].params


def test_OUTB_9_a_request_with_reg_id_has_one_contact_that_stays() -> None:
    account = registered()
    for driver in account:
        driver.flow_lost()
        driver.local = "198.51.100.8"
        driver.step()
        [contact] = driver.last.request.contacts
        assert contact.expires
        assert "198.51.100.8" in str(contact.uri)


def test_OUTB_10_refresh_and_removal_stay_on_their_flow() -> None:
    account = registered()
    for driver in account:
        driver.serial = 9  # What would be opened now.
        driver.step()
        driver.ok(AGREED)
        driver.unregister()
        first, *later = driver.requests
        assert {sent.flow for sent in later} == {first.flow}
        assert len({sent.request.contacts[0].params["reg-id"] for sent in driver.requests}) == 1
        assert {sent.request.contacts[0].params["+sip.instance"] for sent in driver.requests} == {f"<{INSTANCE}>"}


# Who begins


def test_OUTB_8_F_56_the_first_flow_decides_before_others_begin() -> None:
    account = Account(3)
    account.register()
    account.review()
    assert account.states == [PROGRESS, NONE, NONE]
    account.final(1, 401, challenge())
    assert account.states == [PROGRESS, NONE, NONE]
    account.final(1, 200, AGREED)
    assert account.states == [OK, PROGRESS, PROGRESS]


def test_OUTB_7_8_without_outbound_there_is_one_flow_and_it_is_a_plain_registration() -> None:
    account = Account(3)
    account.register()
    account.final(1, 200)
    assert account.states == [OK, NONE, NONE]
    [first, *others] = account
    assert first.session.outbound is False
    first.step()
    first.ok()
    assert [other.requests for other in others] == [[], []]
    first.flow_lost()
    first.local = "198.51.100.8"
    first.step()
    # The registrar holds both by their URIs, and the old one cannot be reached any more.
    assert [entry.expires for entry in first.last.request.contacts] == [3600, 0]


def test_OUTB_8_when_the_first_proxy_is_dead_the_next_decides() -> None:
    account = Account(3)
    account.register()
    account.lost(1)
    assert account.states == [FAILED, PROGRESS, NONE]
    account.lost(2)
    assert account.states == [FAILED, FAILED, PROGRESS]
    account.lost(3)
    assert account.states == [FAILED, FAILED, FAILED]
    [first, *_] = account
    first.step()
    account.final(1, 200, AGREED)
    assert account.states == [OK, FAILED, FAILED]  # These have times of their own by now.
    assert all(driver.wait for driver in account.drivers[1:])


def test_OUTB_8_a_plain_registration_through_the_second_ends_the_attempts_of_the_first() -> None:
    account = Account(3)
    account.register()
    account.lost(1)
    account.final(2, 200)
    assert account.states == [CLEARED, OK, NONE]
    # When that proxy dies in its turn, the others are asked again.
    account.drivers[1].flow_lost()
    account.drivers[1].run(account.drivers[1].now + 1e4, lambda driver: driver.lost() if driver.requests else None)
    account.review()
    assert account.states[1] is FAILED
    assert account.states[0] is PROGRESS


def test_OUTB_8_of_two_plain_registrations_the_newer_stays() -> None:
    account = Account(2)
    account.register()
    account.lost(1)
    account.final(2, 480)
    for driver in account:
        driver.step()  # Each tries again when its own time has come.
        driver.ok()
    later = max(account, key=lambda driver: driver.lease.bound_at)
    account.review()
    assert later.state is OK
    assert [driver.state for driver in account if driver is not later] == [PROGRESS]  # Its removal is out.


@pytest.mark.parametrize("status", [403, 404, 486])
def test_OUTB_8_what_a_registrar_refuses_is_not_asked_through_the_next_proxy(status: int) -> None:
    account = Account(2)
    account.register()
    account.final(1, status)
    assert account.states == [FAILED, NONE]


@pytest.mark.parametrize("row", ["TLS-1", "RSP-TLS", "RSP-F0", "RSP-CLOSE"])
def test_OUTB_8_a_proxy_that_cannot_be_trusted_or_reached_does_not_hold_up_the_next(row: str) -> None:
    account = Account(2)
    [first, second] = account
    first.by_hand.add(Connect)
    account.register()
    first.not_connected("no", row)
    account.review()
    assert second.state is PROGRESS


def test_OUTB_8_without_a_network_no_proxy_is_to_blame() -> None:
    account = Account(2)
    account.enter(lambda driver: driver.network(up=False))
    account.register()
    account.review()
    assert account.states == [FAILED, NONE]
    account.enter(lambda driver: driver.network(up=True))
    account.drivers[0].step()
    assert account.states == [PROGRESS, NONE]


def test_an_account_that_wants_nothing_begins_nothing() -> None:
    account = registered()
    account.enter(lambda driver: driver.unregister())
    account.final(1, 200)
    assert account.states == [CLEARED, PROGRESS]
    account.final(2, 200)
    assert account.states == [CLEARED, CLEARED]
    assert review(account.machines) == ((), ())


def test_OUTB_7_a_registrar_that_learns_outbound_gets_the_other_flows() -> None:
    account = Account(2)
    account.register()
    account.final(1, 200)
    [first, second] = account
    first.step()
    account.final(1, 200, AGREED)
    assert second.state is PROGRESS


# 439


def test_OUTB_12_a_first_hop_without_outbound_is_asked_plainly_and_remembered() -> None:
    account = Account(2)
    account.register()
    account.final(1, 439)
    [first, second] = account
    assert first.last.request.supported == ("path", "gruu")
    assert "reg-id" not in first.last.request.contacts[0].params
    assert first.last.request.contacts[0].params["+sip.instance"]
    account.final(1, 200)
    assert first.session.outbound is False
    for _ in range(3):
        first.step()
        assert "outbound" not in first.last.request.supported
        first.ok()
    assert second.requests == []


def test_OUTB_12_a_439_to_a_request_that_did_not_ask_is_final() -> None:
    driver = Driver(params(instance_id=INSTANCE))
    driver.register()
    driver.final(439)
    assert (driver.state, driver.wait) == (FAILED, None)


def test_RSP_421_outbound_is_given_to_a_registrar_that_insists() -> None:
    driver = Driver(params(instance_id=INSTANCE))
    driver.register()
    driver.final(421, AGREED)
    assert driver.last.request.contacts[0].params["reg-id"] == "1"
    assert "outbound" in driver.last.request.supported
    driver.final(439)
    assert "outbound" not in driver.last.request.supported
    without = Driver(params())
    without.register()
    without.final(421, AGREED)
    assert without.state is FAILED


def test_RSP_513_what_outbound_needs_is_never_left_out() -> None:
    driver = Driver(params(instance_id=INSTANCE, outbound=True))
    driver.register()
    driver.final(513)
    assert driver.last.request.supported == ("path", "outbound")


# Failures


def test_OUTB_11_a_refresh_that_is_put_off_keeps_its_flow() -> None:
    account = registered()
    [first, _] = account
    first.targets = [tcp(7), tcp(8)]
    first.step()
    before = first.last.flow
    first.final(503, "Retry-After: 40")
    assert (first.state, first.session.flow, first.machine.flow) == (REFRESHING, before, before)
    assert first.wait is not None
    assert first.wait >= 40
    assert len(first.requests) == 2  # No other target was asked.
    first.step()
    assert first.last.flow == before
    first.ok(AGREED)
    assert first.state is OK


def test_OUTB_11_a_plain_registration_goes_elsewhere() -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.register()
    driver.ok()
    driver.step()
    driver.final(503)
    assert driver.last.flow.target == target(2)


@pytest.mark.parametrize("status", [480, 500, 504])
def test_OUTB_11_nor_do_other_passing_refusals_leave_the_flow(status: int) -> None:
    driver = registered().drivers[0]
    driver.step()
    driver.final(status)
    assert driver.session.flow == driver.machine.flow == flow(tcp(1))


def test_RSP_430_a_flow_that_the_other_side_lost_is_left() -> None:
    driver = registered().drivers[0]
    driver.step()
    driver.final(430)
    assert driver.session.flow is None
    assert driver.closed == [flow(tcp(1))]


@pytest.mark.parametrize("status", [400, 480, 503])
def test_RSP_430_nothing_else_that_a_server_says_closes_a_flow(status: int) -> None:
    driver = registered().drivers[0]
    driver.step()
    driver.final(status)
    assert driver.closed == []


def test_RSP_430_of_a_removal_and_of_a_first_attempt_closes_the_flow_as_well() -> None:
    [first, _] = registered()
    first.unregister()
    first.final(430)
    assert first.closed == [flow(tcp(1))]
    account = Account()
    account.register()
    account.final(1, 430)
    assert account.drivers[0].closed == [flow(tcp(1))]


def test_OUTB_13_a_failed_flow_is_replaced_under_the_same_number() -> None:
    account = registered()
    [first, second] = account
    first.now += 100
    first.flow_lost()
    account.review()
    assert account.states == [REFRESHING, OK]
    assert first.event.reason is Reason.IO_ERROR
    first.serial = 2
    first.step()
    assert first.last.flow == flow(tcp(1), serial=2)
    assert first.last.request.contacts[0].params["reg-id"] == "1"
    assert first.last.request.call_id == first.requests[0].request.call_id
    first.ok(AGREED)
    assert account.states == [OK, OK]
    assert len(second.requests) == 1


def test_F_16_a_flow_that_is_lost_while_nothing_waits_for_it() -> None:
    driver = registered().drivers[0]
    driver.step()
    driver.final(503)
    waiting = driver.lease.retry_at
    driver.flow_lost(driver.machine.flow)
    assert (driver.state, driver.machine.flow, driver.lease.retry_at) == (REFRESHING, None, waiting)
    driver.flow_lost(flow(tcp(3)))
    assert driver.lease.retry_at == waiting


def test_OUTB_14_F_55_base_is_90_while_another_flow_works() -> None:
    account = registered()
    [first, second] = account
    first.flow_lost()  # Within 30 s of its 2xx (F-16), so this counts.
    assert first.waits(90, 180)
    first.step()
    first.lost()
    assert first.waits(180, 360)
    second.flow_lost()
    assert second.waits(30, 60)
    first.step()
    first.lost()
    assert first.waits(120, 240)


def test_F_55_a_flow_that_is_refused_and_works_counts_and_one_that_fell_silent_does_not() -> None:
    driver = registered(2).drivers[0]
    driver.step()
    driver.final(503)
    assert driver.waits(90, 180)
    [one, other] = registered(2)
    for each in (one, other):
        each.step()
        each.lost()
    assert other.waits(30, 60)


def test_OUTB_18_a_plain_registration_has_the_base_of_30() -> None:
    driver = Driver()
    driver.register()
    driver.ok()
    driver.step()
    driver.final(503)
    assert driver.waits(30, 60)


def test_OUTB_15_attempts_go_on_for_ever_at_the_cap() -> None:
    account = registered()
    [first, second] = account
    first.flow_lost()
    first.run(START + 48 * 3600, lambda driver: driver.lost() if driver.machine.branch else None)
    assert first.state is FAILED
    assert first.waits(0, 1800)
    waits = [later.at - earlier.at for earlier, later in pairwise(first.requests[-20:])]
    assert min(waits) >= 900
    assert max(waits) <= 1800
    assert second.state is not FAILED or second.lease.binding is None


def test_OUTB_16_a_flow_is_good_when_a_keep_alive_was_answered() -> None:
    driver = registered().drivers[0]
    failures = []
    for _ in range(4):
        driver.now += 120  # The first ping is not answered.
        driver.flow_lost(cause="no answer to a ping within 10 s")
        failures.append(driver.lease.failures)
        driver.run(driver.now + 2000, lambda driver: driver.ok(AGREED) if driver.machine.branch else None)
        assert driver.state is OK
    assert failures == [1, 2, 3, 4]
    driver.enter(lambda machine, _now: machine.proved())
    assert (driver.lease.failures, driver.lease.proven) == (0, True)
    driver.now += 120
    driver.flow_lost(driver.machine.flow)
    assert (driver.lease.failures, driver.waits(0, 2)) == (0, True)


def test_OUTB_16_what_was_proven_stays_so_on_the_same_flow() -> None:
    driver = registered().drivers[0]
    driver.enter(lambda machine, _now: machine.proved())
    driver.step()
    driver.ok(AGREED)
    assert driver.lease.proven
    driver.now += 100
    driver.flow_lost()
    driver.serial = 2
    driver.step()
    driver.ok(AGREED)
    assert not driver.lease.proven


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_OUTB_16_without_keep_alives_that_are_answered_the_2xx_is_proof(transport: Transport) -> None:
    driver = Driver(targets=[target(transport=transport)])
    driver.register()
    driver.lost()
    driver.step()
    assert driver.lease.failures == 1
    driver.ok()
    assert (driver.lease.failures, driver.lease.proven) == (0, True)


def test_SEC_29_a_mapping_that_keeps_changing_replaces_a_flow_at_most_every_30_s() -> None:
    driver = Driver(params(instance_id=INSTANCE, outbound=True))
    driver.register()
    driver.ok(AGREED)
    registered_at = []
    for _ in range(20):
        driver.now += 24  # The least time to a second answer of STUN.
        driver.enter(lambda machine, _now: machine.proved())
        driver.flow_lost(cause="the NAT gave us another address")
        driver.run(driver.now + 2000, lambda driver: driver.ok(AGREED) if driver.machine.branch else None)
        registered_at.append(driver.requests[-1].at)
    assert all(later - earlier >= 30 for earlier, later in pairwise(registered_at))


def test_OUTB_17_retry_after_is_a_minimum() -> None:
    for wish, low, high in ((0, 1, 1), (10, 90, 180), (7200, 3600, 3600)):
        driver = registered().drivers[0]
        driver.step()
        driver.final(503, f"Retry-After: {wish}")
        assert driver.waits(low, high), wish


# Addresses


def test_OUTB_19_two_flows_do_not_share_an_address_if_that_can_be_helped() -> None:
    account = Account(2)
    [first, second] = account
    first.targets = [tcp(1), tcp(2)]
    second.targets = [tcp(1), tcp(2)]
    account.register()
    account.final(1, 200, AGREED)
    assert first.last.flow.target == tcp(1)
    assert second.last.flow.target == tcp(2)


def test_OUTB_19_the_only_address_will_do() -> None:
    account = Account(2)
    for driver in account:
        driver.targets = [tcp(1)]
    account.register()
    account.final(1, 200, AGREED)
    account.final(2, 200, AGREED)
    assert [driver.last.flow.target for driver in account] == [tcp(1), tcp(1)]


def test_NAT_3_the_contact_of_a_flow_follows_no_nat() -> None:
    driver = Driver(params(instance_id=INSTANCE, outbound=True))
    driver.register()
    driver.final(401, challenge(), seen=PUBLIC)
    driver.ok(AGREED, seen=PUBLIC)
    driver.step()
    assert len(driver.requests) == 3
    assert all("198.51.100.7" in sent.contacts[0] for sent in driver.requests)
    assert driver.session.mapped == PUBLIC


def test_NAT_3_once_the_registrar_denies_outbound_it_does() -> None:
    driver = Driver(params(instance_id=INSTANCE, outbound=True))
    driver.register()
    driver.final(401, challenge(), seen=PUBLIC)
    driver.ok(seen=PUBLIC)
    assert [entry.expires for entry in driver.last.request.contacts] == [3600, 0]
    assert "203.0.113.9:40000" in driver.last.contacts[0]
    driver.ok(seen=PUBLIC)
    assert driver.state is OK


# Keep-alives


def test_KA_1_nothing_is_kept_alive_before_a_2xx() -> None:
    account = Account()
    [first, _] = account
    account.register()
    first.final(401, challenge())
    assert first.machine.upkeep is None
    account.final(1, 200, AGREED, "Flow-Timer: 90")
    assert first.machine.upkeep == Upkeep(flow(tcp(1)), Agreement(pongs=True, stun=True, interval=90))


def test_KA_13_what_the_newest_2xx_says_counts() -> None:
    driver = Driver(params(), targets=[tcp(1)], keepalive=KeepAlive(keep=True, blind=False))
    driver.register()
    via = driver.last.request.headers.get("Via")
    assert via is not None
    assert ";keep;" in via
    agreed = response_to(driver.last.request, 200)
    rows = [(name, value.replace(";keep;", ";keep=30;")) for name, value in agreed.headers.items()]
    driver.deliver(type(agreed)(200, "OK", rows))
    assert driver.machine.upkeep == Upkeep(flow(tcp(1)), Agreement(pongs=True, stun=True, interval=30))
    driver.step()
    driver.ok()
    assert driver.machine.upkeep is None


def test_N5_a_removal_ends_it() -> None:
    driver = registered().drivers[0]
    driver.unregister()
    assert driver.machine.upkeep is None
    driver.ok()
    assert (driver.machine.upkeep, driver.machine.flow) == (None, None)


def test_KA_6_a_lost_flow_has_nothing_to_be_kept() -> None:
    driver = registered().drivers[0]
    driver.flow_lost()
    assert (driver.state, driver.machine.upkeep, driver.machine.flow) == (REFRESHING, None, None)


def test_OUTB_11_pings_go_on_while_a_refresh_waits() -> None:
    driver = registered().drivers[0]
    before = driver.machine.upkeep
    driver.step()
    driver.final(503)
    assert driver.machine.upkeep == before is not None


# The account


@pytest.mark.parametrize(("number", "state"), [(0, OK), (1, OK), (2, REFRESHING)])
def test_F_50_51_one_flow_is_enough(number: int, state: RegistrationState) -> None:
    account = registered()
    for driver in account.drivers[:number]:
        driver.flow_lost()
    assert combined(account.states) is state


def test_F_52_53_54_the_account_at_its_beginning_and_its_end() -> None:
    account = Account(2)
    assert combined(account.states) is NONE
    account.register()
    assert combined(account.states) is PROGRESS
    account.lost(1)
    assert combined(account.states) is PROGRESS
    account.final(2, 403)
    assert combined(account.states) is FAILED
    other = registered()
    other.enter(lambda driver: driver.unregister())
    other.final(1, 200)
    other.final(2, 480)
    assert other.states == [CLEARED, NONE]
    assert combined(other.states) is CLEARED
    assert {driver.machine.intent for driver in other} == {Intent.IDLE}


def test_F_56_a_flow_that_is_asked_for_early_waits_for_the_first() -> None:
    account = Account()
    first, second = account
    second.register()
    assert (second.state, second.machine.trying, second.sent) == (NONE, False, [])
    first.register()
    second.register()
    assert (first.machine.trying, second.machine.trying) == (True, False)


def test_RTE_2_a_host_in_path_that_the_settings_do_not_name_is_told() -> None:
    driver = Driver(params(path_hosts=("edge.example.org",)))
    driver.register()
    driver.ok("Path: <sip:EDGE.example.org;lr>")
    assert driver.event.reason is Reason.NONE
    driver.now += 10
    driver.refresh()
    driver.ok("Path: <sip:stranger.example.net;lr>,<sip:edge.example.org;lr>")
    assert (driver.state, driver.event.reason) == (OK, Reason.UNEXPECTED_PROXY)
