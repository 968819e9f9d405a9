"""Where a 3xx may lead: RDR-1 to RDR-7, SEC-7 and SEC-20, on a whole registration."""

from __future__ import annotations

import pytest

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.effects import Ask, Connect, Locate, NotLocated
from aiosipreg.engine.redirects import Detour, Hop, inside, same_kind
from aiosipreg.engine.replies import decide
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.params import Redirect
from aiosipreg.states import Reason, RegistrationState
from aiosipreg.wire import SipUri
from tests.engine.driver import START, Driver, challenge, params, response_to, target

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState


def at(host: str, port: int = 5060) -> Target:
    return Target(host, port, Transport.UDP, "some.where")


def started(**changes: object) -> Driver:
    driver = Driver(params(**changes))
    driver.register()
    return driver


def looked_up(driver: Driver) -> list[str]:
    """Every URI that was resolved."""
    return [str(asked.uri) for asked in driver.asked if isinstance(asked, Locate)]


def redirected(driver: Driver, *contacts: str, status: int = 302) -> None:
    driver.final(status, *(f"Contact: {contact}" for contact in contacts))


# RDR-1: how far


@pytest.mark.parametrize(
    ("policy", "uri", "followed"),
    [
        (Redirect.NEVER, "sip:two.example.org", False),
        (Redirect.SAME_DOMAIN, "sip:two.example.org", True),
        (Redirect.SAME_DOMAIN, "sip:TWO.Example.ORG", True),
        (Redirect.SAME_DOMAIN, "sip:example.org:5070", True),
        (Redirect.SAME_DOMAIN, "sip:myexample.org", False),
        (Redirect.SAME_DOMAIN, "sip:example.org.evil.test", False),
        (Redirect.SAME_DOMAIN, "sip:org", False),
        (Redirect.SAME_DOMAIN, "sip:192.0.2.77", False),
        (Redirect.SAME_DOMAIN, "sip:two.example.org;maddr=evil.test", False),
        (Redirect.SAME_DOMAIN, "sip:evil.test;maddr=two.example.org", True),
        (Redirect.ANY, "sip:evil.test", True),
        (Redirect.ANY, "tel:+123", False),
        (Redirect.ANY, "mailto:a@b.c", False),
    ],
)
def test_RDR_1_policy(policy: Redirect, uri: str, followed: bool) -> None:
    driver = started(redirect=policy)
    redirected(driver, f"<{uri}>")
    assert (driver.state is PROGRESS) is followed
    if not followed:
        assert (driver.event.reason, driver.event.status) == (Reason.REDIRECT_REFUSED, 302)
        assert uri in driver.event.message
        assert driver.waits(900, 1800)


def test_RDR_1_hosts_on_the_list_are_inside() -> None:
    driver = started(redirect_hosts=("Other.example",))
    redirected(driver, "<sip:other.EXAMPLE:5070>")
    assert looked_up(driver)[-1] == "sip:other.EXAMPLE:5070"


def test_RDR_1_a_numeric_registrar_has_no_hosts_below_it() -> None:
    settings = params(server="sip:192.0.2.1")
    assert inside(SipUri.parse("sip:192.0.2.1:5070"), settings)
    assert not inside(SipUri.parse("sip:5.192.0.2.1"), settings)


def test_RDR_1_each_refused_uri_is_reported_with_its_cause() -> None:
    driver = started()
    redirected(driver, "<sip:evil.test>", "<sip:a.example.org:22>", "<tel:+123>")
    for part in (
        "sip:evil.test: outside the registrar's domain",
        "sip:a.example.org:22: port 22",
        "tel:+123: no SIP URI",
    ):
        assert part in driver.event.message


@pytest.mark.parametrize("contacts", [(), ("*",), ("*, <sip:a.example.org>",), ("<sip:example.org>",)])
def test_RDR_1_a_redirect_to_nowhere_new_is_slow(contacts: tuple[str, ...]) -> None:
    driver = started()
    redirected(driver, *contacts)
    assert (driver.moves[-1], driver.event.status) == ("F-06", 302)
    assert driver.waits(900, 1800)


# RDR-2: how often


def test_RDR_2_each_uri_is_visited_once() -> None:
    driver = started()
    redirected(driver, "<sip:b.example.org>")
    redirected(driver, "<sip:example.org>")
    assert (driver.state, len(driver.requests)) == (FAILED, 2)
    assert "it leads nowhere new" in driver.event.message


