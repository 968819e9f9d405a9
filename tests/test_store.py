"""aiosipreg/store.py: what is written is there again, whatever happened to the process or to the file."""

# ruff: noqa: ASYNC240 - files are what this is about

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import shutil
import signal
import sqlite3
import stat
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg import ConfigError, FileStore
from aiosipreg.engine.memory import Memory
from aiosipreg.engine.realm import Nonce
from aiosipreg.engine.repairs import Concessions
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.wire import Challenge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

CHALLENGE = 'Digest realm="k\\"öln", nonce="n", opaque="", algorithm=SHA-256, qop="auth,auth-int", userhash=true'
FULL = Memory(
    place=("sip:toto@sip.titi.com", "sip:edge.titi.com:5070;transport=tcp", "sip:proxy.titi.com;lr"),
    instance_id="urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    call_id="0123456789abcdef01234567",
    cseq=4711,
    contacts=("<sip:toto@192.0.2.1:5060>", '<sip:toto@192.0.2.2:5060;x=\udce4>;+sip.instance="<urn:uuid:1>"'),
    expires_at=1234.5,
    target=Target("2001:db8::1", 5061, Transport.TLS, "sip.titi.com"),
    backup="sip:backup.titi.com",
    public=("203.0.113.5", 1024),
    nonces=(
        Nonce("titi.com", Challenge.parse(CHALLENGE), 7, (2, 1)),
        Nonce("titi.com", Challenge.parse('Digest realm="p", nonce="m"', "Proxy-Authenticate"), 1),
    ),
    concessions=Concessions(300, frozenset({"path", "gruu"}), ("outbound",), bare=True, without_push=True),
)


