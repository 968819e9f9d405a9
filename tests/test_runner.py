"""aiosipreg/runner.py: a machine's wishes carried out, and what comes of them fed back."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from aiosipreg import AuthInfo, TlsParams
from aiosipreg.engine.agreement import Agreement, Upkeep
from aiosipreg.engine.effects import (
    Answer,
    Answered,
    Ask,
    CloseFlow,
    Concluded,
    Connect,
    Connected,
    Effect,
    Flow,
    Keep,
    Kept,
    Locate,
    Located,
    NotAnswered,
    NotConnected,
    NotLocated,
    Send,
    TargetFailed,
)
from aiosipreg.engine.marks import Refusal
from aiosipreg.engine.outcome import Outcome
from aiosipreg.engine.replies import TROUBLES
from aiosipreg.engine.targets import ResolutionFailed, Target, Transport
from aiosipreg.net.failure import TransportFailure
from aiosipreg.ports import NoTransport
from aiosipreg.runner import Runner
from aiosipreg.wire import Response, SipUri

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from aiosipreg.engine.effects import Changed
    from aiosipreg.engine.session import Session
    from aiosipreg.params import ProxyParams
    from aiosipreg.ports import Expectant

URI = SipUri.parse("sip:titi.com")
TARGET = Target("192.0.2.1", 5060, Transport.UDP, "titi.com")
FLOW = Flow(TARGET, "192.0.2.9", 5062)
CONNECTION = Flow(TARGET, "192.0.2.9", 5062, 7)
SEND = Send(FLOW, b"REGISTER", "z9hG4bK1")
DONE = Concluded(Outcome(TROUBLES["INTERNAL"]))


class Machine:
    """Says what it was told to say, and notes what it was given."""

    def __init__(self) -> None:
        self.session = cast("Session", SimpleNamespace(params=SimpleNamespace(aor=World.identity)))
        self.deadline: float | None = None
        self.branch: str | None = None
        self.question: int | None = 2
        self.flow: Flow | None = None
        self.upkeep: Upkeep | None = None
        self.given: list[tuple[Any, ...]] = []
        self.says: list[list[Effect] | Exception] = []

    def take(self, answer: Answer, now: float) -> list[Effect]:
        return self.next("take", answer)

    def failed(self, cause: str, now: float, row: str = "RSP-REF") -> list[Effect]:
        return self.next("failed", cause, row)

    def flow_lost(self, flow: Flow, cause: str, now: float) -> list[Effect]:
        return self.next("flow lost", flow, cause)

    def received(self, response: Response, now: float) -> list[Effect]:
        return self.next("received", response.status)

    def tick(self, now: float) -> list[Effect]:
        return self.next("tick", now)

    def recovered(self, now: float) -> list[Effect]:
        return self.next("recovered")

    def proved(self) -> list[Effect]:
        return self.next("proved")

    def crash(self) -> list[Effect]:
        self.given.append(("crash",))
        return [DONE]

    def next(self, *given: Any) -> list[Effect]:
        self.given.append(given)
        says = self.says.pop(0) if self.says else []
        if isinstance(says, Exception):
            raise says
        return says


class World:
    """The core and the account in one."""

    identity = "sip:toto@sip.titi.com"
    trust = TlsParams()

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.targets: Sequence[Target] | Exception = [TARGET]
        self.known_targets: Sequence[Target] | Exception | None = None
        self.opened: Flow | Exception = FLOW
        self.at_hand: Flow | Exception | None = FLOW
        self.send_error: OSError | None = None
        self.refuses: Refusal | None = None
        self.admits = True
        self.eager = False
        self.info: AuthInfo | None = None
        self.provider: Any = None

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def tls(self, params: ProxyParams, connect: Connect) -> TlsParams:
        self.log.append(("tls", connect))
        return self.trust

    def wake(self, runner: Expectant, at: float | None) -> None:
        self.log.append(("wake", at))

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        if self.eager:
            with pytest.raises(StopIteration):
                work.send(None)
            ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            ended.set_result(None)
            return cast("asyncio.Task[None]", ended)
        self.tasks.append(asyncio.create_task(work))
        return self.tasks[-1]

    def located(self, uri: SipUri) -> Sequence[Target] | None:
        if isinstance(self.known_targets, Exception):
            raise self.known_targets
        return self.known_targets

    async def locate(self, uri: SipUri) -> Sequence[Target]:
        targets: Sequence[Target] = await self._later(self.targets)
        return targets

    def refusal(self, runner: Expectant, target: Target, now: float, *, insist: bool) -> Refusal | None:
        self.log.append(("may", target, insist))
        return self.refuses

    def target_failed(self, runner: Expectant, failure: TargetFailed, flow: Flow | None) -> None:
        self.log.append(("target failed", failure))

    def close_flow(self, wish: CloseFlow) -> None:
        self.log.append(("close flow", wish))

    def admit(self, runner: Expectant, target: Target, now: float) -> bool:
        self.log.append(("admit", target))
        return self.admits

    def release(self, runner: Expectant, now: float) -> None:
        self.log.append(("release",))

    def forget(self, runner: Expectant) -> None:
        self.log.append(("forget",))

    async def keep(self, session: Session) -> None:
        self.log.append(("keep", await self._later(session)))

    def flow(self, target: Target, tls: TlsParams) -> Flow | None:
        assert tls is self.trust
        if isinstance(self.at_hand, Exception):
            raise self.at_hand
        return self.at_hand

    async def open(self, target: Target, tls: TlsParams) -> Flow:
        assert tls is self.trust
        flow: Flow = await self._later(self.opened)
        return flow

    def send(self, runner: Expectant, send: Send) -> None:
        if self.send_error is not None:
            raise self.send_error
        self.log.append(("send", send))

    def done(self, branch: str, now: float) -> None:
        self.log.append(("done", branch))

    def use(self, runner: Expectant, flow: Flow) -> None:
        self.log.append(("use", flow))

    def leave(self, runner: Expectant, flow: Flow) -> None:
        self.log.append(("leave", flow))

    def maintain(self, runner: Expectant, upkeep: Upkeep | None) -> None:
        self.log.append(("maintain", upkeep))

    def report(self, machine: Machine, report: Changed | Concluded, _now: float) -> None:
        self.log.append(("report", report))

    def known(self, params: ProxyParams, ask: Ask) -> AuthInfo | None:
        return self.info

    def inquiry(self, params: ProxyParams, ask: Ask) -> Coroutine[None, None, Answer] | None:
        provider: Coroutine[None, None, Answer] | None = self.provider
        return provider

    async def _later(self, result: Any) -> Any:
        await asyncio.sleep(1)
        if isinstance(result, Exception):
            raise result
        return result

    def took(self, word: str) -> list[tuple[Any, ...]]:
        return [entry for entry in self.log if entry[0] == word]


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def runner(machine: Machine, world: World) -> Runner[Machine]:
    return Runner(machine, world, world)


pytestmark = pytest.mark.virtual_clock


def do(runner: Runner[Machine], *effects: Effect) -> None:
    runner.enter(lambda _machine, _now: list(effects))


def test_it_shows_its_machine(runner: Runner[Machine], machine: Machine) -> None:
    assert runner.machine is machine
    assert runner.session is machine.session


async def test_a_request_is_sent_and_its_answers_are_expected_until_another_counts(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    machine.branch, machine.deadline = SEND.branch, 0.5
    do(runner, SEND)
    assert world.log == [("send", SEND), ("wake", 0.5)]
    runner.received(Response(100, "Trying"))
    assert world.took("done") == []
    machine.branch, machine.deadline = "z9hG4bK2", None
    runner.received(Response(401, "Unauthorized"))
    assert world.took("done") == [("done", SEND.branch)]
    machine.branch = None
    runner.received(Response(200, "OK"))
    assert world.took("done")[1:] == [("done", "z9hG4bK2")]
    assert world.log[-2:] == [("release",), ("wake", None)]
    assert machine.given == [("received", 100), ("received", 401), ("received", 200)]


async def test_what_is_reported_and_timers(runner: Runner[Machine], machine: Machine, world: World) -> None:
    machine.says = [[DONE]]
    runner.due()
    assert machine.given == [("tick", 0.0)]
    assert world.took("report") == [("report", DONE)]


async def test_TXN_8_a_send_that_the_system_refuses_fails_at_once(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    world.send_error = OSError("network is unreachable")
    machine.says = [[DONE]]
    do(runner, SEND)
    assert machine.given == [("failed", "network is unreachable", "RSP-REF")]
    assert world.took("report") == [("report", DONE)]


async def test_TRA_12_a_request_that_is_reported_lost(runner: Runner[Machine], machine: Machine) -> None:
    runner.failed("Connection refused")
    runner.failed("closed", "RSP-CLOSE")
    runner.flow_lost(FLOW, "no pong")
    assert machine.given == [
        ("failed", "Connection refused", "RSP-REF"),
        ("failed", "closed", "RSP-CLOSE"),
        ("flow lost", FLOW, "no pong"),
    ]


async def test_TRA_11_a_connection_is_used_while_an_attempt_runs_on_it_and_while_it_carries_a_binding(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    machine.branch = SEND.branch
    do(runner, Send(CONNECTION, b"REGISTER", SEND.branch))
    assert world.log == [("send", Send(CONNECTION, b"REGISTER", SEND.branch)), ("use", CONNECTION), ("wake", None)]
    machine.branch = None
    do(runner, Locate(1, URI))
    assert world.took("leave") == []
    machine.flow = CONNECTION
    await asyncio.sleep(2)
    assert (world.took("use"), world.took("leave")) == ([("use", CONNECTION)], [])
    machine.flow = other = Flow(TARGET, "192.0.2.9", 5064, 8)
    do(runner)
    assert world.log[-4:] == [("release",), ("leave", CONNECTION), ("use", other), ("wake", None)]
    machine.flow = FLOW
    do(runner)
    assert world.took("leave") == [("leave", CONNECTION), ("leave", other)]
    machine.flow = CONNECTION
    do(runner)
    runner.close()
    assert world.log[-1] == ("leave", CONNECTION)


async def test_RSP_CLOSE_a_connection_that_is_gone_when_something_is_to_be_sent(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    world.send_error = TransportFailure("closed by the server", "RSP-CLOSE")
    do(runner, Send(CONNECTION, b"REGISTER", SEND.branch))
    assert machine.given == [("failed", "closed by the server", "RSP-CLOSE")]


LOCATED = pytest.mark.parametrize(
    ("targets", "answer"),
    [
        ([TARGET], Located(1, [TARGET])),
        (ResolutionFailed("no such name", absent=True), NotLocated(1, "no such name", absent=True)),
        (ResolutionFailed("no answer", absent=False), NotLocated(1, "no answer", absent=False)),
        (NoTransport("UDP only"), NotLocated(1, "UDP only", absent=True, hopeless=True)),
    ],
)


@LOCATED
async def test_a_name_is_resolved(
    runner: Runner[Machine], machine: Machine, world: World, targets: Any, answer: Answer
) -> None:
    world.targets = targets
    do(runner, Locate(1, URI))
    assert machine.given == []
    await asyncio.sleep(2)
    assert machine.given == [("take", answer)]


async def test_a_record_is_written(runner: Runner[Machine], machine: Machine, world: World) -> None:
    do(runner, Keep(4))
    assert machine.given == []
    await asyncio.sleep(2)
    assert world.took("keep") == [("keep", machine.session)]
    assert machine.given == [("take", Kept(4))]


@LOCATED
async def test_what_is_known_of_a_name_is_used_in_the_same_turn(
    runner: Runner[Machine], machine: Machine, world: World, targets: Any, answer: Answer
) -> None:
    world.known_targets = targets
    machine.says = [[DONE]]
    do(runner, Locate(1, URI))
    assert machine.given == [("take", answer)]
    assert world.took("report") == [("report", DONE)]
    assert world.tasks == []


async def test_a_flow_that_is_there_is_used_in_the_same_turn(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    machine.says = [[SEND]]
    do(runner, Connect(2, TARGET))
    assert machine.given == [("take", Connected(2, FLOW))]
    assert world.took("send") == [("send", SEND)]
    assert world.tasks == []


@pytest.mark.parametrize(
    ("opened", "answer"),
    [
        (FLOW, Connected(2, FLOW)),
        (OSError("address in use"), NotConnected(2, "address in use")),
        (TransportFailure("for another name", "TLS-1"), NotConnected(2, "for another name", "TLS-1")),
    ],
)
async def test_a_flow_is_opened(
    runner: Runner[Machine], machine: Machine, world: World, opened: Any, answer: Answer
) -> None:
    world.at_hand, world.opened = None, opened
    do(runner, Connect(2, TARGET))
    await asyncio.sleep(2)
    assert machine.given == [("take", answer)]


async def test_no_route(runner: Runner[Machine], machine: Machine, world: World) -> None:
    world.at_hand = OSError("no route")
    do(runner, Connect(2, TARGET))
    assert machine.given == [("take", NotConnected(2, "no route"))]


async def test_OVL_8_an_attempt_waits_for_its_turn(runner: Runner[Machine], machine: Machine, world: World) -> None:
    world.admits = False
    do(runner, Connect(2, TARGET))
    assert machine.given == []
    assert world.took("release") == []
    runner.admitted()
    assert machine.given == [("take", Connected(2, FLOW))]
    runner.admitted()
    assert len(machine.given) == 1


async def test_OVL_8_an_attempt_that_ended_while_it_waited_gives_up_its_place(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    world.admits = False
    do(runner, Connect(2, TARGET))
    machine.question = None
    do(runner)
    assert world.took("release") == [("release",)]
    runner.admitted()
    assert machine.given == []


async def test_OVL_8_a_place_that_is_given_up_for_another_target_is_not_remembered(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    world.admits = False
    do(runner, Connect(2, TARGET))
    world.admits, machine.question = True, 3
    do(runner, Connect(3, TARGET._replace(host="192.0.2.2")))
    assert world.took("release") == [("release",)]


REFUSAL = Refusal("RSP-F0", "not tried", 500.0)
KEPT_AWAY = NotConnected(2, "not tried", "RSP-F0", 500.0)


async def test_OVL_7_an_attempt_that_is_no_use_is_not_made(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    world.refuses = REFUSAL
    do(runner, Connect(2, TARGET))
    assert machine.given == [("take", KEPT_AWAY)]
    assert world.took("admit") == []


async def test_OVL_7_nor_is_one_that_became_so_while_it_waited_for_its_turn(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    world.admits = False
    do(runner, Connect(2, TARGET))
    world.refuses = REFUSAL
    runner.admitted()
    assert machine.given == [("take", KEPT_AWAY)]
    assert len(world.took("admit")) == 1
    assert world.took("release") == [("release",)]


async def test_OVL_7_what_the_application_asks_for_is_insisted_on_until_it_is_decided(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    world.admits = False
    runner.enter(lambda _machine, _now: [Connect(2, TARGET)], insist=True)
    runner.admitted()
    do(runner, Connect(2, TARGET))
    assert [insists for _, _, insists in world.took("may")] == [True, True, False]


async def test_OVL_7_what_became_of_a_target_is_handed_on(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    failure = TargetFailed(TARGET, TROUBLES["RSP-F0"], None, 0.0)
    do(runner, failure)
    assert world.took("target failed") == [("target failed", failure)]
    runner.recovered()
    assert machine.given == [("recovered",)]
    assert runner.identity == World.identity


async def test_RSP_430_a_flow_that_failed_is_closed(runner: Runner[Machine], world: World) -> None:
    do(runner, CloseFlow(CONNECTION, "the flow is broken"))
    assert world.took("close flow") == [("close flow", CloseFlow(CONNECTION, "the flow is broken"))]


async def test_credentials_at_hand_are_used_in_the_same_turn(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    world.info = AuthInfo("toto", password="secret")
    do(runner, Ask(3, "titi.com", ("MD5",), 1, False, TARGET))
    world.info = None
    do(runner, Ask(4, "titi.com", ("MD5",), 1, False, TARGET))
    assert [given[1].info and given[1].info.username for given in machine.given] == ["toto", None]
    assert [given[1].token for given in machine.given] == [3, 4]


async def test_the_provider_is_asked_when_none_are_at_hand(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    async def provider() -> Answer:
        await asyncio.sleep(5)
        return Answered(3, None)

    world.provider = provider()
    do(runner, Ask(3, "titi.com", ("MD5",), 1, False, TARGET))
    await asyncio.sleep(4)
    assert machine.given == []
    assert world.took("release") == []
    await asyncio.sleep(2)
    assert machine.given == [("take", Answered(3, None))]


async def test_a_new_question_supersedes_the_open_one(runner: Runner[Machine], machine: Machine, world: World) -> None:
    do(runner, Locate(1, URI))
    do(runner, Locate(2, URI))
    await asyncio.sleep(5)
    assert machine.given == [("take", Located(2, [TARGET]))]
    assert world.tasks[0].cancelled()


async def test_a_question_may_be_superseded_before_it_was_put(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    """Python complains of a coroutine that is never awaited, and every complaint fails a test here."""

    async def provider() -> Answer:
        raise AssertionError("nobody is to be asked")

    world.provider = provider()
    do(runner, Ask(3, "titi.com", (), 1, False, TARGET))
    runner.close()
    await asyncio.sleep(1)
    assert machine.given == []


async def test_an_answer_may_lead_to_the_next_question(runner: Runner[Machine], machine: Machine, world: World) -> None:
    world.at_hand = None
    machine.says = [[Connect(2, TARGET)], [SEND]]
    do(runner, Locate(1, URI))
    await asyncio.sleep(5)
    assert machine.given == [("take", Located(1, [TARGET])), ("take", Connected(2, FLOW))]
    assert world.took("send") == [("send", SEND)]
    assert not any(task.cancelled() for task in world.tasks)


async def test_ROB_8_an_error_of_the_machine_gives_it_up(
    runner: Runner[Machine], machine: Machine, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    machine.says = [RuntimeError("boom")]
    runner.received(Response(200, "OK"))
    assert machine.given == [("received", 200), ("crash",)]
    assert world.took("report") == [("report", DONE)]
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.getMessage() == "sip:toto@sip.titi.com: unexpected error, the account is given up"


@pytest.mark.parametrize("question", [Locate(1, URI), Connect(2, TARGET), Ask(3, "titi.com", (), 1, False, TARGET)])
async def test_ROB_8_an_error_of_whoever_is_asked_gives_it_up(
    runner: Runner[Machine], machine: Machine, world: World, question: Effect, caplog: pytest.LogCaptureFixture
) -> None:
    async def provider() -> Answer:
        await asyncio.sleep(1)
        raise RuntimeError("boom")

    world.targets = world.opened = RuntimeError("boom")
    world.at_hand = None
    world.provider = provider()
    do(runner, question)
    await asyncio.sleep(2)
    assert machine.given == [("crash",)]
    assert world.took("report") == [("report", DONE)]
    assert "boom" in caplog.text
    assert not world.tasks[0].cancelled()
    assert world.tasks[0].exception() is None
    world.provider.close()


async def test_closing_lets_go_of_everything(runner: Runner[Machine], machine: Machine, world: World) -> None:
    machine.branch, machine.deadline = SEND.branch, 5.0
    do(runner, SEND, Locate(1, URI))
    runner.close()
    assert world.log[-4:] == [("release",), ("forget",), ("wake", None), ("done", SEND.branch)]
    runner.close()
    await asyncio.sleep(5)
    assert world.took("done") == [("done", SEND.branch)]
    assert world.tasks[0].cancelled()
    assert machine.given == []


async def test_a_task_that_ends_within_the_call(runner: Runner[Machine], machine: Machine, world: World) -> None:
    """As those of ``asyncio.eager_task_factory`` do."""

    async def provider() -> Answer:
        return Answered(3, None)

    world.provider, world.eager = provider(), True
    do(runner, Ask(3, "titi.com", (), 1, False, TARGET))
    assert machine.given == [("take", Answered(3, None))]
    assert world.log[-2:] == [("release",), ("wake", None)]


async def test_closing_with_nothing_under_way(runner: Runner[Machine], world: World) -> None:
    runner.close()
    assert world.log == [("release",), ("forget",), ("wake", None)]


async def test_a_failed_question_is_an_answer_too(runner: Runner[Machine], machine: Machine, world: World) -> None:
    async def provider() -> Answer:
        return NotAnswered(3, "no answer within 10 s")

    world.provider = provider()
    do(runner, Ask(3, "titi.com", (), 1, False, TARGET))
    await asyncio.sleep(0.1)
    assert machine.given == [("take", NotAnswered(3, "no answer within 10 s"))]


async def test_KA_1_what_keeps_the_flow_alive_is_told_once(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    upkeep, shorter = (Upkeep(CONNECTION, Agreement(pongs=True, interval=interval)) for interval in (120, 60))
    do(runner)
    machine.upkeep = upkeep
    do(runner)
    machine.upkeep = Upkeep(CONNECTION, Agreement(pongs=True, interval=120))
    do(runner)
    machine.upkeep = shorter
    do(runner)
    runner.close()
    runner.close()
    assert world.took("maintain") == [("maintain", upkeep), ("maintain", shorter), ("maintain", None)]


async def test_OUTB_16_an_answered_keep_alive_reaches_the_machine(runner: Runner[Machine], machine: Machine) -> None:
    runner.proved()
    assert machine.given == [("proved",)]


async def test_OUTB_10_a_flow_that_is_named_is_the_one(runner: Runner[Machine], machine: Machine, world: World) -> None:
    do(runner, Connect(3, TARGET))
    world.at_hand = OSError("nobody asks for another one")
    do(runner, Connect(4, TARGET, CONNECTION))
    assert machine.given == [("take", Connected(3, FLOW)), ("take", Connected(4, CONNECTION))]
    assert world.took("admit") == [("admit", TARGET)] * 2


async def test_TLS_7_a_flow_that_is_named_is_of_no_use_to_who_trusts_others_by_now(
    runner: Runner[Machine], machine: Machine, world: World
) -> None:
    do(runner, Connect(3, TARGET))
    world.trust = TlsParams(wildcards=False)
    do(runner, Connect(4, TARGET, CONNECTION))
    world.trust = TlsParams(wildcards=False)
    do(runner, Connect(5, TARGET, CONNECTION))
    flows = [(3, FLOW), (4, FLOW), (5, CONNECTION)]
    assert machine.given == [("take", Connected(token, flow)) for token, flow in flows]
