"""Where accounts are kept from one run of a program to the next: a file (floor 3)."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from aiosipreg.engine.memory import Memory
from aiosipreg.engine.realm import Nonce
from aiosipreg.engine.repairs import Concessions
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.errors import ConfigError
from aiosipreg.wire import Challenge

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

__all__ = ["FileStore", "Store"]

logger = logging.getLogger("aiosipreg.store")

Result = TypeVar("Result")

_VERSION: Final = 1
_APPLICATION: Final = 0x73697072  # "sipr": the file is ours and not somebody else's database

# Primary result codes of SQLite (https://www.sqlite.org/rescode.html) that say nothing of what is in the file.
_IN_USE: Final = (5, 6)  # BUSY, LOCKED
_NO_ACCESS: Final = (3, 7, 8, 10, 13, 14, 23)  # PERM, NOMEM, READONLY, IOERR, FULL, CANTOPEN, AUTH
_SHORT_READ: Final = 522  # an I/O error that is a file cut short


class Store(Protocol):
    """What a core keeps its accounts in. Times are those of the event loop."""

    async def open(self) -> None:
        """Make it ready; raises `ConfigError` or `OSError` when that is not possible."""

    def load(self, key: str) -> Memory | None:
        """Take what was kept under a key before `open`, ``None`` if there was nothing; a second call finds nothing."""
        ...

    async def save(self, changes: Mapping[str, Memory | None]) -> None:
        """Write records, and delete those that are ``None``: all of them or none, and for good; raises `OSError`."""

    async def close(self) -> None:
        """Let go of it."""


class _DamagedError(Exception):
    """The file is not what was written."""


class FileStore:
    """Keeps accounts in a file, so that a program that starts again goes on with the bindings that it had.

    Give it to a core: ``Core(store=FileStore("accounts.db"))``. Of each account it has the instance-id, Call-ID and
    CSeq, the Contacts that the registrar may hold and until when, where they were registered, nonces with their counts,
    and what the registrar wants otherwise than the settings. Never a password, a HA1, or anything made from one.

    The file is an SQLite database that only its owner may read; while it is in use there is a second one beside it with
    ``-wal`` at the end of its name. Writes are made by a thread, many accounts at a time, and survive the end of the
    process and of the machine at any moment. A file that is damaged or of another version is renamed to
    ``<path>.corrupt-<n>``, with a warning in the log ``aiosipreg.store``.

    Args:
        path: The file, made when it is not there; its directory must exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._records: dict[str, bytes] = {}
        self._thread: ThreadPoolExecutor | None = None
        self._database: sqlite3.Connection | None = None

    def __repr__(self) -> str:
        return f"FileStore({str(self._path)!r})"

    async def open(self) -> None:
        """Open the file (called by the core).

        Raises:
            ConfigError: Another program, or another core of this one, has it open.
            OSError: It cannot be opened or written.
        """
        if self._thread is not None:
            raise self._in_use()
        self._thread = ThreadPoolExecutor(1, "aiosipreg-store")
        try:
            self._records = await self._do(self._open)
        except BaseException:
            await self.close()
            raise

    def load(self, key: str) -> Memory | None:
        """Take what was kept under a key when the file was opened (called by the core)."""
        record = self._records.pop(key, None)
        if record is None:
            return None
        try:
            return _decoded(record, _offset())
        except (KeyError, TypeError, ValueError) as error:
            logger.warning("%s: what is kept of account %s cannot be used (%r); it begins anew", self._path, key, error)
            return None

    async def save(self, changes: Mapping[str, Memory | None]) -> None:
        """Write records, and delete those that are ``None`` (called by the core).

        Raises:
            OSError: It was not possible, because the disk is full for instance; nothing was changed.
        """
        offset = _offset()
        await self._do(lambda: self._write(changes, offset))

    async def close(self) -> None:
        """Close the file (called by the core)."""
        thread, self._thread = self._thread, None
        self._records = {}
        if thread is not None:
            try:
                await asyncio.get_running_loop().run_in_executor(thread, self._shut)
            finally:
                thread.shutdown(wait=False)

    async def _do(self, work: Callable[[], Result]) -> Result:
        if self._thread is None:
            raise OSError(f"{self._path} is not open")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # What the thread does.

    def _open(self) -> dict[str, bytes]:
        try:
            return self._read()
        except _DamagedError as error:
            self._shut()
            aside = self._set_aside()
            logger.warning(
                "%s cannot be used (%s). It was renamed to %s and a new file was begun: every account registers anew, "
                "and what it had registered before runs out by itself. Nothing has to be done; the old file may be "
                "deleted.",
                self._path, error, aside,
            )  # fmt: skip
            return self._read()

    def _read(self) -> dict[str, bytes]:
        import sqlite3  # here, because not every Python is built with it and not everybody keeps a file

        self._make_private()
        try:
            self._database = database = sqlite3.connect(self._path, timeout=0, isolation_level=None)
            database.text_factory = bytes
            for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "locking_mode = EXCLUSIVE"):
                database.execute(f"PRAGMA {pragma}")
            # From here to the end nobody else gets in.
            database.execute("BEGIN IMMEDIATE")
            _identify(database)
            database.execute("COMMIT")
            for pragma in ("journal_mode = WAL", "synchronous = FULL"):
                database.execute(f"PRAGMA {pragma}")
            return _checked(database)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._judged(error) from error

    def _make_private(self) -> None:
        """Only the owner may read it (SEC-39); SQLite gives its second file the rights of the first one."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            # Not opened and closed: POSIX would take that for the end of a lock which this process may have on it.
            mode = self._path.stat().st_mode
            if not stat.S_ISREG(mode):
                raise OSError(f"{self._path} is not a file") from None
            if mode & 0o077:
                self._path.chmod(0o600)

    def _judged(self, error: Exception) -> Exception:
        """What an error of SQLite means for whoever opens the file."""
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF in _IN_USE:
            return self._in_use()
        if code & 0xFF in _NO_ACCESS and code != _SHORT_READ:
            return OSError(f"{self._path}: {error}")
        return _DamagedError(str(error))

    def _in_use(self) -> ConfigError:
        return ConfigError("store", str(self._path), "a file that no other program and no other core has open")

    def _set_aside(self) -> Path:
        number = 1
        while os.path.lexists(aside := self._path.with_name(f"{self._path.name}.corrupt-{number}")):
            number += 1
        for suffix in ("-wal", "-shm", "-journal", ""):
            beside = Path(f"{self._path}{suffix}")
            if beside.exists():
                beside.rename(f"{aside}{suffix}")
        return aside

    def _write(self, changes: Mapping[str, Memory | None], offset: float) -> None:
        import sqlite3

        database = self._database
        assert database is not None  # noqa: S101
        gone = [(key,) for key, memory in changes.items() if memory is None]
        kept = [(key, _encoded(memory, offset)) for key, memory in changes.items() if memory is not None]
        try:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("DELETE FROM account WHERE key = ?", gone)
            database.executemany(
                "INSERT INTO account VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET record = excluded.record, crc = excluded.crc",
                [(key, record, _crc(key.encode(), record.encode())) for key, record in kept],
            )
            database.execute("COMMIT")
        except sqlite3.Error as error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise OSError(f"{self._path}: {error}") from error

    def _shut(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()


def _identify(database: sqlite3.Connection) -> None:
    """Make sure that the file is one of ours; a new one becomes one."""
    (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if (tables, application, version) == (0, 0, 0):
        database.execute("CREATE TABLE account (key TEXT PRIMARY KEY, record TEXT, crc INTEGER)")
        database.execute(f"PRAGMA application_id = {_APPLICATION}")
        database.execute(f"PRAGMA user_version = {_VERSION}")
    elif application != _APPLICATION:
        raise _DamagedError("it was not written by this package")
    elif version != _VERSION:
        raise _DamagedError(f"it is of version {version}, this package reads version {_VERSION}")


def _checked(database: sqlite3.Connection) -> dict[str, bytes]:
    """All records, of a file that is sound."""
    [[found]] = database.execute("PRAGMA integrity_check(1)").fetchall()
    if found != b"ok":
        raise _DamagedError(found.decode("utf-8", "replace"))
    records = {}
    for key, record, crc in database.execute("SELECT key, record, crc FROM account"):
        # SQLite notices a page that cannot be right, but not a digit that was another one.
        if not (isinstance(key, bytes) and isinstance(record, bytes) and crc == _crc(key, record)):
            raise _DamagedError("a record is not what was written")
        records[key.decode()] = record
    return records


def _crc(key: bytes, record: bytes) -> int:
    return zlib.crc32(record, zlib.crc32(key))


def _offset() -> float:
    """How far the wall clock is ahead of the loop's: only in the file are times those of the calendar."""
    return time.time() - asyncio.get_running_loop().time()


