"""A registration in a world where anything may happen next: what holds after every step (section 9.2).

Wishes, edits, network changes, credentials, answers of the whole table, silence, loss, questions answered well, badly,
late or twice, jumps in time, errors of ours. `Driver` checks the invariants of each state, that no change is silent,
that CSeq grows by one, and that no deadline outlives its tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.edits import Edit, plan
from aiosipreg.engine.effects import (
    Answered,
    Ask,
    Connect,
    Connected,
    Locate,
    Located,
    NotAnswered,
    NotConnected,
    NotLocated,
)
from aiosipreg.engine.lease import Intent
from aiosipreg.engine.regevent import ContactEvent
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.engine.timers import RetryPolicy
from aiosipreg.params import NatMode, Redirect
from aiosipreg.states import RegistrationState
from tests.engine.driver import Driver, challenge, flow, params, response_to, target

if TYPE_CHECKING:
    from aiosipreg.engine.effects import Answer

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState

STATUSES = st.one_of(
    st.sampled_from([401, 407, 408, 420, 421, 423, 480, 481, 491, 500, 503, 513]),
    st.integers(300, 699),
)
ROWS = st.lists(
    st.sampled_from([
        "Retry-After: 0", "Retry-After: 7", "Retry-After: 7200", "Min-Expires: 60", "Min-Expires: 7200",
        "Min-Expires: 90000", "Unsupported: path", "Require: path", "Contact: <sip:b.example.org>;q=0.5",
        "Contact: <sip:elsewhere.test>", "Contact: <sip:example.org:22>", "Contact: *", "Warning: 399 h \"x\"",
        challenge("example.org", "same"), challenge("example.org", "other"),
        challenge("example.org", "n", "stale=true"),
        challenge("proxy", "p", proxy=True), "WWW-Authenticate: Basic realm=\"x\"",
    ]),
    max_size=4,
    unique=True,
)  # fmt: skip
GRANTS = st.sampled_from([
    (), ("Contact: <sip:alice@198.51.100.7:5060>;expires=0",), ("Contact: <sip:alice@198.51.100.7:5060>;expires=1",),
    ("Contact: <sip:alice@198.51.100.7:5060>;expires=20",), ("Contact: <sip:alice@9.9.9.9>;expires=500",),
    ("Contact: *, <sip:alice@9.9.9.9>",), ("Expires: 100", "Contact: <sip:a@1.1.1.1>, <sip:b@1.1.1.1>"),
    ("Authentication-Info: nextnonce=\"fresh\"",),
])  # fmt: skip
SEEN = st.sampled_from([None, ("203.0.113.9", 1024), ("203.0.113.9", 1025)])
EDITS = st.sampled_from([
    {"expires": 60}, {"expires": 3600}, {"headers": (("X-A", "1"),)}, {"supported": ()}, {"nat": NatMode.OFF},
    {"identity": "sip:bob@example.org"}, {"identity": "sip:alice@example.org"}, {"server": "sip:other.example"},
    {"server": None}, {"routes": ("sip:edge.example.org",)}, {"auth": AuthInfo("alice", password="other")},
    {"register": False}, {"register": True}, {"register": True, "identity": "sip:carol@example.org"},
    {"ref_key": "x"}, {"strict_binding": True}, {"retry_403": True}, {"redirect": Redirect.ANY},
])  # fmt: skip
TARGETS = st.lists(
    st.sampled_from([target(1), target(2), target(3), Target("127.0.0.1", 5060, Transport.UDP, "x")]), max_size=3
)
SPANS = st.sampled_from([0.0, 0.3, 1.0, 31.0, 33.0, 200.0, 3000.0, 3600.0, 100_000.0])


class World(RuleBasedStateMachine):
    """What may happen to one account."""

    @initialize(
        by_hand=st.sets(st.sampled_from([Locate, Connect, Ask])),
        register=st.booleans(),
        attempts=st.sampled_from([None, None, 3]),
        seed=st.integers(0, 5),
    )
    def begin(self, by_hand: set[Any], register: bool, attempts: int | None, seed: int) -> None:
        self.driver = Driver(params(register=register), seed=seed, retry=RetryPolicy(max_attempts=attempts))
        self.driver.by_hand = by_hand
        self.driver.targets = [target(1), target(2)]
        self.down = False
        self.wanted = False
        self.seen = 0
        self.over = True
        """Whether nobody can wait for an answer to the newest request any more."""

    # Wishes

    @rule()
    def register(self) -> None:
        self.wanted = True
        self.driver.register()

    @rule()
    def refresh(self) -> None:
        self.driver.refresh()

    @rule()
    def wake(self) -> None:
        self.driver.wake()

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        if paused:
            self.driver.pause()
        else:
            self.driver.resume()

    @rule(event=st.sampled_from(ContactEvent), trusted=st.booleans(), seconds=st.sampled_from([0.0, 10.0, 5000.0]))
    def notified(self, event: ContactEvent, trusted: bool, seconds: float) -> None:
        before = self.driver.machine.branch
        self.driver.notified(event, trusted=trusted, expires=seconds, retry_after=seconds)
        self.over |= self.driver.machine.branch != before

    @rule(ours=st.booleans())
    def flow_lost(self, ours: bool) -> None:
        lost = (ours and self.driver.session.flow) or flow(target(3))
        self.over = self.over or (bool(self.driver.sent) and self.driver.last.flow == lost)
        self.driver.flow_lost(lost)

    @rule(within=st.sampled_from([0.1, 4.0, 60.0]), everything=st.booleans())
    def unregister(self, within: float, everything: bool) -> None:
        self.wanted = False
        self.driver.unregister(within=within, everything=everything)

    @rule(changes=EDITS)
    def edit(self, changes: dict[str, Any]) -> None:
        edit = plan(self.driver.settings, self.driver.settings.replace(**changes))
        self.wanted = {Edit.START: True, Edit.STOP: False}.get(edit, self.wanted)
        self.driver.edit(**changes)

    @rule(info=st.sampled_from([None, AuthInfo("alice", password="secret")]))
    def credentials(self, info: AuthInfo | None) -> None:
        self.driver.info = info
        self.driver.credentials_changed()

    @rule(up=st.booleans(), local=st.sampled_from(["198.51.100.7", "198.51.100.8"]))
    def network(self, up: bool, local: str) -> None:
        if not up:
            self.driver.local = local
            self.over = True
        self.down = not up
        self.driver.network(up=up)
        if not up:
            assert self.driver.machine.branch is None

    @rule(local=st.sampled_from(["198.51.100.7", "198.51.100.8"]))
    def network_changed(self, local: str) -> None:
        self.driver.local = local
        self.over = self.over or self.driver.machine.intent is Intent.REGISTER
        self.driver.network_changed()

    @rule(crash=st.booleans())
    def end(self, crash: bool) -> None:
        self.wanted = False
        self.over = True
        if crash:
            self.driver.crash()
            assert self.driver.state is FAILED
        else:
            self.driver.close()
            assert self.driver.state in (NONE, CLEARED)
        assert self.driver.machine.deadline is None

    # The registrar

    @precondition(lambda self: self.driver.machine.branch is not None)
    @rule(status=STATUSES, rows=ROWS, seen=SEEN)
    def refuse(self, status: int, rows: list[str], seen: tuple[str, int] | None) -> None:
        self.over = True
        self.driver.final(status, *rows, seen=seen)

    @precondition(lambda self: self.driver.machine.branch is not None)
    @rule(rows=GRANTS, seen=SEEN, late=st.sampled_from([0.0, 0.0, 5.0]))
    def agree(self, rows: tuple[str, ...], seen: tuple[str, int] | None, late: float) -> None:
        self.over = True
        self.driver.now += late
        self.driver.ok(*rows, seen=seen, contacts=self.driver.last.lifetime > 0)
        self._check_requests()
        self._let_pass(self.driver.now)

    @precondition(lambda self: self.driver.machine.branch is not None)
    @rule()
    def provisional(self) -> None:
        self.driver.final(100)

    @precondition(lambda self: self.driver.requests)
    @rule(data=st.data(), status=st.sampled_from([100, 200, 401, 403, 503]))
    def answer_again(self, data: st.DataObject, status: int) -> None:
        old = data.draw(st.sampled_from(self.driver.requests))
        if old.branch == self.driver.machine.branch:
            self.over = self.over or status >= 200
        self.driver.deliver(response_to(old.request, status, challenge("example.org", "same")))

    # The world between

    @rule(row=st.sampled_from(["RSP-REF", "RSP-CLOSE"]))
    def lose(self, row: str) -> None:
        self.over = True
        self.driver.lost(row=row)

    @rule(places=TARGETS)
    def move_registrar(self, places: list[Target]) -> None:
        self.driver.targets = places

    @precondition(lambda self: isinstance(self.driver.question, Locate))
    @rule(places=TARGETS, found=st.booleans(), absent=st.booleans(), hopeless=st.booleans())
    def locate(self, places: list[Target], found: bool, absent: bool, hopeless: bool) -> None:
        assert self.driver.question is not None
        if found:
            self.driver.locate(*places)
        else:
            self.driver.answer(NotLocated(self.driver.question.token, "x", absent, hopeless))

    @precondition(lambda self: isinstance(self.driver.question, Connect))
    @rule(there=st.booleans(), row=st.sampled_from(["RSP-REF", "RSP-TLS", "TLS-1"]))
    def connect(self, there: bool, row: str) -> None:
        if there:
            self.driver.connect()
        else:
            self.driver.not_connected(row=row)

    @precondition(lambda self: isinstance(self.driver.question, Ask))
    @rule(info=st.sampled_from([None, AuthInfo("alice", password="secret"), "trouble"]))
    def supply(self, info: AuthInfo | str | None) -> None:
        if isinstance(info, str):
            self.driver.not_supplied(info)
        else:
            self.driver.supply(info)

    @precondition(lambda self: self.driver.asked)
    @rule(data=st.data())
    def answer_late(self, data: st.DataObject) -> None:
        """Only the open question can be answered, and only once."""
        driver, old = self.driver, data.draw(st.sampled_from(self.driver.asked))
        if driver.question is not None and old.token == driver.question.token:
            return
        answers: list[Answer] = [
            Located(old.token, [target(7)]), NotLocated(old.token, "x", absent=True), Connected(old.token, flow()),
            NotConnected(old.token, "x"), Answered(old.token, AuthInfo("mallory", password="x")),
            Answered(old.token, None), NotAnswered(old.token, "x"),
        ]  # fmt: skip
        effects = driver.enter(lambda machine, now: machine.take(data.draw(st.sampled_from(answers)), now))
        assert effects == []

    # Time

    @precondition(lambda self: self.driver.machine.deadline is not None)
    @rule(steps=st.integers(1, 15))
    def wait(self, steps: int) -> None:
        for _ in range(steps):
            if self.driver.machine.deadline is not None:
                self._let_pass(self.driver.machine.deadline)

    @rule(span=SPANS)
    def sleep(self, span: float) -> None:
        self._let_pass(self.driver.now + span)

    def _let_pass(self, until: float) -> None:
        driver = self.driver
        late = driver.requests and until >= driver.last.at + 32
        # Timer F, the bound of a removal or of the whole attempt: then nobody waits any more.
        self.over = self.over or bool(late) or driver.machine.deadline == driver.machine._removal_ends_at
        self.over = self.over or until >= (driver.machine._removal_ends_at or float("inf"))
        self.over = self.over or until >= (driver.machine._cycle._ends_at if driver.machine._cycle else float("inf"))
        driver.tick(max(until, driver.now))
        deadline = driver.machine.deadline
        assert deadline is None or deadline > driver.now
        self._check_requests()

    # What always holds

    @invariant()
    def requests_follow_the_rules(self) -> None:
        self._check_requests()

    def _check_requests(self) -> None:
        new = self.driver.requests[self.seen :]
        self.seen += len(new)
        assert len(new) <= 1, "two requests at once"
        if new:
            assert self.over, "a request while another one is not answered (REG-6)"
            self.over = False
            assert self.wanted or new[0].lifetime == 0, "a registration that nobody wants"
            assert not self.down, "a request without network"

    @invariant()
    def the_newest_request_is_the_open_one(self) -> None:
        branch = self.driver.machine.branch
        assert branch is None or branch == self.driver.last.branch

    @invariant()
    def a_deadline_exists_unless_nothing_is_due(self) -> None:
        driver, machine = self.driver, self.driver.machine
        if machine.deadline is not None:
            return
        asking = driver.question is not None
        final = driver.state is FAILED and machine.lease.cause is not None and driver.lease.retry_at is None
        assert machine.intent is Intent.IDLE or asking or self.down or final or machine.lease.paused

    @invariant()
    def ok_means_bound(self) -> None:
        driver = self.driver
        if driver.state is OK:
            assert driver.lease.alive(driver.now)
            assert driver.machine._cycle is None
            assert driver.lease.residual_until is None

    @invariant()
    def intent_and_state_agree(self) -> None:
        intent, state = self.driver.machine.intent, self.driver.state
        if state in (NONE, CLEARED):
            assert intent is Intent.IDLE
        elif state in (OK, REFRESHING):
            assert intent is Intent.REGISTER
        elif intent is Intent.UNREGISTER:
            assert state is PROGRESS

    @invariant()
    def an_attempt_has_limits(self) -> None:
        cycle = self.driver.machine._cycle
        assert cycle is None or (cycle.requests <= 16 and len(cycle.walk.tried) <= 8 + 3)

    def teardown(self) -> None:
        """However it stands: unregister() ends it in bounded time, without any help of the world."""
        driver = getattr(self, "driver", None)
        if driver is None:
            return
        driver.by_hand = set()
        driver.unregister(within=4.0)
        driver.run(driver.now + 4.0)
        assert driver.state in (NONE, CLEARED)


World.TestCase.settings = settings(stateful_step_count=60, deadline=None)
TestWorld = World.TestCase
