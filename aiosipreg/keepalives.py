"""The flows of a core that are kept alive (floor 4): who uses which, and what becomes of those that fail.

A flow is kept once, however many accounts share it: one connection, or over UDP one far end, as there is one socket.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING

from aiosipreg.engine.keepalive import Dead, Octets, Pinger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random
    from typing import TypeAlias

    from aiosipreg.engine.agreement import Agreement, Upkeep
    from aiosipreg.engine.effects import Flow
    from aiosipreg.engine.keepalive import KeepAlive, Signal
    from aiosipreg.engine.targets import Transport
    from aiosipreg.ports import Carrier, Expectant
    from aiosipreg.timetable import Entry, Timetable

    Address: TypeAlias = tuple[str, int]

__all__ = ["KeepAlives"]

logger = logging.getLogger("aiosipreg.keepalive")


class KeepAlives:
    """Sends keep-alives on the flows that carry bindings.

    Args:
        settings: What the application wants.
        carriers: What the flows go by.
        timetable: Calls a flow when something is due on it.
        random: Secure randomness.
    """

    def __init__(
        self, settings: KeepAlive, carriers: Mapping[Transport, Carrier], timetable: Timetable, random: Random
    ) -> None:
        self._settings = settings
        self._carriers = carriers
        self._timetable = timetable
        self._random = random
        self._kept: dict[int | Address, _Kept] = {}
        self._of: dict[Expectant, _Kept] = {}

    def maintain(self, runner: Expectant, upkeep: Upkeep | None) -> None:
        """Keep the flow of a runner alive, instead of the one before; ``None`` for none any more."""
        before = self._of.pop(runner, None)
        kept = self._kept_for(upkeep.flow) if upkeep is not None else None
        if before is not None and before is not kept:
            before.change(runner, None)
            if not before.users:
                self._drop(before)
        if kept is not None:
            self._of[runner] = kept
            kept.change(runner, upkeep)

    def pong_received(self, serial: int) -> None:
        """A CRLF came in on a connection."""
        kept = self._kept.get(serial)
        if kept is not None:
            kept.take(kept.pinger.pong(_now()))

    def stun_received(self, data: bytes, source: Address) -> bool:
        """A STUN message came in; return whether it answers what was asked of that far end (SEC-29)."""
        kept = self._kept.get(source)
        signals = kept.pinger.stun(data, _now()) if kept is not None else None
        if kept is None or signals is None:
            return False
        kept.take(signals)
        return True

    def connection_lost(self, serial: int) -> None:
        """A connection is gone; who used it is told by others."""
        kept = self._kept.get(serial)
        if kept is not None:
            self._drop(kept)

    def _kept_for(self, flow: Flow) -> _Kept:
        key = flow.serial or (flow.target.host, flow.target.port)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _Kept(key, flow, self)
        elif kept.flow.host != flow.host:
            # By another route everything is as new: no address that STUN told before says anything.
            kept.flow, kept.pinger = flow, self.pinger(flow)
        return kept

    def _drop(self, kept: _Kept) -> None:
        self._kept.pop(kept.key, None)
        self._timetable.set(kept, None)
        for runner in kept.users:
            self._of.pop(runner, None)

    # For the flows.

    def pinger(self, flow: Flow) -> Pinger:
        """What decides about a new flow."""
        return Pinger(flow.target.transport, self._settings, self._random)

    def carrier(self, flow: Flow) -> Carrier:
        """What brings octets to a flow."""
        return self._carriers[flow.target.transport]

    def expect(self, kept: _Kept) -> None:
        """Have the flow called when its time has come."""
        self._timetable.set(kept, kept.pinger.deadline)

    def failed(self, kept: _Kept, cause: str) -> None:
        """A flow has failed (KA-6, KA-11): all its users need another one."""
        logger.info("%s %s: %s", "connection to" if kept.flow.serial else "flow to", kept.flow.target, cause)
        if kept.flow.serial:
            self.carrier(kept.flow).fail(kept.flow.serial, cause)
            return
        self._drop(kept)
        for runner, upkeep in list(kept.users.items()):
            runner.flow_lost(upkeep.flow, cause)


class _Kept:
    """One flow."""

    def __init__(self, key: int | Address, flow: Flow, owner: KeepAlives) -> None:
        self.key = key
        self.flow = flow
        self.wanted_at: float | None = None
        self.entry: Entry | None = None
        self.pinger = owner.pinger(flow)
        self.users: dict[Expectant, Upkeep] = {}
        self._owner = owner
        # Thousands of users, and hardly two that agreed on something different.
        self._agreements: Counter[Agreement] = Counter()
        self._unproven: set[Expectant] = set()

    def change(self, runner: Expectant, upkeep: Upkeep | None) -> None:
        """Take what a user has agreed on by now; with ``None`` it is no user any more."""
        before = self.users.pop(runner, None)
        self._unproven.discard(runner)
        if before is not None:
            self._agreements -= Counter((before.agreement,))
        if upkeep is not None:
            self.users[runner] = upkeep
            self._agreements[upkeep.agreement] += 1
            if upkeep.answered:
                self._unproven.add(runner)
        self.pinger.agree(self._agreements, _now())
        self._owner.expect(self)

    def due(self) -> None:
        receiving = self._owner.carrier(self.flow).receiving(self.flow.serial)
        self.take(self.pinger.tick(_now(), receiving=receiving))

    def take(self, signals: list[Signal]) -> None:
        for signal in signals:
            if isinstance(signal, Octets):
                self._send(signal.data)
            elif isinstance(signal, Dead):
                self._owner.failed(self, signal.cause)
                return
            else:
                proven, self._unproven = self._unproven, set()
                for runner in proven:
                    runner.proved()
        self._owner.expect(self)

    def _send(self, data: bytes) -> None:
        try:
            self._owner.carrier(self.flow).send(self.flow, data)
        except OSError as error:
            # A connection tells by itself that it is gone, and over UDP the answer will be missed.
            logger.debug("no keep-alive to %s: %s", self.flow.target, error)


def _now() -> float:
    return asyncio.get_running_loop().time()
