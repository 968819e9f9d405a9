"""What of an account outlives the process, and that nothing goes out which a successor would not know of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.effects import Ask, Keep, Locate
from aiosipreg.engine.memory import Memory, remember
from aiosipreg.states import RegistrationState
from aiosipreg.wire import SipUri
from tests.engine.driver import LOCAL, START, Driver, challenge, params, target

if TYPE_CHECKING:
    from aiosipreg.params import ProxyParams

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState
NEW = "198.51.100.8"
PUBLIC = ("203.0.113.9", 40_000)


def before(**changes: Any) -> Driver:
    """An account that a store keeps, registered with credentials."""
    driver = Driver(params(**changes))
    driver.recall()
    driver.register()
    driver.challenged(nonce="n1")
    driver.ok()
    return driver


def after(memory: Memory, **more: Any) -> Driver:
    """The same account after a restart, told to register."""
    driver = restarted(memory, **more)
    driver.register()
    return driver


def restarted(
    memory: Memory, *, local: str = LOCAL, at: float = START + 100, settings: ProxyParams | None = None
) -> Driver:
    """The same account after a restart, told nothing yet."""
    driver = Driver(settings or params(), seed=2)
    driver.now, driver.local = at, local
    driver.recall(memory)
    return driver


def cseqs(driver: Driver) -> list[int]:
    return [sent.request.cseq.number for sent in driver.requests if sent.request.cseq is not None]


def uris(driver: Driver) -> list[str]:
    """Contact URIs of the newest request, those that it removes in parentheses."""
    entries = driver.last.request.contacts
    return [f"({entry.uri})" if entry.expires == 0 else str(entry.uri) for entry in entries]


OURS, NEWS = f"sip:alice@{LOCAL}:5060", f"sip:alice@{NEW}:5060"


# What a restart goes on with


def test_N4_a_restart_refreshes_the_same_binding_in_one_round_trip() -> None:
    old = before()
    memory = remember(old.machine)
    new = after(memory)
    [sent] = new.requests
    assert sent.request.call_id == old.last.request.call_id
    assert sent.request.headers.get("From") == old.last.request.headers.get("From")
    assert uris(new) == [OURS]
    # AUTH-28: on the nonce from before, with the next count.
    assert 'nonce="n1"' in (sent.request.headers.get("Authorization") or "")
    assert "nc=00000002" in (sent.request.headers.get("Authorization") or "")
    # REG-20: to where the binding is, whatever DNS says by now.
    assert (new.questions[Locate], sent.flow.target) == (0, old.last.flow.target)
    assert new.states == [PROGRESS]
    new.ok()
    assert new.states == [PROGRESS, OK]


def test_REG_5_cseq_goes_on_above_whatever_may_have_been_used() -> None:
    old = before()
    memory = remember(old.machine)
    for _ in range(20):
        old.now += 10
        old.refresh()
        old.ok()
    assert after(memory).session.series.cseq > old.session.series.cseq


def test_REG_5_by_exactly_one_when_the_end_was_in_order() -> None:
    old = before()
    assert cseqs(after(remember(old.machine, reserve=False))) == [old.session.series.cseq + 1]


def test_MSG_17_a_series_near_its_end_begins_anew() -> None:
    memory = replace(remember(before().machine), cseq=2**31 - 2**20)
    new = after(memory, local=NEW)
    assert cseqs(new) == [1]
    assert new.last.request.call_id != memory.call_id
    assert uris(new) == [NEWS, f"({OURS})"]


def test_N4_another_local_address_takes_the_old_contact_away_in_the_same_request() -> None:
    new = after(remember(before().machine), local=NEW)
    assert uris(new) == [NEWS, f"({OURS})"]
    new.ok()
    assert remember(new.machine).contacts == (f"<{NEWS}>",)
    new.now += 100
    new.refresh()
    assert uris(new) == [NEWS]


def test_N4_a_request_whose_answer_nobody_saw_counts_as_bound() -> None:
    old = before()
    old.local = NEW
    old.now += 1.1
    old.refresh()
    memory = remember(old.machine)
    assert memory.contacts == (f"<{OURS}>", f"<{NEWS}>")
    assert uris(after(memory, local="198.51.100.9")) == ["sip:alice@198.51.100.9:5060", f"({OURS})", f"({NEWS})"]


def test_N4_further_contacts_are_taken_away_when_the_settings_do_not_name_them_any_more() -> None:
    extra = "sip:alice@203.0.113.7"
    memory = remember(before(extra_contacts=(extra,)).machine)
    assert memory.contacts == (f"<{OURS}>", f"<{extra}>")
    assert uris(after(memory, settings=params(extra_contacts=(extra,)))) == [OURS, extra]
    assert uris(after(memory)) == [OURS, f"({extra})"]


def test_N4_also_one_whose_account_had_no_binding_yet() -> None:
    old = Driver()
    old.recall()
    old.register()
    memory = remember(old.machine)
    assert (memory.contacts, memory.expires_at) == ((f"<{OURS}>",), START + 3600)


def test_a_binding_that_ran_out_is_not_taken_away() -> None:
    memory = remember(before().machine)
    new = after(memory, local=NEW, at=START + 3600)
    assert uris(new) == [NEWS]
    assert new.questions[Locate] == 1
    assert new.last.request.call_id == memory.call_id


def test_OUTB_1_the_instance_id_is_part_of_it() -> None:
    urn = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    assert remember(before(instance_id=urn).machine).instance_id == urn


def test_SEC_39_no_secret_is_part_of_it() -> None:
    old = Driver()
    old.recall()
    old.info = AuthInfo("alice", password="pLanTed", userid="pLanTed2")
    old.register()
    old.challenged()
    old.ok()
    shown = repr(remember(old.machine))
    sent = old.last.request.headers.get("Authorization") or ""
    response, cnonce = (sent.partition(f"{name}=")[2].split(",")[0].strip('"') for name in ("response", "cnonce"))
    assert response
    assert cnonce
    assert [secret for secret in ("pLanTed", response, cnonce) if secret in shown] == []


def test_REG_27_what_the_registrar_wants_is_remembered() -> None:
    old = Driver(params(expires=60))
    old.recall()
    old.register()
    old.final(423, "Min-Expires: 300")
    old.ok()
    assert after(remember(old.machine), settings=old.settings).last.lifetime == 300


def test_NAT_3_the_public_address_is_remembered() -> None:
    old = before()
    old.now += 10
    old.refresh()
    old.ok(seen=PUBLIC)
    old.ok(seen=PUBLIC)
    new = after(remember(old.machine))
    assert uris(new) == ["sip:alice@203.0.113.9:40000"]
    new.ok(seen=PUBLIC)
    assert new.state is OK
    assert len(new.requests) == 1


def test_REG_20_a_remembered_server_that_is_gone_is_left_for_what_dns_says() -> None:
    new = restarted(remember(before().machine))
    new.targets = [target(2)]
    new.register()
    new.lost()
    assert [sent.flow.target for sent in new.requests] == [target(1), target(2)]


def test_REG_20_it_is_asked_first_and_not_for_ever() -> None:
    new = after(remember(before().machine))
    new.final(403)
    new.targets = [target(2)]
    new.now += 10
    new.register()
    assert new.last.flow.target == target(2)


def test_RDR_7_where_a_redirect_led_is_asked_for_again() -> None:
    old = Driver()
    old.recall()
    old.register()
    old.targets = [target(2)]
    old.final(302, "Contact: <sip:other.example.org>")
    old.ok()
    assert old.last.flow.target == target(2)
    new = after(remember(old.machine))
    assert new.questions[Locate] == 1
    assert new.asked[0] == Locate(1, SipUri.parse("sip:example.org"))


BACKUP = "sip:backup.example.org"


def at_backup() -> Memory:
    old = Driver(params(backup_servers=(BACKUP,)))
    old.recall()
    old.by_hand = {Locate}
    old.register()
    old.not_located()
    old.locate(target(2, name="backup.example.org"))
    old.challenged()
    old.ok()
    return remember(old.machine)


def test_REG_20_a_binding_at_a_backup_server_is_refreshed_there() -> None:
    memory = at_backup()
    assert (memory.target, memory.backup) == (target(2, name="backup.example.org"), BACKUP)
    new = after(memory, settings=params(backup_servers=(BACKUP,)))
    assert (new.last.flow.target, new.last.request.uri) == (memory.target, BACKUP)
    assert new.last.authorized
    # Also when this run ends before anything was answered.
    assert (remember(new.machine).target, remember(new.machine).backup) == (memory.target, BACKUP)
    new.lost()
    assert new.last.request.uri == "sip:example.org"


def test_a_backup_server_that_the_settings_do_not_name_any_more_is_not_asked() -> None:
    new = after(at_backup(), local=NEW)
    assert (new.questions[Locate], new.last.request.uri) == (1, "sip:example.org")


@pytest.mark.parametrize("changes", [{"identity": "sip:bob@example.org"}, {"server": "sip:other.example.org"}])
def test_REG_38_a_record_is_good_for_no_other_account(changes: dict[str, Any]) -> None:
    memory = remember(before().machine)
    new = after(memory, settings=params(**changes), local=NEW)
    assert len(new.last.contacts) == 1
    assert not new.last.authorized
    assert new.last.request.call_id != memory.call_id
    # And is not taken for a record of this one: the first request waited for its own.
    assert new.questions[Keep] == 1


def test_another_way_to_the_same_registrar_is_looked_up() -> None:
    memory = remember(before().machine)
    new = after(memory, settings=params(routes=("sip:edge.example.org",)), local=NEW)
    assert new.questions[Locate] == 1
    assert uris(new) == [NEWS, f"({OURS})"]


# What the account does with a binding that it only heard of


def test_a_removal_before_anything_was_registered() -> None:
    new = restarted(remember(before().machine), local=NEW)
    assert new.state is NONE
    new.unregister()
    assert uris(new) == [f"({OURS})"]
    new.ok()
    assert new.states == [PROGRESS, CLEARED]
    assert remember(new.machine).contacts == ()
    assert remember(new.machine).expires_at is None


def test_an_account_without_a_binding_has_nothing_to_remove() -> None:
    new = restarted(Memory())
    new.unregister()
    assert new.states == []


@pytest.mark.parametrize("kind", [Keep, Ask])
def test_a_removal_before_anything_was_sent(kind: Any) -> None:
    new = restarted(remember(before().machine))
    new.by_hand = {kind}
    new.register()
    assert isinstance(new.question, kind)
    new.by_hand = set()
    new.unregister()
    assert uris(new) == [f"({OURS})"]
    new.ok()
    assert new.states == [PROGRESS, CLEARED]


def test_a_removal_while_a_refused_registration_asks_for_credentials() -> None:
    new = restarted(remember(before().machine))
    new.register()
    new.by_hand = {Ask}
    new.challenged(realm="another realm")
    new.unregister()
    assert uris(new) == [f"({OURS})"]


def test_a_removal_after_a_registration_that_was_refused() -> None:
    new = after(remember(before().machine))
    new.unregister()
    new.final(403)
    assert uris(new) == [f"({OURS})"]
    new.ok()
    assert new.states == [PROGRESS, CLEARED]


def test_a_removal_that_is_not_confirmed_leaves_the_contact_in_the_record() -> None:
    old = before()
    old.now += 10
    old.unregister()
    old.final(500)
    assert old.state is NONE
    memory = remember(old.machine)
    assert memory.contacts == (f"<{OURS}>",)
    assert memory.expires_at is not None
    assert memory.expires_at >= START + 3600
    assert uris(after(memory, local=NEW)) == [NEWS, f"({OURS})"]


# What is written before it can matter


def test_nothing_is_written_without_a_store() -> None:
    driver = Driver()
    driver.register()
    driver.ok()
    assert driver.questions[Keep] == 0


def test_the_first_request_waits_for_its_record() -> None:
    driver = Driver()
    driver.by_hand = {Keep}
    driver.recall()
    driver.register()
    assert driver.sent == []
    assert driver.machine.deadline is None
    assert remember(driver.machine).contacts == (f"<{OURS}>",)
    driver.keep()
    assert uris(driver) == [OURS]
    driver.challenged()
    driver.ok()
    assert driver.questions[Keep] == 1


def test_a_request_goes_out_though_the_store_fails_and_the_next_one_asks_again() -> None:
    driver = Driver()
    driver.by_hand = {Keep}
    driver.recall()
    driver.register()
    driver.keep(written=False)
    assert len(driver.requests) == 1
    driver.challenged()
    assert isinstance(driver.question, Keep)
    driver.keep(written=False)
    driver.ok()
    assert driver.states == [PROGRESS, OK]


def test_refreshes_do_not_wait_as_long_as_numbers_are_reserved() -> None:
    driver = before()
    asked = 0
    for round_ in range(200):
        driver.now += 10
        driver.refresh()
        driver.ok()
        asked = driver.questions[Keep]
        if round_ % 10 == 0:
            driver.session.kept = remember(driver.machine)
    assert asked == 1


def test_a_request_waits_when_the_reserve_is_used_up() -> None:
    driver = before()
    kept = driver.session.kept
    assert kept is not None
    while driver.questions[Keep] == 1:
        driver.now += 10
        driver.refresh()
        driver.ok()
    # The first number above those that were reserved.
    assert driver.session.series.cseq == kept.cseq + 1


def test_a_request_waits_when_its_contact_is_a_new_one() -> None:
    driver = before()
    driver.by_hand = {Keep}
    driver.now += 10
    driver.refresh()
    driver.ok(seen=PUBLIC)
    assert isinstance(driver.question, Keep)
    assert remember(driver.machine).contacts == (f"<{OURS}>", "<sip:alice@203.0.113.9:40000>")
    driver.keep()
    assert uris(driver) == ["sip:alice@203.0.113.9:40000", f"({OURS})"]


def test_a_request_waits_when_its_call_id_is_a_new_one() -> None:
    driver = before()
    driver.by_hand = {Keep}
    driver.now += 10
    driver.refresh()
    driver.final(481)
    driver.step()
    assert isinstance(driver.question, Keep)
    driver.keep()
    assert cseqs(driver)[-1] == 1


def test_a_removal_does_not_wait_for_a_contact() -> None:
    driver = before()
    assert driver.session.kept is not None
    driver.session.kept = replace(driver.session.kept, contacts=())
    driver.by_hand = {Keep}
    driver.now += 10
    driver.unregister()
    assert uris(driver) == [f"({OURS})"]


# Nonces from before


def test_AUTH_28_credentials_are_looked_up_again_before_the_first_request() -> None:
    new = restarted(remember(before().machine))
    new.by_hand = {Ask}
    new.register()
    assert new.sent == []
    assert isinstance(new.question, Ask)
    assert (new.question.realm, new.question.algorithms, new.question.attempt) == ("example.org", ("MD5",), 1)
    new.supply(AuthInfo("alice", password="secret"))
    assert new.last.authorized


def test_without_credentials_the_request_goes_out_and_the_server_decides() -> None:
    new = restarted(remember(before().machine))
    new.by_hand = {Ask}
    new.register()
    new.supply(None)
    assert not new.last.authorized
    new.ok()
    assert new.state is OK


def test_a_provider_that_fails_ends_the_attempt_as_after_a_challenge() -> None:
    new = restarted(remember(before().machine))
    new.by_hand = {Ask}
    new.register()
    new.not_supplied()
    assert new.state is FAILED
    assert new.event.retry_at is not None
    assert new.sent == []


def test_AUTH_20_a_nonce_that_died_meanwhile_does_not_count_as_a_wrong_password() -> None:
    new = after(remember(before().machine))
    new.challenged()
    assert new.last.authorized
    new.ok()
    assert new.state is OK


def test_AUTH_20_a_password_that_changed_meanwhile_is_refused_once() -> None:
    new = after(remember(before().machine))
    new.challenged()
    new.challenged()
    assert new.state is FAILED
    assert len(new.requests) == 2


def test_a_proxy_and_the_registrar_both_get_their_credentials_at_once() -> None:
    old = Driver()
    old.recall()
    old.register()
    old.final(407, challenge("proxy realm", proxy=True))
    old.challenged()
    old.ok()
    new = after(remember(old.machine))
    assert new.questions[Ask] == 2
    assert "Authorization" in new.last.request.headers
    assert "Proxy-Authorization" in new.last.request.headers


def test_TRA_2_a_contact_that_was_not_sent_is_not_taken_away() -> None:
    driver = Driver(params(headers=(("X-Long", "x" * 1300),)))
    driver.recall()
    driver.register()
    assert uris(driver) == [f"{OURS};transport=tcp"]
    driver.ok()
    assert remember(driver.machine).contacts == (f"<{OURS};transport=tcp>",)