def test_RDR_2_a_uri_that_waits_is_not_noted_twice() -> None:
    driver = started()
    redirected(driver, "<sip:b.example.org>;q=0.9", "<sip:c.example.org>;q=0.8", "<sip:c.example.org>;q=0.7")
    redirected(driver, "<sip:c.example.org>")
    driver.final(480)
    assert driver.state is FAILED
    assert looked_up(driver) == ["sip:example.org", "sip:b.example.org", "sip:c.example.org"]


def test_RDR_2_at_most_three_redirects() -> None:
    driver = started()
    for number in range(1, 5):
        redirected(driver, f"<sip:n{number}.example.org>")
    assert (driver.state, len(driver.requests)) == (FAILED, 4)
    assert "too many redirects" in driver.event.message


def test_RDR_2_at_most_five_uris_the_original_included() -> None:
    driver = started()
    redirected(driver, *(f"<sip:n{number}.example.org>" for number in range(1, 9)))
    while driver.state is PROGRESS:
        driver.final(480)
    assert looked_up(driver)[1:] == [f"sip:n{number}.example.org" for number in range(1, 5)]


# RDR-3: in which order


QS = (";q=0.2", ";q=0.9", "", ";q=0.9")


def test_RDR_3_by_q_then_as_listed_a_failure_moves_on() -> None:
    driver = started()
    redirected(driver, *(f"<sip:{host}.example.org>{q}" for host, q in zip("abcd", QS, strict=True)))
    for status in (404, 500, 603):
        driver.final(status)
        assert driver.state is PROGRESS
    driver.ok()
    assert looked_up(driver)[1:] == [f"sip:{host}.example.org" for host in "cbda"]
    assert driver.state is OK


def test_RDR_3_a_silent_place_moves_on_too() -> None:
    driver = started()
    redirected(driver, "<sip:a.example.org>", "<sip:b.example.org>")
    driver.run(START + 32)
    assert looked_up(driver)[-1] == "sip:b.example.org"
    # DNS gives the address that was silent again, so there is nothing left.
    assert (driver.state, driver.event.reason) == (FAILED, Reason.NO_RESPONSE)


@pytest.mark.parametrize(("absent", "hopeless"), [(True, False), (False, False), (True, True)])
def test_RDR_3_a_place_that_cannot_be_found_moves_on_too(absent: bool, hopeless: bool) -> None:
    driver = started()
    driver.by_hand.add(Locate)
    redirected(driver, "<sips:b.example.org>", "<sip:c.example.org>")
    for uri in ("sips:b.example.org", "sip:c.example.org"):
        assert isinstance(driver.question, Locate)
        assert (driver.state, str(driver.question.uri)) == (PROGRESS, uri)
        driver.answer(NotLocated(driver.question.token, "not there", absent, hopeless))
    # The registrar's answer counts: what it named is no setting of the account, so that nothing is final (RSP-302).
    assert (driver.moves[-1], driver.event.reason, driver.event.status) == ("F-06", Reason.REDIRECT_REFUSED, 302)
    assert "not there" in driver.event.message
    assert driver.waits(900, 1800)


def test_RDR_3_the_answer_of_the_last_place_counts() -> None:
    driver = started()
    redirected(driver, "<sip:a.example.org>", "<sip:b.example.org>")
    driver.final(500)
    driver.final(404)
    assert (driver.event.status, driver.wait) == (404, None)


# RDR-4: what becomes of the URI


def test_RDR_4_the_contact_becomes_the_request_uri_without_user_method_and_headers() -> None:
    driver = started()
    redirected(driver, "<sip:x:pw@b.example.org:5070;method=INVITE;color=red?Route=%3Csip:evil.test%3E&Contact=y>")
    request = driver.last.request
    assert request.uri == "sip:b.example.org:5070;color=red"
    assert not request.routes
    assert str(request.to.uri if request.to else None) == "sip:alice@example.org"
    assert "pw" not in "".join(looked_up(driver))


def test_RDR_4_routes_stay_the_next_hop_of_another_request_uri() -> None:
    driver = started(routes=("sip:edge.example.org",))
    redirected(driver, "<sip:b.example.org>")
    assert looked_up(driver) == ["sip:edge.example.org;lr"] * 2
    assert driver.last.request.uri == "sip:b.example.org"


