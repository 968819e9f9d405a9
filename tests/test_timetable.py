"""aiosipreg/timetable.py: one timer for all accounts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.testing import run
from aiosipreg.timetable import Timetable

if TYPE_CHECKING:
    from collections.abc import Callable


class Named:
    """Has itself called."""

    def __init__(self, name: str, called: Callable[[str], object]) -> None:
        self.name = name
        self.called = called
        self.wanted_at: float | None = None
        self.entry: Any = None

    def due(self) -> None:
        self.called(self.name)


class Calls:
    """A timetable of names, and who was called when."""

    def __init__(self, then: Callable[[str], None] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.seen: list[tuple[str, float]] = []
        self.then = then
        self.table = Timetable(self.loop)
        self.items: dict[str, Named] = {}

    def set(self, name: str, at: float | None) -> None:
        item = self.items.setdefault(name, Named(name, self.due))
        self.table.set(item, at)
        assert item.wanted_at == at

    def due(self, name: str) -> None:
        self.seen.append((name, self.loop.time()))
        if self.then is not None:
            self.then(name)


pytestmark = pytest.mark.virtual_clock()


async def test_each_is_called_once_when_its_time_has_come() -> None:
    calls = Calls()
    for name, at in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("b2", 2.0)):
        calls.set(name, at)
    await asyncio.sleep(10)
    assert calls.seen == [("a", 1.0), ("b", 2.0), ("b2", 2.0), ("c", 3.0)]


async def test_a_new_wish_replaces_the_earlier_one() -> None:
    calls = Calls()
    calls.set("later", 1.0)
    calls.set("later", 5.0)
    calls.set("sooner", 5.0)
    calls.set("sooner", 2.0)
    calls.set("never", 1.0)
    calls.set("never", None)
    calls.set("there and back", 4.0)
    calls.set("there and back", 2.5)
    calls.set("there and back", 3.0)
    await asyncio.sleep(10)
    assert calls.seen == [("sooner", 2.0), ("there and back", 3.0), ("later", 5.0)]


async def test_none_for_somebody_unknown_is_no_error() -> None:
    calls = Calls()
    calls.set("nobody", None)
    await asyncio.sleep(10)
    assert calls.seen == []


async def test_a_time_that_has_passed_is_called_in_the_next_turn() -> None:
    calls = Calls()
    await asyncio.sleep(5)
    calls.set("a", 1.0)
    assert calls.seen == []
    await asyncio.sleep(0.001)
    assert calls.seen == [("a", 5.0)]


def test_what_is_due_at_once_is_called_on_uvloop_too() -> None:
    async def main() -> None:
        called = asyncio.Event()
        calls = Calls(lambda name: called.set() if len(calls.seen) == 3 else None)
        now = calls.loop.time()
        calls.set("now", now)
        calls.set("soon", now + 0.0001)
        calls.set("before", now - 1)
        await called.wait()
        assert sorted(name for name, _ in calls.seen) == ["before", "now", "soon"]
        calls.table.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


class Counting:
    """A loop that counts what it is asked to call."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.calls = 0
        self.time = loop.time

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.Handle:
        self.calls += 1
        return self._loop.call_at(when, callback)


@pytest.mark.parametrize("delay", [0.0002, 0.0012, 0.0104, 0.0106])
def test_a_clock_of_milliseconds_is_not_asked_in_between(delay: float) -> None:
    async def main() -> None:
        loop: Any = Counting(asyncio.get_running_loop())
        called = asyncio.Event()
        table = Timetable(loop)
        at = loop.time() + delay
        table.set(Named("a", lambda _: called.set()), at)
        await called.wait()
        assert loop.time() >= at
        assert loop.calls <= 3
        table.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def test_whoever_is_called_may_wish_again() -> None:
    calls = Calls(lambda name: calls.set(name, calls.loop.time() + 10) if len(calls.seen) < 3 else None)
    calls.set("a", 1.0)
    await asyncio.sleep(100)
    assert calls.seen == [("a", 1.0), ("a", 11.0), ("a", 21.0)]