def memory(number: int) -> Memory:
    return Memory(call_id=f"call{number}", cseq=number, contacts=(f"<sip:toto@192.0.2.1:{number}>",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[FileStore]:
    """An open one."""
    store = FileStore(path)
    await store.open()
    yield store
    await store.close()


async def read(path: Path, keys: Iterable[str]) -> dict[str, Memory | None]:
    """What the file has under these keys."""
    store = FileStore(path)
    await store.open()
    try:
        return {key: store.load(key) for key in keys}
    finally:
        await store.close()


async def write(path: Path, changes: Mapping[str, Memory | None]) -> None:
    store = FileStore(path)
    await store.open()
    await store.save(changes)
    await store.close()


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The wall clock, as the test sets it; the loop's own clock is virtual."""
    clocks = {"wall": 1_000_000.0}
    monkeypatch.setattr("aiosipreg.store.time.time", lambda: clocks["wall"])
    return clocks


# What is written is there again


@pytest.mark.virtual_clock
@pytest.mark.parametrize("kept", [FULL, Memory(), memory(3)])
async def test_a_record_comes_back_as_it_was(path: Path, clocks: dict[str, float], kept: Memory) -> None:
    await write(path, {"a": kept, "b": memory(2)})
    assert await read(path, "abc") == {"a": kept, "b": memory(2), "c": None}


async def test_records_are_replaced_and_deleted(path: Path) -> None:
    await write(path, {"a": memory(1), "b": memory(2), "c": memory(3)})
    await write(path, {"a": memory(4), "b": None, "never there": None})
    assert await read(path, "abc") == {"a": memory(4), "b": None, "c": memory(3)}


async def test_a_record_is_taken_once(path: Path) -> None:
    await write(path, {"a": memory(1)})
    store = FileStore(path)
    await store.open()
    assert store.load("a") == memory(1)
    assert store.load("a") is None
    await store.close()
    assert store.load("a") is None


@pytest.mark.virtual_clock
async def test_SEC_37_a_time_of_the_loop_is_a_time_of_the_calendar_in_the_file(
    path: Path, clocks: dict[str, float]
) -> None:
    await write(path, {"a": Memory(expires_at=500.0)})
    await asyncio.sleep(50)
    clocks["wall"] += 200
    assert (await read(path, "a"))["a"] == Memory(expires_at=350.0)


async def test_SEC_39_only_the_owner_may_read_it(tmp_path: Path) -> None:
    files = [tmp_path / "new.db", tmp_path / "old.db"]
    files[1].touch(mode=0o666)
    before = os.umask(0)
    try:
        for file in files:
            store = FileStore(file)
            await store.open()
            await store.save({"a": memory(1)})
            rights = {name.name: stat.S_IMODE(name.stat().st_mode) for name in tmp_path.glob(f"{file.name}*")}
            assert rights == {file.name: 0o600, f"{file.name}-wal": 0o600}
            await store.close()
            assert [name.name for name in tmp_path.glob(f"{file.name}*")] == [file.name]
    finally:
        os.umask(before)


def test_it_tells_its_path() -> None:
    assert repr(FileStore("accounts.db")) == "FileStore('accounts.db')"


# Who may open it


async def test_one_at_a_time(path: Path, store: FileStore) -> None:
    for other in (FileStore(path), store):
        with pytest.raises(ConfigError, match="a file that no other program and no other core has open"):
            await other.open()
    await store.save({"a": memory(1)})
    await store.close()
    assert await read(path, "a") == {"a": memory(1)}


async def test_a_refused_one_may_be_opened_later(path: Path, store: FileStore) -> None:
    other = FileStore(path)
    with pytest.raises(ConfigError):
        await other.open()
    await store.close()
    await other.open()
    await other.close()


async def test_an_open_that_is_cancelled_leaves_nothing_locked(path: Path) -> None:
    store = FileStore(path)
    opening = asyncio.create_task(store.open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await store.open()
    await store.close()


async def test_a_closed_one_writes_nothing(path: Path, store: FileStore) -> None:
    await store.close()
    await store.close()
    with pytest.raises(OSError, match="is not open"):
        await store.save({"a": memory(1)})


async def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await FileStore(tmp_path / "none" / "accounts.db").open()
    with pytest.raises(OSError, match="is not a file"):
        await FileStore(tmp_path).open()
    assert stat.S_IMODE(tmp_path.stat().st_mode) & 0o100, "its rights are left alone"
    (tmp_path / "a.db-wal").mkdir()
    with pytest.raises(OSError, match=r"a\.db: (disk I/O error|unable to open)"):
        await FileStore(tmp_path / "a.db").open()


async def test_a_full_disk_changes_nothing_and_may_have_room_later(path: Path, store: FileStore) -> None:
    async def limit(pages: int) -> None:
        database = store._database
        assert database is not None
        await store._do(lambda: database.execute(f"PRAGMA max_page_count = {pages}").fetchall())

    await store.save({"a": memory(1)})
    await limit(1)
    many: dict[str, Memory | None] = {f"b{number}": FULL for number in range(100)}
    with pytest.raises(OSError, match="full"):
        await store.save({"a": memory(2), **many})
    await limit(2**30)
    await store.save({"c": memory(3)})
    await store.close()
    assert await read(path, ("a", "b1", "c")) == {"a": memory(1), "b1": None, "c": memory(3)}


async def test_a_write_that_fails_half_way_changes_nothing(path: Path, store: FileStore) -> None:
    database = store._database
    assert database is not None
    await store.save({"a": memory(1)})
    await store._do(lambda: database.execute("CREATE TRIGGER t BEFORE INSERT ON account BEGIN SELECT abs(x.y); END"))
    with pytest.raises(OSError, match="no such column"):
        await store.save({"a": None, "b": memory(2)})
    await store._do(lambda: database.execute("DROP TRIGGER t"))
    await store.save({"c": memory(3)})
    await store.close()
    assert await read(path, "abc") == {"a": memory(1), "b": None, "c": memory(3)}


# What happens to a process

WRITER = """
import asyncio, sys
from aiosipreg import FileStore
from aiosipreg.engine.memory import Memory

async def main():
    store = FileStore(sys.argv[1])
    await store.open()
    for number in range(int(sys.argv[2]), 10**9):
        await store.save({f"{key}": Memory(cseq=number, call_id="c" * 500) for key in range(20)})
        print(number, flush=True)

asyncio.run(main())
"""


async def test_kill_9_in_the_middle_of_writes_loses_nothing_that_was_written(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(1)
    done = 0
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(path), str(done + 1), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        done = int(await process.stdout.readline())
        with pytest.raises(ConfigError, match="no other program"):
            await FileStore(path).open()
        await asyncio.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        output, _ = await process.communicate()
        done = max([done, *map(int, output.split())])
        found = await read(path, map(str, range(20)))
        numbers = {kept.cseq for kept in found.values() if kept is not None}
        # All records of one write or none of them; and the write after the last that was confirmed may be there too.
        assert len(numbers) == 1
        assert numbers <= {done, done + 1}
        done = max(numbers)
    assert caplog.records == []


async def test_an_end_at_any_octet_leaves_the_state_after_some_write(
    path: Path, tmp_path: Path, store: FileStore, caplog: pytest.LogCaptureFixture
) -> None:
    states: list[dict[str, Memory | None]] = [dict.fromkeys("ab")]
    for number in range(8):
        states.append({"a": memory(number), "b": memory(number)})
        await store.save(states[-1])
    log = Path(f"{path}-wal").read_bytes()
    chance, reached = random.Random(2), []
    for cut in sorted([*(chance.randrange(len(log)) for _ in range(20)), len(log)]):
        copy = tmp_path / f"cut{cut}.db"
        shutil.copy(path, copy)
        Path(f"{copy}-wal").write_bytes(log[:cut])
        reached.append(states.index(await read(copy, "ab")))
    assert reached == sorted(reached)
    assert reached[-1] == len(states) - 1
    assert len(set(reached)) > 3
    assert caplog.records == []


# What happens to a file


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert {record.levelno for record in caplog.records} <= {logging.WARNING}
    messages = [record.getMessage() for record in caplog.records if record.name == "aiosipreg.store"]
    caplog.clear()
    return messages


def make_foreign(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE account (whatever)")
    database.close()


def make_other_version(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 2")
    database.close()


def change_a_record(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE account SET record = replace(record, '\"cseq\":1', '\"cseq\":0')")
    database.close()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "file is not a database": lambda path: path.write_bytes(b"{}" * 5000),
    "it was not written by this package": make_foreign,
    "it is of version 2, this package reads version 1": make_other_version,
    "a record is not what was written": change_a_record,
    "malformed": lambda path: os.truncate(path, 4096),
}


@pytest.mark.parametrize("why", DAMAGES)
async def test_a_file_that_cannot_be_used_is_set_aside(why: str, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    if why != "it was not written by this package":
        await write(path, {"a": memory(1)})
    DAMAGES[why](path)
    damaged = path.read_bytes()
    path.with_name("accounts.db.corrupt-1").touch()
    assert await read(path, "a") == {"a": None}
    [message] = warned(caplog)
    assert why in message
    assert f"It was renamed to {path}.corrupt-2" in message
    assert "Nothing has to be done" in message
    assert path.with_name("accounts.db.corrupt-2").read_bytes() == damaged
    # And the new one works.
    await write(path, {"a": memory(2)})
    assert await read(path, "a") == {"a": memory(2)}
    assert warned(caplog) == []


async def test_what_lies_beside_the_file_goes_along(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"x" * 5000)
    Path(f"{path}-shm").write_bytes(b"y")
    assert await read(path, "a") == {"a": None}
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "accounts.db", "accounts.db.corrupt-1", "accounts.db.corrupt-1-shm",
    ]  # fmt: skip


async def test_damage_anywhere_never_raises_and_never_gives_what_was_not_written(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole: dict[str, Memory | None] = {f"key{number}": memory(number) for number in range(40)}
    await write(path, whole)
    sound, chance, outcomes = path.read_bytes(), random.Random(3), set()
    for number in range(24):
        damaged = bytearray(sound)
        if number % 3 == 0:
            del damaged[chance.randrange(1, len(damaged)) :]
        else:
            for _ in range(chance.choice((1, 1, 16))):
                damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        copy = tmp_path / f"damaged{number}.db"
        copy.write_bytes(damaged)
        found = await read(copy, whole)
        aside = bool(warned(caplog))
        outcomes.add(aside)
        assert found == (dict.fromkeys(whole) if aside else whole)
        assert aside is Path(f"{copy}.corrupt-1").exists()
    assert outcomes == {True, False}


@pytest.mark.parametrize("text", ["[]", "{}", "nonsense", json.dumps({"place": 1})])
async def test_a_record_of_which_nothing_can_be_made(text: str, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await write(path, {"a": memory(1), "b": memory(2)})
    with sqlite3.connect(path) as database:
        crc = zlib.crc32(text.encode(), zlib.crc32(b"a"))
        database.execute("UPDATE account SET record = ?, crc = ? WHERE key = 'a'", (text, crc))
    database.close()
    assert await read(path, "ab") == {"a": None, "b": memory(2)}
    [message] = warned(caplog)
    assert "what is kept of account a cannot be used" in message


async def test_the_loop_goes_on_while_a_write_takes_its_time(store: FileStore) -> None:
    turns: list[Any] = []
    entered, leave = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow() -> None:
        loop.call_soon_threadsafe(entered.set)
        asyncio.run_coroutine_threadsafe(leave.wait(), loop).result(10)

    blocked = asyncio.ensure_future(store._do(slow))
    await entered.wait()
    saved = asyncio.create_task(store.save({"a": memory(1)}))
    await asyncio.sleep(0)
    turns.append(saved.done())
    leave.set()
    await asyncio.gather(blocked, saved)
    assert turns == [False]
