"""What a core does with its store (floor 4): whose record is whose, and when it is written.

Whatever happens to an account makes its record due. Due records are gathered for a moment, then written together, one
write at a time, in portions that do not hold up the event loop; an account that changes meanwhile is due again, so what
waits is never more than the accounts there are. An account whose next request depends on its record (`engine.memory`)
waits for it, but not long, and not at all while the store fails: a full disk must not keep anybody from registering.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from aiosipreg.engine.memory import Memory, recall, remember
from aiosipreg.errors import ConfigError

if TYPE_CHECKING:
    from random import Random

    from aiosipreg.engine.registration import Registration
    from aiosipreg.engine.session import Session
    from aiosipreg.params import ProxyParams
    from aiosipreg.proxy import ProxyConfig
    from aiosipreg.store import Store

__all__ = ["Keeper"]

logger = logging.getLogger("aiosipreg.store")

_GATHER: Final = 0.2  # seconds: a commit costs more than what is in it, and nothing hangs on these
_PORTION: Final = 500  # records; a few milliseconds of the event loop
_PATIENCE: Final = 2.0  # seconds that a request waits for its record
_AGAIN: Final = 10.0  # seconds until a store that failed is tried again
_LAST: Final = 10.0  # seconds that the records may take when the core stops


class Keeper:
    """Keeps the accounts of one core, if it has a store.

    Args:
        store: Where to; ``None`` for nowhere.
        random: Secure randomness, for instance-ids.

    Attributes:
        stores: Whether there is a store; without one there is nothing to do.

    Raises:
        TypeError: ``store`` is a path.
    """

    def __init__(self, store: Store | None, random: Random) -> None:
        if store is not None and not hasattr(store, "load"):
            raise TypeError(f"store: expected FileStore(path), got {type(store).__name__}")
        self._store = store
        self.stores = store is not None
        self._random = random
        self._machines: dict[str, Registration] = {}
        self._keys: dict[Session, str] = {}
        # What a store tells once, between the look-up of an account and its first machine.
        self._found: dict[str, Memory | None] = {}
        self._due: dict[Session, None] = {}
        self._waiting: dict[Session, list[asyncio.Future[None]]] = {}
        # Keys that the file may have, and those of them that it must lose.
        self._filed: set[str] = set()
        self._gone: dict[str, None] = {}
        self._hurry = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._failing = False
        self._closing = False

    async def open(self) -> None:
        """Open the store.

        Raises:
            ConfigError: Somebody else has it open.
            OSError: It cannot be opened.
        """
        if self._store is not None:
            await self._store.open()

    def look_up(self, params: ProxyParams) -> ProxyParams:
        """The settings of a new account, with the instance-id that it had or gets (OUTB-1).

        Raises:
            ConfigError: Another account has the same key, so that nobody could tell after a restart which is which.
        """
        if self._store is None:
            return params
        key = _key(params)
        if key in self._machines:
            raise ConfigError("id", params.id, "an id: another account of this core has the same identity and server")
        if params.instance_id is not None or params.registered_by is not None:
            return params
        memory = self._found[key] = self._store.load(key)
        kept = memory.instance_id if memory is not None else None
        return params.replace(instance_id=kept or _new_urn(self._random))

    def add(self, machine: Registration) -> None:
        """Keep a machine, one of those of an account, and let it go on where it stood."""
        if self._store is None:
            return
        key = _key(machine.session.params, machine.session.reg_id)
        memory = self._found.pop(key, None) or self._store.load(key)
        if memory is not None:
            self._filed.add(key)
        self._machines[key] = machine
        self._keys[machine.session] = key
        recall(machine, memory or Memory(), asyncio.get_running_loop().time())

    def touch(self, proxy: ProxyConfig) -> None:
        """Something happened to an account."""
        if self._store is not None:
            for machine in proxy._flows.machines:
                self._make_due(machine.session)

    async def keep(self, session: Session) -> None:
        """Wait until what there is now of an account is written; never raises, and gives up after 2 s."""
        self._make_due(session)
        if self._failing or session not in self._due:
            return
        written = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(session, []).append(written)
        self._hurry.set()
        try:
            async with asyncio.timeout(_PATIENCE):
                await written
        except TimeoutError:
            self._fails("it is too slow")

    def drop(self, *machines: Registration) -> None:
        """An account is removed, or one of its flows, and the records with it."""
        for machine in machines:
            self._drop(machine.session)

    def _drop(self, session: Session) -> None:
        key = self._keys.pop(session, None)
        if key is None:
            return
        del self._machines[key]
        self._due.pop(session, None)
        self._release(self._waiting.pop(session, []))
        self._discard(key)

    async def close(self) -> None:
        """Write what is left, and let go of the store; bounded by 10 s."""
        if self._store is None:
            return
        self._closing = True
        self._hurry.set()
        for session in self._keys:
            self._make_due(session)
        try:
            async with asyncio.timeout(_LAST):
                while self._writer is not None:
                    await asyncio.wait((self._writer,))
        except TimeoutError:
            self._fails("it is too slow")
        finally:
            if self._writer is not None:
                self._writer.cancel()
            await self._store.close()

    # How it is done.

    def _make_due(self, session: Session) -> None:
        if session in self._keys:
            self._due[session] = None
            self._work()

    def _discard(self, key: str) -> None:
        if key in self._filed:
            self._filed.discard(key)
            self._gone[key] = None
            self._work()

    def _work(self) -> None:
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_all(), name="aiosipreg store")
            self._writer.add_done_callback(self._done)

    def _done(self, writer: asyncio.Task[None]) -> None:
        self._writer = None
        if not writer.cancelled() and writer.exception() is not None:
            logger.error("unexpected error while accounts were written", exc_info=writer.exception())

    async def _write_all(self) -> None:
        while self._due or self._gone:
            if not self._waiting and not self._closing:
                await self._pause(_AGAIN if self._failing else _GATHER)
            await self._write()
            if self._failing and self._closing:
                return

    async def _pause(self, seconds: float) -> None:
        self._hurry.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            pass

    async def _write(self) -> None:
        """Write the next portion."""
        assert self._store is not None  # noqa: S101
        chosen = dict.fromkeys(islice(chain(self._waiting, self._due), _PORTION))
        waiting = [future for session in chosen for future in self._waiting.pop(session, ())]
        changes: dict[str, Memory | None] = dict.fromkeys(self._gone)
        self._gone.clear()
        written: dict[Session, Memory] = {}
        for session in chosen:
            self._due.pop(session, None)
            machine = self._machines[self._follow(session, changes)]
            memory = remember(machine, reserve=not self._closing)
            if memory != session.kept:
                written[session] = changes[self._keys[session]] = memory
        self._filed.update(self._keys[session] for session in written)
        try:
            if changes:
                await self._store.save(changes)
        except Exception as error:
            self._fails(str(error))
            # All that was to be done is to be done still, except for accounts that were removed or came back meanwhile.
            self._due |= {session: None for session in written if session in self._keys}
            self._gone |= {key: None for key, memory in changes.items() if memory is None and key not in self._machines}
        else:
            if self._failing:
                logger.info("the store works again")
            self._failing = False
            for session, memory in written.items():
                session.kept = memory
        finally:
            self._release(waiting)

    def _follow(self, session: Session, changes: dict[str, Memory | None]) -> str:
        """The key of an account without id follows its identity and server, as far as nobody else is there."""
        old, new = self._keys[session], _key(session.params, session.reg_id)
        if new != old and new not in self._machines:
            self._machines[new] = self._machines.pop(old)
            self._keys[session] = new
            if old in self._filed:
                self._filed.discard(old)
                changes[old] = None
        return self._keys[session]

    def _fails(self, why: str) -> None:
        if not self._failing:
            logger.warning(
                "%r does not keep what is told (%s). Accounts register all the same, but a restart now could add "
                "bindings instead of renewing them; it is tried again.",
                self._store, why,
            )  # fmt: skip
        self._failing = True
        for futures in self._waiting.values():
            self._release(futures)
        self._waiting.clear()

    def _release(self, futures: list[asyncio.Future[None]]) -> None:
        for future in futures:
            if not future.done():
                future.set_result(None)


def _new_urn(random: Random) -> str:
    """An instance-id that tells nothing of the machine or the user (RFC 7255 5, SEC-35)."""
    return uuid.UUID(int=random.getrandbits(128), version=4).urn


def _key(params: ProxyParams, reg_id: int = 1) -> str:
    """What an account is found by after a restart: its id, else identity and server; further flows by their reg-id."""
    account = [params.id] if params.id is not None else [str(params.aor), str(params.registrar)]
    return json.dumps(account if reg_id == 1 else [*account, reg_id])