def test_305_is_a_next_hop_and_no_request_uri() -> None:
    driver = started(routes=("sip:edge.example.org",))
    redirected(driver, "<sip:proxy.example.org>", status=305)
    assert looked_up(driver)[-1] == "sip:proxy.example.org"
    assert driver.last.request.uri == "sip:example.org"


def test_305_concerns_its_own_uris_only() -> None:
    driver = started()
    redirected(driver, "<sip:a.example.org>", "<sip:b.example.org>")
    redirected(driver, "<sip:proxy.example.org>", status=305)
    assert driver.last.request.uri == "sip:b.example.org"
    driver.final(480)
    assert looked_up(driver)[-1] == "sip:proxy.example.org"
    assert driver.last.request.uri == "sip:example.org"


# RDR-5: never weaker


@pytest.mark.parametrize(("uri", "followed"), [("sip:b.example.org", False), ("sips:b.example.org", True)])
def test_RDR_5_sips_follows_only_sips(uri: str, followed: bool) -> None:
    driver = started(server="sips:example.org", redirect=Redirect.ANY)
    redirected(driver, f"<{uri}>")
    assert (looked_up(driver)[-1] == uri) is followed
    if not followed:
        assert "not sips" in driver.event.message


# RDR-6, SEC-7: what goes along


def test_RDR_6_within_the_domain_the_call_goes_on() -> None:
    driver = started()
    driver.challenged()
    driver.targets = [target(2, name="b.example.org")]
    redirected(driver, "<sip:b.example.org>")
    first, last = driver.requests[0].request, driver.last.request
    for name in ("To", "From", "Call-ID"):
        assert first.headers.get(name) == last.headers.get(name)
    driver.by_hand.add(Ask)
    driver.final(401, challenge("example.org"))
    assert isinstance(driver.question, Ask)
    assert not driver.question.foreign


def test_RDR_6_another_name_gets_no_authorization_unasked() -> None:
    driver = started()
    driver.challenged()
    assert driver.last.authorized
    driver.targets = [target(2, name="b.example.org")]
    redirected(driver, "<sip:b.example.org>")
    assert not driver.last.authorized


def test_RDR_6_SEC_7_outside_only_credentials_that_name_the_realm() -> None:
    driver = started(redirect=Redirect.ANY)
    driver.challenged()
    driver.by_hand.add(Ask)
    driver.targets = [target(66, name="evil.test")]
    redirected(driver, "<sip:evil.test>")
    first, last = driver.requests[0].request, driver.last.request
    assert first.call_id != last.call_id
    assert not driver.last.authorized
    driver.challenged()
    assert isinstance(driver.question, Ask)
    assert driver.question.foreign


@pytest.mark.parametrize("status", [302, 305])
def test_SEC_7_a_refresh_outside_is_still_outside(status: int) -> None:
    driver = started(redirect=Redirect.ANY)
    driver.targets = [target(66, name="evil.test")]
    redirected(driver, "<sip:evil.test>", status=status)
    driver.ok()
    driver.by_hand.add(Ask)
    driver.step()
    assert (driver.state, driver.last.flow.target) == (REFRESHING, target(66, name="evil.test"))
    connects = [question.foreign for question in driver.asked if isinstance(question, Connect)]
    assert connects == [False, True, True]
    driver.challenged()
    assert isinstance(driver.question, Ask)
    assert driver.question.foreign


# RDR-7: how long


@pytest.mark.parametrize(("status", "uri"), [(302, "sip:b.example.org"), (305, "sip:example.org")])
def test_RDR_7_REG_20_refreshes_and_removal_go_where_we_were_accepted(status: int, uri: str) -> None:
    driver = started()
    driver.targets = [target(2)]
    redirected(driver, "<sip:b.example.org>", status=status)
    driver.ok()
    driver.targets = [target(3)]
    driver.step()
    assert (driver.last.flow.target, driver.last.request.uri) == (target(2), uri)
    driver.ok()
    driver.unregister()
    assert (driver.last.flow.target, driver.last.request.uri, driver.last.lifetime) == (target(2), uri, 0)