def _encoded(memory: Memory, offset: float) -> str:
    target, concessions = memory.target, memory.concessions
    return json.dumps(
        {
            "place": memory.place,
            "instance_id": memory.instance_id,
            "call_id": memory.call_id,
            "cseq": memory.cseq,
            "contacts": memory.contacts,
            "expires_at": None if memory.expires_at is None else memory.expires_at + offset,
            "target": None if target is None else [target.host, target.port, target.transport.value, target.name],
            "backup": memory.backup,
            "public": memory.public,
            "nonces": [
                [nonce.server, nonce.count, nonce.proven, challenge.header, challenge.scheme, dict(challenge.params)]
                for nonce in memory.nonces
                for challenge in (nonce.challenge,)
            ],
            "floor": concessions.floor,
            "without_tags": sorted(concessions.without_tags),
            "with_tags": concessions.with_tags,
            "bare": concessions.bare,
            "without_push": concessions.without_push,
        },
        separators=(",", ":"),
    )


def _decoded(record: bytes, offset: float) -> Memory:
    kept: dict[str, Any] = json.loads(record)
    expires_at, target, public = kept["expires_at"], kept["target"], kept["public"]
    return Memory(
        place=tuple(kept["place"]),
        instance_id=kept["instance_id"],
        call_id=kept["call_id"],
        cseq=kept["cseq"],
        contacts=tuple(kept["contacts"]),
        expires_at=None if expires_at is None else expires_at - offset,
        target=None if target is None else Target(target[0], target[1], Transport(target[2]), target[3]),
        backup=kept["backup"],
        public=None if public is None else (public[0], public[1]),
        nonces=tuple(
            Nonce(server, Challenge(header, scheme, params), count, (proven[0], proven[1]))
            for server, count, proven, header, scheme, params in kept["nonces"]
        ),
        concessions=Concessions(
            floor=kept["floor"],
            without_tags=frozenset(kept["without_tags"]),
            with_tags=tuple(kept["with_tags"]),
            bare=kept["bare"],
            without_push=kept["without_push"],
        ),
    )
