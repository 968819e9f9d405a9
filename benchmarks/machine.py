"""A registration and a refresh through the machine alone, from datagram to datagram and without a socket.

Beside it the same messages in straight-line code: read by split, answered by three hashes, written by an f-string,
with no state, no check, no timer and no randomness.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from aiosipreg.chance import Chance
from aiosipreg.engine.effects import Answered, Ask, Connect, Connected, Locate, Located, Send
from aiosipreg.engine.registration import Registration
from aiosipreg.engine.setup import Setup
from aiosipreg.states import RegistrationState
from aiosipreg.wire import Response, parse_message
from benchmarks.build import formatted
from benchmarks.digest import bare_response
from benchmarks.measure import Stopwatch, compare, looped
from benchmarks.null_registrar import answered
from benchmarks.samples import AUTHORIZATION, FLOW, GRANTED, PARAMS, SECRET, SEEN, TARGET, UNAUTHORIZED, USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiosipreg.engine.effects import Effect
    from benchmarks.measure import Effort, Figure

__all__ = ["measured"]

_BATCH = 200
_SETUP = Setup(random=Chance(), user_agent=USER_AGENT)


def measured(effort: Effort) -> list[Figure]:
    batch = min(_BATCH, effort.loops)
    works = {
        "straight-line registration": looped(_straight_registration, batch),
        "registration": lambda watch: _registrations(watch, batch),
        "straight-line refresh": looped(_straight_refresh, batch),
        "refresh": lambda watch: _refreshes(watch, batch),
    }
    limits = {"registration": "straight-line registration", "refresh": "straight-line refresh"}
    return compare("machine", works, effort.runs, limits=limits)


def _registrations(watch: Stopwatch, batch: int) -> int:
    _registered(watch, batch)
    return batch


def _refreshes(watch: Stopwatch, batch: int) -> int:
    machines = _registered(Stopwatch(), batch)
    with watch:
        sent = [_sent(machine, machine.refresh(2.0)) for machine in machines]
    _answer(watch, machines, sent)
    return batch


def _registered(watch: Stopwatch, batch: int) -> list[Registration]:
    with watch:
        machines = [Registration(PARAMS, _SETUP) for _ in range(batch)]
        sent = [_sent(machine, machine.register(0.0)) for machine in machines]
    _answer(watch, machines, _answer(watch, machines, sent))
    return machines


def _answer(watch: Stopwatch, machines: list[Registration], requests: Iterable[bytes]) -> list[bytes]:
    """Answer each request, which is the registrar's work and not measured; the requests that come of it."""
    answers = [answered(request, SEEN) for request in requests]
    with watch:
        sent = [_received(machine, data) for machine, data in zip(machines, answers, strict=True)]
    assert all(data or machine.state is RegistrationState.OK for machine, data in zip(machines, sent, strict=True))
    return sent


def _received(machine: Registration, data: bytes) -> bytes:
    response = parse_message(data)
    assert isinstance(response, Response)
    assert machine.session.mismatch(response) is None
    return _sent(machine, machine.received(response, 1.0))


def _sent(machine: Registration, effects: list[Effect]) -> bytes:
    """Do what the machine asks for, and return what it sends."""
    sent = b""
    todo = deque(effects)
    while todo:
        match todo.popleft():
            case Locate(token=token):
                todo.extend(machine.take(Located(token, (TARGET,)), 0.0))
            case Connect(token=token):
                todo.extend(machine.take(Connected(token, FLOW), 0.0))
            case Ask(token=token):
                todo.extend(machine.take(Answered(token, SECRET), 0.0))
            case Send(data=data):
                sent = data
    return sent


def _straight_registration() -> object:
    formatted(1)
    return _rows(UNAUTHORIZED), _straight_refresh()


def _straight_refresh() -> object:
    bare_response("md5")
    formatted(2, AUTHORIZATION)
    return _rows(GRANTED)


def _rows(data: bytes) -> dict[bytes, bytes]:
    head, *rows = data.split(b"\r\n")
    return {name: value.strip() for name, _, value in (row.partition(b":") for row in rows)} | {b"": head}