def test_RDR_7_a_place_that_fails_later_is_left_for_the_registrar() -> None:
    driver = started()
    driver.targets = [target(2)]
    redirected(driver, "<sip:b.example.org>")
    driver.ok()
    driver.step()
    driver.targets = [target(3)]
    driver.lost()
    assert looked_up(driver)[-1] == "sip:example.org"
    assert (driver.last.flow.target, driver.last.request.uri) == (target(3), "sip:example.org")


@pytest.mark.parametrize("status", [401, 403, 480, 603])
def test_RDR_7_an_attempt_that_fails_elsewhere_leaves_nothing_behind(status: int) -> None:
    driver = started()
    driver.info = None
    redirected(driver, "<sip:b.example.org>")
    driver.final(status)
    assert driver.state is FAILED
    driver.now += 1
    driver.register()
    assert looked_up(driver)[-1] == "sip:example.org"
    assert driver.last.request.uri == "sip:example.org"


@pytest.mark.parametrize("refresh", [False, True])
def test_RDR_7_an_attempt_given_up_elsewhere_leaves_nothing_behind(refresh: bool) -> None:
    driver = started()
    if refresh:
        driver.ok()
        driver.step()
    driver.by_hand.add(Locate)
    redirected(driver, "<sip:b.example.org>")
    driver.by_hand.clear()
    driver.unregister()
    # The removal goes where the binding is.
    assert (driver.last.request.uri, driver.last.lifetime) == ("sip:example.org", 0)
    assert driver.last.flow.target == target(1)


def test_RDR_7_another_network_begins_at_the_registrar() -> None:
    driver = started()
    redirected(driver, "<sip:b.example.org>")
    driver.ok()
    driver.network(up=False)
    driver.network(up=True)
    driver.step()
    assert looked_up(driver)[-1] == "sip:example.org"
    assert driver.last.request.uri == "sip:example.org"


# SEC-20: never into this machine


@pytest.mark.parametrize("port", [1, 22, 53, 1023])
def test_SEC_20_low_ports_are_refused(port: int) -> None:
    driver = started(redirect=Redirect.ANY)
    redirected(driver, f"<sip:b.example.org:{port}>")
    assert driver.state is FAILED
    assert f"port {port}" in driver.event.message


@pytest.mark.parametrize("port", [80, 443, 1024, 5060, 5061, 65535])
def test_SEC_20_usual_ports_are_not(port: int) -> None:
    driver = started(redirect=Redirect.ANY)
    redirected(driver, f"<sip:b.example.org:{port}>")
    assert driver.state is PROGRESS


@pytest.mark.parametrize(
    "forbidden",
    [
        at("127.0.0.1"), at("127.9.9.9"), at("::1"), at("::ffff:127.0.0.1"), at("169.254.1.1"), at("fe80::1"),
        at("224.0.1.75"), at("ff02::1"), at("0.0.0.0"), at("::"), at("192.0.2.9", 22),
    ],
    ids=str,
)  # fmt: skip
def test_SEC_20_targets_of_another_kind_are_refused_even_by_name(forbidden: Target) -> None:
    driver = started(redirect=Redirect.ANY)
    driver.targets = [forbidden]
    redirected(driver, "<sip:b.example.org>")
    assert (driver.state, len(driver.requests)) == (FAILED, 1)
    assert (driver.event.reason, driver.event.status) == (Reason.REDIRECT_REFUSED, 302)
    assert f"{forbidden}: no redirect may lead there" in driver.event.message


def test_SEC_20_the_good_targets_of_a_name_are_used() -> None:
    driver = started(redirect=Redirect.ANY)
    driver.targets = [at("127.0.0.1"), target(2)]
    redirected(driver, "<sip:b.example.org>")
    assert driver.last.flow.target == target(2)


def test_SEC_20_a_registrar_on_this_machine_may_name_another_one_here() -> None:
    driver = Driver(params(redirect=Redirect.ANY), targets=[at("127.0.0.1")])
    driver.register()
    driver.targets = [at("127.0.0.1", 5070)]
    redirected(driver, "<sip:b.example.org:5070>")
    assert driver.last.flow.target == at("127.0.0.1", 5070)


def test_SEC_20_the_kind_of_a_refresh_is_that_of_the_flow_it_starts_on() -> None:
    driver = started()
    driver.ok()
    driver.step()
    driver.targets = [at("127.0.0.1")]
    redirected(driver, "<sip:b.example.org>")
    assert (driver.state, len(driver.requests)) == (REFRESHING, 2)
    assert driver.event.reason is Reason.REDIRECT_REFUSED


