"""aiosipreg/keeping.py: when the records of a core's accounts are written, and what happens when they cannot be."""

from __future__ import annotations

import asyncio
import logging
import uuid
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from aiosipreg import AuthInfo, ConfigError, ProxyParams
from aiosipreg.engine.memory import Memory
from aiosipreg.engine.registration import Registration
from aiosipreg.engine.setup import Setup
from aiosipreg.keeping import Keeper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiosipreg.engine.session import Session
    from aiosipreg.proxy import ProxyConfig

pytestmark = pytest.mark.virtual_clock

TOTO = ProxyParams("sip:toto@sip.titi.com", id="toto")
KEY = '["toto"]'


class Shelf:
    """A store in memory, that may take its time or fail."""

    def __init__(self, **records: Memory) -> None:
        self.records: dict[str, Memory | None] = {f'["{id_}"]': memory for id_, memory in records.items()}
        self.writes: list[tuple[float, dict[str, Memory | None]]] = []
        self.takes = 0.0
        self.error: Exception | None = None
        self.opened = 0
        self.writing = False

    async def open(self) -> None:
        self.opened += 1

    def load(self, key: str) -> Memory | None:
        return self.records.get(key)

    async def save(self, changes: Mapping[str, Memory | None]) -> None:
        assert not self.writing, "one write at a time"
        self.writing = True
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.writing = False
        if self.error is not None:
            raise self.error
        self.writes.append((asyncio.get_running_loop().time(), dict(changes)))
        self.records |= changes

    async def close(self) -> None:
        self.opened -= 1