async def test_whoever_is_called_may_change_the_others_of_this_turn() -> None:
    def then(name: str) -> None:
        if name == "a":
            calls.set("b", None)
            calls.set("c", 2.0)
            calls.set("d", 0.5)

    calls = Calls(then)
    for name in "abcd":
        calls.set(name, 1.0)
    await asyncio.sleep(10)
    assert calls.seen == [("a", 1.0), ("d", 1.0), ("c", 2.0)]


async def test_whoever_is_always_due_stops_neither_the_loop_nor_the_others() -> None:
    def then(name: str) -> None:
        if name == "restless" and len(calls.seen) < 1000:
            calls.set(name, 0.0)

    calls = Calls(then)
    calls.set("restless", 0.0)
    calls.set("other", 0.0)
    for _ in range(5):
        await asyncio.sleep(0)
    assert 2 <= len(calls.seen) < 10
    assert ("other", 0.0) in calls.seen
    await asyncio.sleep(1)
    assert len(calls.seen) == 1000


async def test_ROB_8_an_error_of_one_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def then(name: str) -> None:
        if name == "bad":
            raise RuntimeError("boom")

    calls = Calls(then)
    for name, at in (("bad", 1.0), ("same turn", 1.0), ("later", 2.0)):
        calls.set(name, at)
    await asyncio.sleep(10)
    assert calls.seen == [("bad", 1.0), ("same turn", 1.0), ("later", 2.0)]
    assert "boom" in caplog.text


async def test_a_closed_timetable_calls_nobody() -> None:
    calls = Calls()
    calls.table.close()
    calls.set("a", 1.0)
    calls.set("b", 2.0)
    calls.table.close()
    calls.table.close()
    await asyncio.sleep(10)
    assert calls.seen == []


async def test_one_handle_of_the_loop_serves_all() -> None:
    calls = Calls()
    for number in range(1000):
        calls.set(str(number), 1000.0 - number)
    scheduled: list[asyncio.TimerHandle] = calls.loop._scheduled  # type: ignore[attr-defined]
    assert len([handle for handle in scheduled if not handle.cancelled()]) == 1
    calls.table.close()


async def test_a_deadline_that_moves_for_ever_takes_no_room() -> None:
    calls = Calls()
    for number in range(1000):
        calls.set("a", 1.0 + number)
    assert len(calls.table._heap) == 1
    calls.table.close()


async def test_what_counts_no_more_is_let_go() -> None:
    calls = Calls()
    for number in range(10_000):
        calls.set(str(number), 3600.0)
        calls.set(str(number), None)
    assert len(calls.table._heap) < 100
    for number in range(10_000):
        calls.set("restless", 3600.0 - number / 10)
        calls.set("restless", None)
        calls.set("restless", 3600.0 + number)
    assert len(calls.table._heap) < 100
    calls.set("a", 1.0)
    await asyncio.sleep(100_000)
    assert calls.seen == [("a", 1.0), ("restless", 3600.0 + 9999)]


WISHES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.one_of(st.none(), st.integers(0, 20)), st.integers(0, 3)), max_size=40
)


@given(wishes=WISHES)
def test_the_newest_wish_is_kept_whatever_went_before(wishes: list[tuple[str, int | None, int]]) -> None:
    """Against the plainest model: at each step who is due is called, everybody else waits."""

    async def main() -> None:
        calls = Calls()
        wanted: dict[str, float] = {}
        expected: list[tuple[str, float]] = []

        def pass_until(end: float) -> None:
            for name, at in sorted(wanted.items()):
                if at <= end:
                    expected.append((name, at))
                    del wanted[name]

        for name, delay, pause in wishes:
            now = calls.loop.time()
            calls.set(name, None if delay is None else now + delay)
            wanted.pop(name, None)
            if delay is not None:
                wanted[name] = now + delay
            # Half a second off the grid, so that nobody is due at the moment when somebody wishes.
            await asyncio.sleep(pause + 0.5)
            pass_until(calls.loop.time())
        await asyncio.sleep(100)
        pass_until(calls.loop.time())
        assert sorted(calls.seen, key=in_time) == sorted(expected, key=in_time)

    run(main())


def in_time(call: tuple[str, float]) -> tuple[Any, ...]:
    return call[1], call[0]