@pytest.mark.parametrize(
    ("there", "here", "same"),
    [
        ("192.0.2.1", "198.51.100.1", True), ("127.0.0.1", "192.0.2.1", False), ("192.0.2.1", "127.0.0.1", True),
        ("::1", "127.0.0.1", True), ("::ffff:192.0.2.1", "192.0.2.1", True), ("fe80::1", "127.0.0.1", False),
    ],
)  # fmt: skip
def test_SEC_20_kinds_of_addresses(there: str, here: str, same: bool) -> None:
    assert same_kind(at(there), at(here)) is same


def test_REG_31_sips_resolves_the_route_as_sips() -> None:
    driver = Driver(params(server="sips:example.org", routes=("sip:edge.example.org",)))
    driver.by_hand.add(Locate)
    driver.register()
    assert looked_up(driver) == ["sips:edge.example.org;lr"]


def test_a_detour_that_has_not_begun() -> None:
    detour = Detour(params())
    assert (detour.hop, detour.foreign, detour.leads_on(decide(503))) == (None, False, False)
    assert str(detour.registrar) == str(detour.next_hop) == "sip:example.org"


def test_a_detour_that_begins_elsewhere_does_not_go_there_again() -> None:
    detour = Detour(params(), Hop(SipUri.parse("sip:b.example.org"), as_proxy=False))
    assert str(detour.registrar) == str(detour.next_hop) == "sip:b.example.org"
    response = response_to(started().last.request, 302, "Contact: <sip:b.example.org>")
    assert detour.take(response) == "it leads nowhere new"
    assert not detour.leads_on(decide(302))


def test_RDR_2_a_place_that_a_redirect_named_is_visited_once_too() -> None:
    driver = started()
    redirected(driver, "<sip:b.example.org>")
    redirected(driver, "<sip:c.example.org>")
    redirected(driver, "<sip:b.example.org>")
    assert (driver.state, looked_up(driver)[1:]) == (FAILED, ["sip:b.example.org", "sip:c.example.org"])


def test_RDR_3_no_q_is_the_highest_q() -> None:
    driver = started()
    redirected(driver, "<sip:a.example.org>;q=1.0", "<sip:b.example.org>")
    assert looked_up(driver)[-1] == "sip:a.example.org"


def test_SEC_20_concerns_redirects_only() -> None:
    driver = Driver(targets=[target(1), at("127.0.0.1"), target(2, port=53)])
    driver.register()
    driver.lost()
    driver.lost()
    assert [sent.flow.target for sent in driver.requests] == driver.targets


# Backup servers


BACKUPS = ("sip:b.test:5070", "sip:c.test")


def with_backups() -> Driver:
    driver = Driver(params(backup_servers=BACKUPS))
    driver.by_hand.add(Locate)
    return driver


def begun(driver: Driver, number: int) -> None:
    """The name that is looked up now leads to one target of this number."""
    driver.locate(target(number))


@pytest.mark.parametrize("how", ["silence", "refused", "503", "408", "absent", "unknown", "certificate"])
def test_DNS_15_when_nobody_is_there_the_next_server_is_asked(how: str) -> None:
    driver = with_backups()
    driver.by_hand.add(Connect)
    driver.register()
    if how in ("absent", "unknown"):
        driver.not_located("no such name", absent=how == "absent")
    else:
        begun(driver, 1)
        if how == "certificate":
            driver.not_connected("for another name", "TLS-1")
        else:
            driver.connect()
            happens = {"silence": lambda: driver.run(START + 32), "refused": driver.lost}
            happens.get(how, lambda: driver.final(int(how)))()
    assert looked_up(driver) == ["sip:example.org", "sip:b.test:5070"]
    begun(driver, 2)
    driver.connect()
    # It is a registrar of its own, with the same call and the next number.
    assert driver.last.request.uri == "sip:b.test:5070"
    driver.ok()
    assert driver.state is OK
    driver.step()
    driver.connect()
    assert (driver.last.request.uri, driver.last.flow.target) == ("sip:b.test:5070", target(2))
    assert len(looked_up(driver)) == 2