class Core:
    """As much of a core as has to do with its store."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.keeper = Keeper(shelf, Random(1))

    def add(self, params: ProxyParams = TOTO) -> ProxyConfig:
        params = self.keeper.look_up(params)
        machine = Registration(params, Setup(random=Random(2)))
        self.keeper.add(machine)
        return cast("ProxyConfig", SimpleNamespace(_flows=SimpleNamespace(machines=(machine,))))

    def drop(self, proxy: ProxyConfig) -> None:
        """An account is removed."""
        self.keeper.drop(*proxy._flows.machines)

    def change(self, proxy: ProxyConfig) -> None:
        """Something happens to an account."""
        session_of(proxy).series.cseq += 1
        self.keeper.touch(proxy)

    @property
    def written(self) -> list[list[str]]:
        """The keys of each write."""
        return [list(changes) for _, changes in self.shelf.writes]


def session_of(proxy: ProxyConfig) -> Session:
    return proxy._flows.machines[0].session


@pytest.fixture
def core() -> Core:
    return Core(Shelf())


def now() -> float:
    return asyncio.get_running_loop().time()


def problems(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    caplog.clear()
    return found


# Whose record is whose


async def test_without_a_store_nothing_is_kept() -> None:
    keeper = Keeper(None, Random(1))
    await keeper.open()
    assert keeper.look_up(TOTO) == TOTO
    proxy = Core(Shelf()).add()
    keeper.add(*proxy._flows.machines)
    keeper.touch(proxy)
    await keeper.keep(session_of(proxy))
    keeper.drop(*proxy._flows.machines)
    await keeper.close()
    assert len(asyncio.all_tasks()) == 1


def test_a_path_is_no_store() -> None:
    with pytest.raises(TypeError, match=r"store: expected FileStore\(path\), got str"):
        Keeper(cast("Any", "accounts.db"), Random(1))


async def test_OUTB_1_SEC_35_an_account_gets_a_random_instance_id_of_its_own_and_keeps_it() -> None:
    one, other = Core(Shelf()), Core(Shelf())
    made = one.keeper.look_up(TOTO)
    again = one.keeper.look_up(TOTO)
    assert made.instance_id is not None
    assert uuid.UUID(made.instance_id).version == 4
    assert made.instance_id == f"urn:uuid:{uuid.UUID(made.instance_id)}"
    assert again.instance_id != made.instance_id
    other.shelf.records[KEY] = Memory(instance_id=made.instance_id)
    assert other.keeper.look_up(TOTO) == made


async def test_OUTB_1_one_that_is_given_stays() -> None:
    params = TOTO.replace(instance_id="urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
    assert Core(Shelf(toto=Memory(instance_id="urn:uuid:other"))).keeper.look_up(params) == params


async def test_REG_32_whoever_registers_for_somebody_else_gets_none() -> None:
    params = TOTO.replace(registered_by="sip:boss@sip.titi.com")
    assert Core(Shelf()).keeper.look_up(params) == params


async def test_OUTB_3_further_flows_have_records_of_their_own(core: Core) -> None:
    params = core.keeper.look_up(TOTO.replace(outbound_proxies=("sip:a.titi.com", "sip:b.titi.com")))
    machines = [
        Registration(own, Setup(random=Random(2)), reg_id=reg_id) for reg_id, own in enumerate(params.flows(), 1)
    ]
    for machine in machines:
        core.keeper.add(machine)
    core.keeper.touch(cast("ProxyConfig", SimpleNamespace(_flows=SimpleNamespace(machines=tuple(machines)))))
    await asyncio.sleep(1)
    assert sorted(core.shelf.records) == ['["toto", 2]', KEY]
    core.keeper.drop(machines[1])
    await asyncio.sleep(1)
    assert [key for key, memory in core.shelf.records.items() if memory is not None] == [KEY]
    await core.keeper.close()


async def test_an_account_without_id_is_found_by_identity_and_server(core: Core) -> None:
    params = TOTO.replace(id=None)
    core.keeper.touch(core.add(params))
    core.keeper.touch(core.add(params.replace(server="sip:other.titi.com")))
    core.keeper.touch(core.add(params.replace(id="third")))
    await core.keeper.close()
    assert sorted(core.shelf.records) == [
        '["sip:toto@sip.titi.com", "sip:other.titi.com"]', '["sip:toto@sip.titi.com", "sip:sip.titi.com"]',
        '["third"]',
    ]  # fmt: skip


async def test_two_that_nobody_could_tell_apart_are_refused(core: Core) -> None:
    core.add(TOTO.replace(id=None))
    with pytest.raises(ConfigError, match="an id: another account of this core has the same identity and server"):
        core.add(TOTO.replace(id=None, expires=60))
    assert core.add(TOTO.replace(id="other"))


async def test_the_record_of_an_account_without_id_follows_its_server(core: Core) -> None:
    proxy = core.add(TOTO.replace(id=None))
    core.change(proxy)
    await asyncio.sleep(1)
    params = session_of(proxy).params.replace(server="sip:other.titi.com")
    session_of(proxy).adopt(params)
    core.change(proxy)
    await asyncio.sleep(1)
    assert {key: memory is not None for key, memory in core.shelf.records.items()} == {
        '["sip:toto@sip.titi.com", "sip:sip.titi.com"]': False,
        '["sip:toto@sip.titi.com", "sip:other.titi.com"]': True,
    }
    await core.keeper.close()


async def test_but_not_to_where_another_one_is(core: Core) -> None:
    proxy, other = core.add(TOTO.replace(id=None)), core.add(TOTO.replace(id=None, server="sip:other.titi.com"))
    session_of(proxy).adopt(session_of(proxy).params.replace(server="sip:other.titi.com"))
    core.change(proxy)
    core.change(other)
    await asyncio.sleep(1)
    place = core.shelf.records['["sip:toto@sip.titi.com", "sip:other.titi.com"]']
    assert place is not None
    assert place.call_id == session_of(other).series.call_id
    await core.keeper.close()


async def test_an_account_that_was_never_written_moves_without_a_trace(core: Core) -> None:
    proxy = core.add(TOTO.replace(id=None))
    session_of(proxy).adopt(session_of(proxy).params.replace(server="sip:other.titi.com"))
    await core.keeper.keep(session_of(proxy))
    assert core.written == [['["sip:toto@sip.titi.com", "sip:other.titi.com"]']]
    await core.keeper.close()


# When it is written


async def test_what_happens_in_a_moment_is_written_once(core: Core) -> None:
    proxies = [core.add(TOTO.replace(id=id_)) for id_ in "abc"]
    for _ in range(5):
        for proxy in proxies:
            core.change(proxy)
        await asyncio.sleep(0.005)
    await asyncio.sleep(1)
    assert core.written == [['["a"]', '["b"]', '["c"]']]
    assert core.shelf.writes[0][0] == pytest.approx(0.2)
    await core.keeper.close()


async def test_what_happens_during_a_write_is_in_the_next_one(core: Core) -> None:
    core.shelf.takes = 1
    proxy = core.add()
    core.change(proxy)
    await asyncio.sleep(0.5)
    for _ in range(3):
        core.change(proxy)
    await asyncio.sleep(2)
    kept = [changes[KEY] for _, changes in core.shelf.writes]
    assert [memory and memory.cseq for memory in kept] == [1 + 64, 4 + 64]
    assert session_of(proxy).kept == core.shelf.records[KEY]
    core.shelf.takes = 0
    await core.keeper.close()


async def test_what_did_not_change_is_not_written_again(core: Core) -> None:
    proxy = core.add()
    core.change(proxy)
    await asyncio.sleep(1)
    core.keeper.touch(proxy)
    await asyncio.sleep(1)
    assert len(core.written) == 1
    await core.keeper.close()


async def test_the_loop_is_not_held_up_by_thousands(core: Core) -> None:
    proxies = [core.add(TOTO.replace(id=f"{number}")) for number in range(1200)]
    for proxy in proxies:
        core.change(proxy)
    await asyncio.sleep(1)
    assert [len(keys) for keys in core.written] == [500, 500, 200]
    assert all(session_of(proxy).kept is core.shelf.records[f'["{n}"]'] for n, proxy in enumerate(proxies))
    await core.keeper.close()


async def test_whoever_waits_is_written_at_once_and_first(core: Core) -> None:
    core.shelf.takes = 0.001
    for number in range(700):
        core.change(core.add(TOTO.replace(id=f"{number}")))
    urgent = core.add(TOTO.replace(id="urgent"))
    await core.keeper.keep(session_of(urgent))
    assert now() == pytest.approx(0.001)
    assert core.written[0][0] == '["urgent"]'
    assert session_of(urgent).kept is core.shelf.records['["urgent"]']
    await core.keeper.close()


async def test_many_may_wait_for_one_write(core: Core) -> None:
    core.shelf.takes = 0.01
    sessions = [session_of(core.add(TOTO.replace(id=id_))) for id_ in "abc"]
    await asyncio.gather(*(core.keeper.keep(session) for session in sessions for _ in range(2)))
    assert [sorted(keys) for keys in core.written] == [['["a"]', '["b"]', '["c"]']]
    await core.keeper.close()


async def test_one_that_waits_does_not_wait_for_the_moment_that_others_gather(core: Core) -> None:
    core.change(core.add(TOTO.replace(id="a")))
    await asyncio.sleep(0.01)
    await core.keeper.keep(session_of(core.add()))
    assert now() == pytest.approx(0.01)
    await core.keeper.close()


async def test_a_wait_that_is_cancelled_harms_nobody(core: Core) -> None:
    core.shelf.takes = 1
    waits = [asyncio.create_task(core.keeper.keep(session_of(core.add(TOTO.replace(id=id_))))) for id_ in "ab"]
    await asyncio.sleep(0.5)
    waits[0].cancel()
    await asyncio.wait(waits)
    assert waits[0].cancelled()
    assert waits[1].exception() is None
    core.shelf.takes = 0
    await core.keeper.close()


# When it cannot be


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("disk full")])
async def test_a_store_that_fails_is_reported_once_and_tried_again(
    core: Core, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    core.shelf.error = error
    proxy = core.add()
    await core.keeper.keep(session_of(proxy))
    await core.keeper.keep(session_of(proxy))
    core.change(proxy)
    await asyncio.sleep(25)
    assert now() == 25
    assert session_of(proxy).kept == Memory()
    [message] = problems(caplog)
    assert "does not keep what is told (disk full)" in message
    core.shelf.error = None
    await asyncio.sleep(10)
    assert session_of(proxy).kept == core.shelf.records[KEY]
    assert [record.getMessage() for record in caplog.records] == ["the store works again"]
    await core.keeper.close()


async def test_nobody_waits_for_a_slow_store_for_more_than_two_seconds(
    core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    core.shelf.takes = 60
    one, other = core.add(), core.add(TOTO.replace(id="other"))
    first = asyncio.create_task(core.keeper.keep(session_of(one)))
    await asyncio.sleep(1)
    # This one is not even in the write that takes so long.
    await core.keeper.keep(session_of(other))
    await first
    assert now() == pytest.approx(2)
    await core.keeper.keep(session_of(core.add(TOTO.replace(id="third"))))
    assert now() == pytest.approx(2)
    [message] = problems(caplog)
    assert "it is too slow" in message
    core.shelf.takes = 0
    await asyncio.sleep(120)
    assert len(core.shelf.records) == 3
    await core.keeper.keep(session_of(one))
    await core.keeper.close()
    assert problems(caplog) == []


async def test_ROB_8_an_error_of_ours_is_logged_and_the_rest_goes_on(
    core: Core, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    proxy = core.add()
    with monkeypatch.context() as patch:
        patch.setattr("aiosipreg.keeping.remember", lambda *_, **__: 1 / 0)
        core.change(proxy)
        await asyncio.sleep(1)
    [message] = problems(caplog)
    assert "unexpected error" in message
    core.change(proxy)
    await asyncio.sleep(1)
    assert core.written == [[KEY]]
    await core.keeper.close()


# Accounts that go


async def test_an_account_that_is_removed_loses_its_record(core: Core) -> None:
    proxy, other = core.add(), core.add(TOTO.replace(id="other"))
    core.change(proxy)
    core.change(other)
    await asyncio.sleep(1)
    core.drop(proxy)
    core.drop(proxy)
    core.keeper.touch(proxy)
    await asyncio.sleep(1)
    assert {key: memory is not None for key, memory in core.shelf.records.items()} == {KEY: False, '["other"]': True}
    assert core.written[1:] == [[KEY]]
    await core.keeper.close()


async def test_also_the_one_from_before(core: Core) -> None:
    core.shelf.records[KEY] = Memory(instance_id="urn:uuid:1")
    core.drop(core.add())
    await asyncio.sleep(1)
    assert core.shelf.records == {KEY: None}
    await core.keeper.close()


async def test_one_that_was_never_written_leaves_nothing_to_do(core: Core) -> None:
    proxy = core.add()
    core.change(proxy)
    core.drop(proxy)
    await asyncio.sleep(1)
    assert core.written == []
    await core.keeper.close()


async def test_a_removal_during_a_write_comes_after_it(core: Core) -> None:
    core.shelf.takes = 1
    proxy = core.add()
    waiting = asyncio.create_task(core.keeper.keep(session_of(proxy)))
    await asyncio.sleep(0.5)
    core.drop(proxy)
    await waiting
    await asyncio.sleep(2)
    assert core.shelf.records == {KEY: None}
    core.shelf.takes = 0
    await core.keeper.close()


async def test_whoever_waits_for_an_account_that_is_removed_waits_no_more(core: Core) -> None:
    core.shelf.takes = 1
    core.change(core.add(TOTO.replace(id="other")))
    await asyncio.sleep(0.3)
    proxy = core.add()
    waiting = asyncio.create_task(core.keeper.keep(session_of(proxy)))
    await asyncio.sleep(0.1)
    core.drop(proxy)
    await waiting
    assert now() == pytest.approx(0.4)
    core.shelf.takes = 0
    await core.keeper.close()


async def test_an_account_that_comes_back_begins_anew_and_is_kept(core: Core) -> None:
    proxy = core.add()
    core.change(proxy)
    await asyncio.sleep(1)
    core.drop(proxy)
    core.shelf.records.clear()
    again = core.add()
    core.change(again)
    await asyncio.sleep(1)
    kept = core.shelf.records[KEY]
    assert kept is not None
    assert kept.call_id == session_of(again).series.call_id
    await core.keeper.close()


@pytest.mark.parametrize("back", [False, True])
async def test_a_removal_that_failed_is_made_up_for(core: Core, back: bool) -> None:
    proxy = core.add()
    core.change(proxy)
    await asyncio.sleep(1)
    core.shelf.error = OSError("disk full")
    core.drop(proxy)
    await asyncio.sleep(1)
    if back:
        core.change(core.add())
    core.shelf.error = None
    await asyncio.sleep(20)
    assert (core.shelf.records[KEY] is not None) is back
    await core.keeper.close()


async def test_a_write_of_an_account_that_failed_is_not_repeated_when_it_was_removed(core: Core) -> None:
    core.shelf.takes, core.shelf.error = 1, OSError("disk full")
    proxy = core.add()
    core.change(proxy)
    await asyncio.sleep(0.5)
    core.drop(proxy)
    await asyncio.sleep(1)
    core.shelf.takes, core.shelf.error = 0, None
    await asyncio.sleep(20)
    assert core.shelf.records == {KEY: None}
    await core.keeper.close()


# The end


async def test_the_store_is_opened_and_closed(core: Core) -> None:
    await core.keeper.open()
    assert core.shelf.opened == 1
    await core.keeper.close()
    assert core.shelf.opened == 0


async def test_REG_5_at_the_end_no_numbers_are_reserved_any_more(core: Core) -> None:
    proxy = core.add()
    core.change(proxy)
    await asyncio.sleep(1)
    assert core.shelf.records[KEY] is not None
    await core.keeper.close()
    last = core.shelf.records[KEY]
    assert last is not None
    assert last.cseq == 1


async def test_the_end_waits_for_a_write_and_for_what_came_after_it(core: Core) -> None:
    core.shelf.takes = 1
    proxy = core.add()
    core.change(proxy)
    await asyncio.sleep(0.5)
    core.change(proxy)
    await core.keeper.close()
    last = core.shelf.records[KEY]
    assert last is not None
    assert last.cseq == 2
    assert core.shelf.opened == -1


async def test_the_end_does_not_wait_for_the_moment_that_others_gather(core: Core) -> None:
    core.change(core.add())
    await asyncio.sleep(0)
    await core.keeper.close()
    assert now() == 0
    assert core.written == [[KEY]]


async def test_the_end_does_not_wait_for_a_store_that_fails(core: Core, caplog: pytest.LogCaptureFixture) -> None:
    core.shelf.error = OSError("disk full")
    core.change(core.add())
    await asyncio.sleep(1)
    assert len(problems(caplog)) == 1
    await core.keeper.close()
    assert now() == 1
    assert core.shelf.opened == -1


async def test_nor_for_a_slow_one_without_end(core: Core, caplog: pytest.LogCaptureFixture) -> None:
    core.shelf.takes = 1000
    core.change(core.add())
    await core.keeper.close()
    assert now() == 10
    assert core.shelf.opened == -1
    assert len(problems(caplog)) == 1


async def test_SEC_39_the_secret_is_not_in_it(core: Core) -> None:
    core.change(core.add(TOTO.replace(auth=AuthInfo("toto", password="pLanTed"))))
    await core.keeper.close()
    assert "pLanTed" not in repr(core.shelf.records)
