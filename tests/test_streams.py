"""aiosipreg/streams.py: one event to many readers."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg import RegistrationState
from aiosipreg.streams import Broadcast
from aiosipreg.testing import run
from tests.events import Account, event

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiosipreg import RegistrationEvent


@pytest.fixture
def broadcast() -> Broadcast:
    return Broadcast()


def numbered(*numbers: int, account: Account | None = None) -> list[RegistrationEvent]:
    return [event(at=float(number), account=account) for number in numbers]


async def rest(stream: AsyncGenerator[RegistrationEvent, None]) -> list[float]:
    return [told.at async for told in stream]


async def test_a_subscription_counts_from_the_call_on(broadcast: Broadcast) -> None:
    stream = broadcast.subscribe([], 10)
    made: object = stream
    assert inspect.isasyncgen(made)
    for told in numbered(1, 2):
        broadcast.publish(told)
    broadcast.close()
    assert await rest(stream) == [1, 2]


async def test_the_newest_come_first(broadcast: Broadcast) -> None:
    stream = broadcast.subscribe(numbered(1, 2), 10)
    broadcast.publish(*numbered(3))
    broadcast.close()
    assert await rest(stream) == [1, 2, 3]


async def test_a_reader_that_waits_gets_an_event_when_it_comes(broadcast: Broadcast) -> None:
    stream = broadcast.subscribe([], 10)
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    broadcast.publish(*numbered(1))
    broadcast.publish(*numbered(2))
    assert (await waiting).at == 1
    broadcast.close()
    assert await rest(stream) == [2]


async def test_closing_ends_readers_that_wait(broadcast: Broadcast) -> None:
    stream = broadcast.subscribe([], 10)
    waiting = asyncio.create_task(rest(stream))
    await asyncio.sleep(0)
    broadcast.close()
    assert await waiting == []


async def test_a_stream_of_a_closed_broadcast_ends_after_the_newest(broadcast: Broadcast) -> None:
    broadcast.close()
    assert await rest(broadcast.subscribe(numbered(1), 10)) == [1]
    broadcast.publish(*numbered(2))
    assert await rest(broadcast.subscribe([], 10)) == []


async def test_every_reader_gets_everything(broadcast: Broadcast) -> None:
    streams = [broadcast.subscribe([], 10) for _ in range(3)]
    for told in numbered(1, 2, 3):
        broadcast.publish(told)
    broadcast.close()
    assert [await rest(stream) for stream in streams] == [[1, 2, 3]] * 3


async def test_a_stream_that_is_dropped_before_it_began_is_forgotten(broadcast: Broadcast) -> None:
    stream = broadcast.subscribe([], 10)
    assert len(broadcast.readers) == 1
    del stream
    gc.collect()
    assert len(broadcast.readers) == 0


async def test_a_stream_is_forgotten_when_it_is_closed_after_break(broadcast: Broadcast) -> None:
    broadcast.publish(*numbered(0))
    async with aclosing(broadcast.subscribe(numbered(1, 2), 10)) as stream:
        async for told in stream:
            assert told.at == 1
            break
    del stream
    assert len(broadcast.readers) == 0


async def test_a_stream_without_aclosing_is_forgotten_too_in_the_end(broadcast: Broadcast) -> None:
    async for _ in broadcast.subscribe(numbered(1, 2), 10):
        break
    gc.collect()
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    assert len(broadcast.readers) == 0


async def test_a_cancelled_read_ends_the_stream_and_harms_no_other(broadcast: Broadcast) -> None:
    stream, other = broadcast.subscribe([], 10), broadcast.subscribe([], 10)
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    broadcast.publish(*numbered(1))
    assert (await anext(other)).at == 1
    await other.aclose()


async def test_a_reader_may_fall_behind_by_its_buffer(broadcast: Broadcast) -> None:
    account = Account()
    stream = broadcast.subscribe([], 3)
    for told in numbered(1, 2, 3, account=account):
        broadcast.publish(told)
    broadcast.close()
    read = [told async for told in stream]
    assert [told.at for told in read] == [1, 2, 3]
    assert [told.missed for told in read] == [0, 0, 0]


async def test_what_a_reader_missed_is_folded_and_counted(broadcast: Broadcast) -> None:
    one, other = Account("sip:one@titi.com"), Account("sip:other@titi.com")
    stream = broadcast.subscribe([], 3)
    for number, account in zip(range(8), itertools.cycle([one, one, one, other]), strict=False):
        broadcast.publish(event(at=float(number), account=account))
    read = [await anext(stream), await anext(stream)]
    assert [(told.identity, told.at) for told in read] == [(one.identity, 6.0), (other.identity, 7.0)]
    assert sum(told.missed for told in read) == 6
    # Having caught up it loses nothing any more.
    for told in numbered(8, 9, account=one):
        broadcast.publish(told)
    broadcast.close()
    assert [(told.at, told.missed) async for told in stream] == [(8, 0), (9, 0)]


async def test_more_accounts_than_the_buffer_holds_are_all_there(broadcast: Broadcast) -> None:
    accounts = [Account(f"sip:{number}@titi.com") for number in range(10)]
    stream = broadcast.subscribe([event(account=account) for account in accounts], 1)
    broadcast.close()
    read = [told async for told in stream]
    assert [told.identity for told in read] == [account.identity for account in accounts]
    assert sum(told.missed for told in read) == 0


@pytest.mark.parametrize("buffer", [0, -1])
async def test_a_buffer_holds_one_event_at_least(broadcast: Broadcast, buffer: int) -> None:
    stream = broadcast.subscribe(numbered(1), buffer)
    broadcast.close()
    assert await rest(stream) == [1]


async def test_the_memory_of_a_reader_that_never_reads_is_bounded(broadcast: Broadcast) -> None:
    accounts = [Account(f"sip:{number}@titi.com") for number in range(5)]
    stream = broadcast.subscribe([], 16)
    for number, account in zip(range(10_000), itertools.cycle(accounts), strict=False):
        broadcast.publish(event(at=float(number), account=account))
    (reader,) = broadcast._there()
    assert len(reader._queue) + len(reader._folded) <= 16
    broadcast.close()
    read = [told async for told in stream]
    assert sorted(told.at for told in read) == [9995, 9996, 9997, 9998, 9999]
    assert sum(told.missed for told in read) + len(read) == 10_000


STEPS = st.lists(st.one_of(st.integers(0, 3), st.just("read")), max_size=60)


@given(steps=STEPS, buffer=st.integers(1, 6))
def test_nothing_is_lost_without_being_counted_and_no_final_state_at_all(steps: list[int | str], buffer: int) -> None:
    """Whatever the pace: order per account is kept, the sum adds up, the last event of each account arrives."""

    async def main() -> None:
        broadcast = Broadcast()
        accounts = [Account(f"sip:{number}@titi.com") for number in range(4)]
        last: dict[str, float] = {}
        read: list[RegistrationEvent] = []
        stream = broadcast.subscribe([], buffer)
        published = 0
        for step in steps:
            if isinstance(step, int):
                published += 1
                last[accounts[step].identity] = published
                broadcast.publish(event(RegistrationState.OK, at=float(published), account=accounts[step]))
            elif published > len(read) + sum(told.missed for told in read):
                read.append(await anext(stream))
        broadcast.close()
        read += [told async for told in stream]
        assert len(read) + sum(told.missed for told in read) == published
        seen: dict[str, float] = {}
        for told in read:
            assert told.at > seen.get(told.identity, 0)
            seen[told.identity] = told.at
        assert seen == last

    run(main())