@pytest.mark.parametrize("status", [403, 404, 480, 500, 603])
def test_DNS_15_what_a_server_refuses_is_not_asked_of_the_next(status: int) -> None:
    driver = with_backups()
    driver.register()
    begun(driver, 1)
    driver.final(status)
    assert (looked_up(driver), driver.state) == (["sip:example.org"], FAILED)


def test_a_backup_server_by_a_transport_that_there_is_not_is_passed_over() -> None:
    driver = with_backups()
    driver.register()
    begun(driver, 1)
    driver.lost()
    assert isinstance(driver.question, Locate)
    driver.answer(NotLocated(driver.question.token, "no such transport", absent=True, hopeless=True))
    begun(driver, 3)
    driver.lost()
    assert looked_up(driver)[-1] == "sip:c.test"
    assert (driver.moves[-1], driver.event.reason) == ("F-06", Reason.IO_ERROR)


def test_when_no_server_is_there_all_are_told_of() -> None:
    driver = with_backups()
    driver.register()
    driver.not_located("nobody knows a", absent=False)
    begun(driver, 2)
    driver.lost("refused")
    driver.not_located("no such name as c")
    assert (driver.moves, driver.event.reason) == (["F-01", "F-06"], Reason.DNS_ERROR)
    assert driver.lease.tried == {
        "sip:example.org": "nobody knows a",
        "udp:192.0.2.2:5060": "refused",
        "sip:c.test": "no such name as c",
    }
    assert "sip:example.org: nobody knows a, udp:192.0.2.2:5060: refused, sip:c.test: no such" in driver.event.message
    assert driver.waits(30, 60)


def test_SEC_20_a_server_of_ones_own_settings_may_be_anywhere_and_gets_credentials() -> None:
    driver = with_backups()
    driver.by_hand.add(Ask)
    driver.register()
    begun(driver, 1)
    driver.lost()
    driver.locate(Target("127.0.0.1", 53, Transport.UDP, "b.test"))
    driver.challenged()
    assert isinstance(driver.question, Ask)
    assert not driver.question.foreign
    # Where it sends us on is judged by where it is itself.
    driver.supply(AuthInfo("alice", password="secret"))
    redirected(driver, "<sip:edge.b.test>")
    driver.locate(Target("127.0.0.2", 5060, Transport.UDP, "edge.b.test"))
    assert driver.last.request.uri == "sip:edge.b.test"


def test_a_redirect_is_followed_before_a_backup_server() -> None:
    driver = with_backups()
    driver.register()
    begun(driver, 1)
    redirected(driver, "<sip:edge.example.org>")
    begun(driver, 2)
    driver.lost()
    begun(driver, 3)
    assert looked_up(driver) == ["sip:example.org", "sip:edge.example.org", "sip:b.test:5070"]
    redirected(driver, "<sip:b.test:5070>")
    assert driver.state is FAILED


def test_a_backup_server_that_fails_gives_way_to_the_first() -> None:
    driver = with_backups()
    driver.register()
    begun(driver, 1)
    driver.lost()
    begun(driver, 2)
    driver.ok()
    driver.step()
    driver.lost()
    begun(driver, 1)
    assert driver.last.request.uri == "sip:example.org"
    driver.lost()
    begun(driver, 2)  # it has had its chance
    begun(driver, 3)
    assert driver.last.request.uri == "sip:c.test"
    driver.ok()
    assert driver.state is OK


def test_REG_25_a_removal_goes_to_the_server_that_holds_the_binding_and_nowhere_else() -> None:
    driver = with_backups()
    driver.register()
    begun(driver, 1)
    driver.lost()
    begun(driver, 2)
    driver.ok()
    driver.unregister()
    assert (driver.last.request.uri, driver.last.flow.target) == ("sip:b.test:5070", target(2))
    driver.lost()
    assert (driver.moves[-1], len(looked_up(driver))) == ("F-34", 2)
    driver.unregister()
    driver.not_located()
    assert (driver.moves[-1], len(looked_up(driver))) == ("F-34", 3)


def test_a_place_to_begin_at_is_no_backup_too() -> None:
    hop = Hop(SipUri.parse("sip:c.test"), ours=True)
    detour = Detour(params(backup_servers=BACKUPS), hop)
    detour.follow()
    assert str(detour.registrar) == "sip:b.test:5070"
    assert not detour.leads_on(decide(503))
