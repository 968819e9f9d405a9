"""The resolver against NSD, and against a server that fails on request."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import aiodns
import dns.rcode
import pycares
import pytest

from aiosipreg.engine.targets import Located, ResolutionFailed, Target, Transport
from aiosipreg.net import cares
from aiosipreg.net import resolver as module
from aiosipreg.net.resolver import Resolver
from aiosipreg.net.stats import Stats
from aiosipreg.settings import DnsParams
from aiosipreg.wire import SipUri
from tests.peers.fake_dns import FakeDns, Fault
from tests.peers.nsd import Nsd, nsd_running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    Make = Callable[..., Resolver]

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS


@pytest.fixture(scope="module")
def nsd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nsd]:
    with nsd_running(tmp_path_factory.mktemp("nsd")) as server:
        yield server


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Makes resolvers that ask one server and know no hosts file; a new one each time, since c-ares caches."""
    made: list[Resolver] = []

    def make(nameserver: str, **settings: Any) -> Resolver:
        settings.setdefault("hosts_file", None)
        params = DnsParams(nameservers=(nameserver,), **settings)
        made.append(Resolver(params, random=random.Random(1), stats=Stats()))
        return made[-1]

    yield make
    for resolver in made:
        await resolver.close()


@pytest.fixture
async def fake() -> AsyncIterator[FakeDns]:
    async with FakeDns("h.test. 300 A 192.0.2.1", "h.test. 300 AAAA 2001:db8::1") as server:
        yield server


@pytest.fixture(autouse=True)
def _ipv4_first(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "families" not in request.node.name:
        monkeypatch.setattr(module, "_families", lambda: ("A", "AAAA"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of c-ares, whose own cache keeps repeats from the server."""
    questions: list[str] = []
    query_dns = aiodns.DNSResolver.query_dns

    def count(self: aiodns.DNSResolver, host: str, qtype: str) -> asyncio.Future[pycares.DNSResult]:
        questions.append(f"{qtype} {host}")
        return query_dns(self, host, qtype)

    monkeypatch.setattr(aiodns.DNSResolver, "query_dns", count)
    return questions


class Clock:
    """Moves the clock of the running loop forwards."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._passed = 0.0
        loop = asyncio.get_running_loop()
        time = loop.time
        monkeypatch.setattr(loop, "time", lambda: time() + self._passed)

    def advance(self, seconds: float) -> None:
        self._passed += seconds


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def locate(resolver: Resolver, uri: str, *transports: Transport) -> Located:
    return await resolver.locate(SipUri.parse(uri), transports or (UDP,))


async def targets(resolver: Resolver, uri: str, *transports: Transport) -> list[str]:
    return [str(target) for target in (await locate(resolver, uri, *transports)).targets]


def renewed(resolver: Resolver) -> None:
    """Empty the cache of c-ares, which does not know that the clock was moved."""
    resolver._retire()


async def failure(resolver: Resolver, uri: str, *transports: Transport) -> ResolutionFailed:
    with pytest.raises(ResolutionFailed) as caught:
        await locate(resolver, uri, *transports)
    return caught.value


# A real name server


@pytest.mark.parametrize(
    ("uri", "transports", "expected"),
    [
        ("sip:sip.test;maddr=one.sip.test", (UDP,), ["udp:192.0.2.1:5060", "udp:[2001:db8::1]:5060"]),
        ("sips:full.sip.test", (TLS, UDP), ["tls:192.0.2.1:5061", "tls:[2001:db8::1]:5061"]),
        ("sip:full.sip.test", (TCP,), ["tcp:192.0.2.1:5060", "tcp:[2001:db8::1]:5060"]),
        ("sip:full.sip.test;transport=ws", (Transport.WS,), ["ws:192.0.2.1:8080", "ws:[2001:db8::1]:8080"]),
        ("sip:srv.sip.test", (UDP,), ["udp:192.0.2.1:5070", "udp:[2001:db8::1]:5070"]),
        ("sip:srv.sip.test;transport=udp", (UDP,), ["udp:192.0.2.1:5070", "udp:[2001:db8::1]:5070"]),
        ("sip:dangling.sip.test", (UDP,), ["udp:192.0.2.2:5060"]),
        ("sip:six.sip.test", (UDP,), ["udp:[2001:db8::6]:5060"]),
        ("sip:SIX.sip.test.", (UDP,), ["udp:[2001:db8::6]:5060"]),
        ("sips:six.sip.test", (UDP, TLS), ["tls:[2001:db8::6]:5061"]),
        ("sip:two.sip.test:5099", (UDP,), ["udp:192.0.2.2:5099"]),
    ],
)
async def test_DNS_1_4_5_6_8_9_10_13_25_against_nsd(
    nsd: Nsd, make: Make, uri: str, transports: tuple[Transport, ...], expected: list[str]
) -> None:
    assert await targets(make(nsd.nameserver), uri, *transports) == expected


async def test_DNS_7_naptr_order_preference_and_srv_priority_against_nsd(nsd: Nsd, make: Make) -> None:
    found = await targets(make(nsd.nameserver), "sip:full.sip.test", TLS, UDP, TCP)
    assert found[:2] == ["tls:192.0.2.1:5061", "tls:[2001:db8::1]:5061"]
    assert found[2:4] == ["udp:192.0.2.1:5060", "udp:[2001:db8::1]:5060"]
    assert sorted(found[4:]) == ["udp:192.0.2.2:5062", "udp:[2001:db8::3]:5064"]


@pytest.mark.parametrize("uri", ["sip:elsewhere.sip.test", "sip:aliased.sip.test"])
async def test_DNS_7_srv_under_another_name_against_nsd(nsd: Nsd, make: Make, uri: str) -> None:
    located = await locate(make(nsd.nameserver), uri)
    assert located.targets[0] == Target("192.0.2.1", 5060, UDP, uri.removeprefix("sip:"))
    assert len(located.targets) == 4


async def test_DNS_10_every_address_of_a_bare_name_against_nsd(nsd: Nsd, make: Make) -> None:
    assert sorted(await targets(make(nsd.nameserver), "sip:bare.sip.test")) == [
        "udp:192.0.2.10:5060",
        "udp:192.0.2.11:5060",
    ]


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("sip:none.sip.test", "SRV _sip._udp.none.sip.test has the target '.'"),
        ("sip:lost.sip.test", "A gone.sip.test"),
        ("sip:text.sip.test", "A text.sip.test"),
        ("sip:missing.sip.test", "AAAA missing.sip.test"),
        ("sip:nowhere.sip.test", "A nowhere.sip.test"),
    ],
)
async def test_DNS_21_absence_against_nsd(nsd: Nsd, make: Make, uri: str, name: str) -> None:
    failed = await failure(make(nsd.nameserver), uri)
    assert failed.absent
    assert name in str(failed)
    assert "check" in str(failed)


@pytest.mark.parametrize("uri", ["sip:another.test", "sips:another.test"])
async def test_DNS_21_a_refusing_server_is_trouble(nsd: Nsd, make: Make, uri: str) -> None:
    failed = await failure(make(nsd.nameserver), uri, UDP, TLS)
    assert not failed.absent
    assert "another.test" in str(failed)
    assert "refused" in str(failed)


async def test_DNS_20_eight_cnames_are_followed_and_nine_are_not(nsd: Nsd, make: Make) -> None:
    resolver = make(nsd.nameserver)
    assert len(await targets(resolver, "sip:c8.sip.test:5060")) == 2
    failed = await failure(resolver, "sip:c9.sip.test:5060")
    assert not failed.absent
    assert "A c9.sip.test (more than 8 CNAMEs" in str(failed)


async def test_DNS_20_a_loop_of_cnames_ends(nsd: Nsd, make: Make) -> None:
    assert "CNAMEs" in str(await failure(make(nsd.nameserver), "sip:loop.sip.test:5060"))


async def test_DNS_20_the_ttl_of_an_alias_counts(fake: FakeDns, make: Make) -> None:
    fake.add("alias.test. 20 CNAME h.test.")
    assert (await locate(make(fake.nameserver), "sip:alias.test:5060")).ttl == pytest.approx(20, abs=1)


@pytest.mark.parametrize(("name", "ttl"), [("brief", 1), ("moment", 1)])
async def test_DNS_20_ttl_and_its_floor_against_nsd(nsd: Nsd, make: Make, name: str, ttl: float) -> None:
    assert (await locate(make(nsd.nameserver), f"sip:{name}.sip.test:5060")).ttl == pytest.approx(ttl, abs=0.1)


# The wire


async def test_DNS_23_a_and_aaaa_are_asked_in_parallel(fake: FakeDns, make: Make) -> None:
    fake.faults = {"A h.test": Fault.HELD, "AAAA h.test": Fault.HELD}
    waiting = asyncio.create_task(targets(make(fake.nameserver), "sip:h.test:5060"))
    while len(fake.asked) < 2:
        fake.was_asked.clear()
        await asyncio.wait_for(fake.was_asked.wait(), 5)
    fake.released.set()
    assert await waiting == ["udp:192.0.2.1:5060", "udp:[2001:db8::1]:5060"]


async def test_DNS_23_edns_1232_and_tcp_on_truncation(fake: FakeDns, make: Make) -> None:
    fake.faults = {"A h.test": Fault.TRUNCATED}
    assert len(await targets(make(fake.nameserver), "sip:h.test:5060")) == 2
    assert fake.payloads == {1232}
    assert fake.over_tcp == ["A h.test"]


async def test_nameserver_on_an_ipv6_address(make: Make) -> None:
    async with FakeDns("h.test. 300 A 192.0.2.1", host="::1") as fake:
        assert fake.nameserver.startswith("[::1]:")
        assert await targets(make(fake.nameserver), "sip:h.test:5060") == ["udp:192.0.2.1:5060"]


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED, dns.rcode.FORMERR])
async def test_DNS_21_error_codes_are_trouble(fake: FakeDns, make: Make, code: dns.rcode.Rcode) -> None:
    fake.faults = {"SRV _sips._tcp.h.test": code}
    failed = await failure(make(fake.nameserver), "sips:h.test", TLS)
    assert not failed.absent
    assert "SRV _sips._tcp.h.test" in str(failed)
    assert fake.asked["A h.test"] == 0


async def test_DNS_21_servfail_is_asked_again_before_it_is_believed(fake: FakeDns, make: Make) -> None:
    fake.faults = {"A h.test": dns.rcode.SERVFAIL}
    assert len(await targets(make(fake.nameserver), "sip:h.test:5060")) == 1
    assert fake.asked["A h.test"] == module.TRIES


async def test_DNS_23_a_silent_server_ends_in_time(fake: FakeDns, make: Make) -> None:
    fake.faults = {"A h.test": Fault.SILENCE, "AAAA h.test": Fault.SILENCE}
    loop = asyncio.get_running_loop()
    started = loop.time()
    failed = await failure(make(fake.nameserver, timeout=0.4), "sip:h.test:5060")
    assert loop.time() - started < 2.0
    assert not failed.absent
    assert "A h.test (" in str(failed)


async def test_DNS_23_a_router_that_swallows_naptr_and_srv_leaves_time_for_addresses(fake: FakeDns, make: Make) -> None:
    fake.faults = {"NAPTR h.test": Fault.SILENCE, "SRV _sip._udp.h.test": Fault.SILENCE}
    located = await locate(make(fake.nameserver, timeout=1.5), "sip:h.test")
    assert [target.host for target in located.targets] == ["192.0.2.1", "2001:db8::1"]
    assert located.ttl == 1


async def test_DNS_23_a_query_that_never_ends_ends_in_time(
    fake: FakeDns, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pycares cannot decode is never answered: its callback fails in a thread of c-ares."""
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(aiodns.DNSResolver, "query_dns", lambda *_: loop.create_future())
    resolver = make(fake.nameserver, timeout=0.05)
    failed = await failure(resolver, "sip:h.test:5060")
    assert not failed.absent
    assert "A h.test (no answer in time)" in str(failed)
    await asyncio.wait_for(asyncio.gather(*resolver._tasks), 5)


async def test_closing_does_not_wait_for_a_query_that_never_ends(
    fake: FakeDns, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def never(*_: object) -> asyncio.Future[pycares.DNSResult]:
        asked.set()
        return loop.create_future()

    monkeypatch.setattr(aiodns.DNSResolver, "query_dns", never)
    resolver = make(fake.nameserver, timeout=50)
    waiting = asyncio.create_task(failure(resolver, "sip:h.test:5060"))
    await asyncio.wait_for(asked.wait(), 5)
    await asyncio.wait_for(resolver.close(), 5)
    assert not (await waiting).absent


async def test_records_of_other_names_and_types_are_not_taken(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def record(name: str, kind: int, data: object) -> pycares.DNSRecord:
        return pycares.DNSRecord(name=name, type=kind, record_class=1, ttl=60, data=data)  # type: ignore[arg-type]

    answer = [
        record("other.test", 1, pycares.ARecordData("192.0.2.66")),
        record("H.test.", 16, pycares.TXTRecordData(b"x")),
        record("H.test.", 28, pycares.AAAARecordData("2001:db8::66")),
        record("H.test.", 1, pycares.ARecordData("192.0.2.1")),
    ]
    future = asyncio.get_running_loop().create_future()
    future.set_result(pycares.DNSResult(answer=answer, authority=[], additional=[]))
    monkeypatch.setattr(aiodns.DNSResolver, "query_dns", lambda _, host, qtype: future)
    monkeypatch.setattr(module, "_families", lambda: ("A",))
    assert await targets(make("192.0.2.53"), "sip:h.test:5060") == ["udp:192.0.2.1:5060"]


# Many who ask, and the cache


async def test_a_thousand_accounts_of_one_domain_share_one_look_up(fake: FakeDns, make: Make) -> None:
    fake.add("_sip._udp.h.test. 300 SRV 1 0 5060 h.test.")
    resolver = make(fake.nameserver)
    found = await asyncio.gather(*(targets(resolver, "sip:h.test") for _ in range(1000)))
    assert found == [["udp:192.0.2.1:5060", "udp:[2001:db8::1]:5060"]] * 1000
    assert fake.asked == {"NAPTR h.test": 1, "SRV _sip._udp.h.test": 1, "A h.test": 1, "AAAA h.test": 1}


async def test_a_cancelled_waiter_does_not_cancel_the_others(fake: FakeDns, make: Make) -> None:
    fake.faults = {"A h.test": Fault.HELD}
    resolver = make(fake.nameserver)
    first, second = (asyncio.create_task(targets(resolver, "sip:h.test:5060")) for _ in range(2))
    await asyncio.wait_for(fake.was_asked.wait(), 5)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    fake.released.set()
    assert len(await second) == 2
    assert fake.asked["A h.test"] == 1


async def test_an_answer_that_nobody_waits_for_any_more_is_kept(fake: FakeDns, make: Make, asked: list[str]) -> None:
    fake.faults = {"A h.test": Fault.HELD}
    resolver = make(fake.nameserver)
    waiting = asyncio.create_task(targets(resolver, "sip:h.test:5060"))
    await asyncio.wait_for(fake.was_asked.wait(), 5)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    fake.released.set()
    assert len(await targets(resolver, "sip:h.test:5060")) == 2
    assert len(await targets(resolver, "sip:h.test:5060")) == 2
    assert sorted(asked) == ["A h.test", "AAAA h.test"]


async def test_DNS_20_answers_are_kept_for_their_ttl(fake: FakeDns, make: Make, asked: list[str], clock: Clock) -> None:
    fake.add("short.test. 20 A 192.0.2.2", "short.test. 20 AAAA 2001:db8::2")
    resolver = make(fake.nameserver)
    assert (await locate(resolver, "sip:short.test:5060")).ttl == pytest.approx(20, abs=1)
    clock.advance(15)
    assert (await locate(resolver, "sip:short.test:5060")).ttl == pytest.approx(5, abs=1)
    assert len(asked) == 2
    clock.advance(6)
    assert len(await targets(resolver, "sip:short.test:5060")) == 2
    assert len(asked) == 4


async def test_DNS_20_no_answer_is_kept_for_longer_than_a_day(
    fake: FakeDns, make: Make, asked: list[str], clock: Clock
) -> None:
    fake.add("long.test. 9999999 A 192.0.2.2", "long.test. 9999999 AAAA 2001:db8::2")
    resolver = make(fake.nameserver)
    assert (await locate(resolver, "sip:long.test:5060")).ttl == pytest.approx(86400, abs=1)
    clock.advance(86401)
    await locate(resolver, "sip:long.test:5060")
    assert len(asked) == 4


async def test_DNS_20_absence_is_believed_for_a_while(
    fake: FakeDns, make: Make, asked: list[str], clock: Clock
) -> None:
    resolver = make(fake.nameserver)
    for seconds, count in ((0, 2), (29, 2), (2, 4)):
        clock.advance(seconds)
        assert (await failure(resolver, "sip:gone.test:5060")).absent
        assert len(asked) == count


async def test_DNS_20_absence_is_believed_for_five_minutes_at_most(
    fake: FakeDns, make: Make, asked: list[str], clock: Clock
) -> None:
    resolver = make(fake.nameserver)
    await locate(resolver, "sip:h.test:5060")
    await failure(resolver, "sip:gone.test:5060")
    channel = resolver._dns
    clock.advance(290)
    await failure(resolver, "sip:gone.test:5060")
    assert resolver._dns is channel
    fake.add("gone.test. 300 A 192.0.2.7")
    clock.advance(31)
    assert await targets(resolver, "sip:gone.test:5060") == ["udp:192.0.2.7:5060"]
    assert resolver._dns is not channel


@pytest.mark.parametrize("code", [dns.rcode.NOERROR, dns.rcode.REFUSED])
async def test_DNS_20_neither_found_nor_trouble_renews_the_channel(
    fake: FakeDns, make: Make, asked: list[str], clock: Clock, code: dns.rcode.Rcode
) -> None:
    fake.add("g.test. 300 A 192.0.2.1", "g.test. 300 AAAA 2001:db8::1")
    if code is not dns.rcode.NOERROR:
        fake.faults = {"A g.test": code, "AAAA g.test": code}
    resolver = make(fake.nameserver)
    channels = []
    for count in (2, 4, 6):
        await asyncio.gather(targets(resolver, "sip:g.test:5060"), return_exceptions=True)
        assert len(asked) == count
        channels.append(resolver._dns)
        clock.advance(301)
    assert channels == [resolver._dns] * 3


async def test_a_channel_is_renewed_without_harm_to_who_waits(fake: FakeDns, make: Make, clock: Clock) -> None:
    resolver = make(fake.nameserver)
    for _ in range(3):
        fake.asked.clear()
        await failure(resolver, "sip:gone.test:5060")
        assert fake.asked == {"A gone.test": 1, "AAAA gone.test": 1}
        clock.advance(301)
    fake.faults = {"A h.test": Fault.HELD}
    fake.was_asked.clear()
    waiting = asyncio.create_task(targets(resolver, "sip:h.test:5060"))
    await asyncio.wait_for(fake.was_asked.wait(), 5)
    await failure(resolver, "sip:gone.test:5060")
    fake.released.set()
    assert len(await waiting) == 2


async def test_DNS_21_trouble_is_forgotten_after_a_second(fake: FakeDns, make: Make, clock: Clock) -> None:
    fake.faults = {"A h.test": dns.rcode.REFUSED, "AAAA h.test": dns.rcode.REFUSED}
    resolver = make(fake.nameserver)
    await failure(resolver, "sip:h.test:5060")
    fake.faults = {}
    await failure(resolver, "sip:h.test:5060")
    clock.advance(1.1)
    assert len(await targets(resolver, "sip:h.test:5060")) == 2


@pytest.mark.parametrize("fault", [dns.rcode.SERVFAIL, Fault.SILENCE])
async def test_DNS_21_records_serve_on_while_nobody_can_tell(
    fake: FakeDns, make: Make, clock: Clock, asked: list[str], fault: dns.rcode.Rcode | Fault
) -> None:
    fake.add("_sip._udp.s.test. 2 SRV 0 0 5070 t.test.", "t.test. 2 A 192.0.2.9", "t.test. 2 AAAA 2001:db8::9")
    resolver = make(fake.nameserver)
    found = await targets(resolver, "sip:s.test;transport=udp")
    assert found == ["udp:192.0.2.9:5070", "udp:[2001:db8::9]:5070"]
    questions = ["SRV _sip._udp.s.test", "A t.test", "AAAA t.test"]
    fake.faults = dict.fromkeys(questions, fault)
    clock.advance(3)
    # Only now, or a busy machine may take as long for an answer.
    resolver._params = replace(resolver._params, timeout=0.6)
    renewed(resolver)
    assert await targets(resolver, "sip:s.test;transport=udp") == found
    while resolver._asking:
        await asyncio.wait(resolver._asking.values())
    asked.clear()
    assert await targets(resolver, "sip:s.test;transport=udp") == found
    assert asked == []
    clock.advance(module.OUTAGE_TTL)
    assert await targets(resolver, "sip:s.test;transport=udp") == found
    assert asked == questions
    clock.advance(module.LONGEST_OUTAGE)
    assert not (await failure(resolver, "sip:s.test;transport=udp")).absent


async def test_DNS_21_records_that_are_no_more_do_not_serve_on(fake: FakeDns, make: Make, clock: Clock) -> None:
    fake.add("t.test. 2 A 192.0.2.9")
    resolver = make(fake.nameserver)
    assert await targets(resolver, "sip:t.test:5060") == ["udp:192.0.2.9:5060"]
    fake.clear()
    clock.advance(3)
    renewed(resolver)
    assert (await failure(resolver, "sip:t.test:5060")).absent
    fake.faults = dict.fromkeys(["A t.test", "AAAA t.test"], dns.rcode.SERVFAIL)
    clock.advance(31)
    renewed(resolver)
    assert not (await failure(resolver, "sip:t.test:5060")).absent


async def test_what_is_known_is_at_hand(fake: FakeDns, make: Make) -> None:
    resolver, uri = make(fake.nameserver), SipUri.parse("sip:h.test")
    assert resolver.at_hand(uri, (UDP,)) is None
    located = await resolver.locate(uri, (UDP,))
    asked = sum(fake.asked.values())
    at_hand = resolver.at_hand(uri, (UDP,))
    assert at_hand is not None
    assert at_hand.targets == located.targets
    assert sum(fake.asked.values()) == asked
    await resolver.close()
    assert resolver.at_hand(uri, (UDP,)) is None


async def test_where_an_address_leads_is_found_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiosipreg.net.resolver.MAX_KNOWN", 2)
    resolver = make("127.0.0.1")
    uris = [SipUri.parse(f"sip:192.0.2.{number}") for number in range(3)]
    first = [resolver.at_hand(uri, (UDP,)) for uri in uris]
    again = [resolver.at_hand(uri, (UDP,)) for uri in (uris[2], uris[1], uris[0])]
    assert again == [*reversed(first)]
    assert [mine is theirs for mine, theirs in zip(again, reversed(first), strict=True)] == [True, True, False]
    over_tcp = resolver.at_hand(uris[2], (TCP,))
    assert over_tcp is not None
    assert [target.transport for target in over_tcp.targets] == [TCP]


async def test_what_needs_no_name_server_is_at_hand(make: Make) -> None:
    resolver = make("127.0.0.1")
    located = resolver.at_hand(SipUri.parse("sip:192.0.2.1"), (UDP,))
    assert located is not None
    assert [str(target) for target in located.targets] == ["udp:192.0.2.1:5060"]
    with pytest.raises(ResolutionFailed, match="no domain name"):
        resolver.at_hand(SipUri.parse("sip:" + "x" * 64), (UDP,))


async def test_another_network_gives_other_answers(fake: FakeDns, make: Make) -> None:
    resolver = make(fake.nameserver)
    resolver.forget()
    assert len(await targets(resolver, "sip:h.test:5060")) == 2
    fake.clear()
    fake.add("h.test. 300 A 10.0.0.1")
    assert len(await targets(resolver, "sip:h.test:5060")) == 2
    resolver.forget()
    assert await targets(resolver, "sip:h.test:5060") == ["udp:10.0.0.1:5060"]


async def test_a_late_answer_from_the_old_network_is_not_remembered(fake: FakeDns, make: Make) -> None:
    fake.faults = {"A h.test": Fault.HELD}
    resolver = make(fake.nameserver)
    old = asyncio.create_task(targets(resolver, "sip:h.test:5060"))
    await asyncio.wait_for(fake.was_asked.wait(), 5)
    resolver.forget()
    fake.released.set()
    assert "udp:192.0.2.1:5060" in await old
    fake.faults = {}
    fake.clear()
    fake.add("h.test. 300 A 10.0.0.1")
    assert await targets(resolver, "sip:h.test:5060") == ["udp:10.0.0.1:5060"]


async def test_after_the_second_change_of_network_nobody_waits_for_the_first(fake: FakeDns, make: Make) -> None:
    fake.faults = {"A h.test": Fault.HELD}
    resolver = make(fake.nameserver, timeout=50)
    waiting = asyncio.create_task(failure(resolver, "sip:h.test:5060;maddr=h.test"))
    fake.faults["AAAA h.test"] = Fault.HELD
    await asyncio.wait_for(fake.was_asked.wait(), 5)
    for _ in range(2):
        resolver.forget()
        await failure(resolver, "sip:gone.test:5060")
    assert not (await asyncio.wait_for(waiting, 5)).absent


async def test_the_cache_is_bounded(
    fake: FakeDns, make: Make, asked: list[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KNOWN", 3)
    monkeypatch.setattr(module, "_families", lambda: ("A",))
    fake.add(*(f"n{index}.test. {100 + index} A 192.0.2.{index}" for index in range(6)))
    resolver = make(fake.nameserver)
    for index in range(4):
        await locate(resolver, f"sip:n{index}.test:5060")
    assert len(resolver._known) == 3
    asked.clear()
    await locate(resolver, "sip:n3.test:5060")
    assert not asked
    await locate(resolver, "sip:n0.test:5060")
    assert asked == ["A n0.test"]
    clock.advance(102.5)  # only n3 is alive still: what has expired goes first
    await locate(resolver, "sip:n5.test:5060")
    assert {question.name for question in resolver._known} == {"n3.test", "n5.test"}


async def test_an_unexpected_error_reaches_everyone_who_waits_and_is_not_kept(
    fake: FakeDns, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = cares._read
    monkeypatch.setattr(cares, "_read", lambda *_: 1 / 0)
    resolver = make(fake.nameserver)
    outcomes = await asyncio.gather(
        *(targets(resolver, "sip:h.test:5060") for _ in range(2)), return_exceptions=True
    )  # fmt: skip
    assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError] * 2
    monkeypatch.setattr(cares, "_read", read)
    assert len(await targets(resolver, "sip:h.test:5060")) == 2


async def test_answers_are_told_at_debug_level(fake: FakeDns, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "aiosipreg.dns")
    await locate(make(fake.nameserver), "sip:h.test:5060")
    assert "A h.test: 1 records, ttl 300, ok" in caplog.messages


# A domain that offered TLS


SECURE = ('h.test. 300 NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.h.test.', "_sips._tcp.h.test. 300 SRV 1 0 5061 h.test.")


async def offered_before(
    fake: FakeDns, resolver: Resolver, clock: Clock, uri: str = "sip:h.test", *transports: Transport
) -> None:
    """Let the domain lead to TLS, and later no more."""
    fake.add(*SECURE)
    assert (await targets(resolver, uri, *(transports or (TLS, UDP))))[0] == "tls:192.0.2.1:5061"
    fake.clear()
    fake.add("h.test. 300 A 192.0.2.1", "_sip._udp.h.test. 300 SRV 1 0 5060 h.test.")
    resolver.forget()
    clock.advance(301)


async def test_DNS_22_naptr_that_offered_tls_and_is_gone_raises_an_alarm_once(
    fake: FakeDns, make: Make, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    resolver = make(fake.nameserver)
    await offered_before(fake, resolver, clock)
    for _ in range(3):
        assert await targets(resolver, "sip:h.test", TLS, UDP) == ["udp:192.0.2.1:5060"]
    assert [record.levelname for record in caplog.records if "h.test offered TLS" in record.message] == ["WARNING"]
    assert resolver._stats.downgrades == 1


async def test_DNS_22_refused_by_policy(fake: FakeDns, make: Make, clock: Clock) -> None:
    resolver = make(fake.nameserver, refuse_downgrade=True)
    await offered_before(fake, resolver, clock)
    for _ in range(2):
        failed = await failure(resolver, "sip:h.test", TLS, UDP)
        assert not failed.absent
        assert "h.test offered TLS by its NAPTR records before" in str(failed)
    # Nor is what it said without TLS at hand, although it is known by now.
    with pytest.raises(ResolutionFailed, match="offered TLS"):
        resolver.at_hand(SipUri.parse("sip:h.test"), (TLS, UDP))
    assert resolver._stats.downgrades == 1
    fake.add(*SECURE)
    resolver.forget()
    assert (await targets(resolver, "sip:h.test", TLS, UDP))[0] == "tls:192.0.2.1:5061"


async def test_DNS_22_an_answer_that_is_kept_from_us_is_no_better(fake: FakeDns, make: Make, clock: Clock) -> None:
    resolver = make(fake.nameserver, refuse_downgrade=True)
    await offered_before(fake, resolver, clock)
    fake.faults = {"NAPTR h.test": dns.rcode.SERVFAIL}
    assert "offered TLS" in str(await failure(resolver, "sip:h.test", TLS, UDP))


@pytest.mark.parametrize("uri", ["sip:h.test;transport=udp", "sip:h.test:5060", "sip:192.0.2.1", "sip:other.test"])
async def test_DNS_22_what_naptr_has_no_say_in_is_no_downgrade(
    fake: FakeDns, make: Make, clock: Clock, uri: str
) -> None:
    resolver = make(fake.nameserver, refuse_downgrade=True)
    await offered_before(fake, resolver, clock)
    fake.add("other.test. 300 A 192.0.2.1")
    assert (await targets(resolver, uri, UDP))[0] == "udp:192.0.2.1:5060"
    assert resolver._stats.downgrades == 0


async def test_DNS_22_tls_by_another_way_is_no_downgrade(fake: FakeDns, make: Make, clock: Clock) -> None:
    resolver = make(fake.nameserver, refuse_downgrade=True)
    await offered_before(fake, resolver, clock)
    fake.add(SECURE[1])
    assert (await targets(resolver, "sip:h.test", TLS, UDP))[0] == "tls:192.0.2.1:5061"
    assert resolver._stats.downgrades == 0


async def test_DNS_22_no_more_domains_are_remembered_than_answers(
    fake: FakeDns, make: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KNOWN", 2)
    resolver = make(fake.nameserver)
    for name in ("a", "b", "a", "c"):
        fake.add(*(line.replace("h.test. 300", f"{name}.test. 300").replace("tcp.h", f"tcp.{name}") for line in SECURE))
        assert (await targets(resolver, f"sip:{name}.test", TLS))[0] == "tls:192.0.2.1:5061"
    assert list(resolver._secured) == ["a.test", "c.test"]


# Names that need no question


async def test_DNS_3_literals_start_no_thread(make: Make) -> None:
    before = threading.active_count()
    resolver = make("192.0.2.53")
    assert await targets(resolver, "sip:192.0.2.1") == ["udp:192.0.2.1:5060"]
    assert await targets(resolver, "sip:[2001:db8::1]:5070") == ["udp:[2001:db8::1]:5070"]
    assert threading.active_count() == before
    assert resolver._dns is None


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_text("192.0.2.7 pbx pbx.test\n2001:db8::7 pbx\n")
    return path


@pytest.mark.parametrize("name", ["pbx", "pbx.test"])
async def test_DNS_23_hosts_file_is_honoured(fake: FakeDns, make: Make, hosts: Path, name: str) -> None:
    fake.add(f"{name}. 300 A 192.0.2.66", f"{name}. 300 AAAA 2001:db8::66")
    located = await locate(make(fake.nameserver, hosts_file=str(hosts)), f"sip:{name}:5060")
    expected = ["192.0.2.7", "2001:db8::7"] if name == "pbx" else ["192.0.2.7"]
    assert [target.host for target in located.targets] == expected
    assert located.ttl == pytest.approx(30, abs=1)
    assert not fake.asked


@pytest.mark.parametrize(("family", "host"), [("A", "192.0.2.7"), ("AAAA", "2001:db8::7")])
async def test_DNS_13_families_in_the_hosts_file(
    fake: FakeDns, make: Make, hosts: Path, family: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_families", lambda: (family,))
    located = await locate(make(fake.nameserver, hosts_file=str(hosts)), "sip:pbx:5060")
    assert [target.host for target in located.targets] == [host]


async def test_DNS_23_hosts_file_serves_srv_targets_and_leaves_other_names_to_dns(
    fake: FakeDns, make: Make, hosts: Path
) -> None:
    fake.add("_sip._udp.h.test. 300 SRV 1 0 5062 pbx.")
    resolver = make(fake.nameserver, hosts_file=str(hosts))
    assert await targets(resolver, "sip:h.test") == ["udp:192.0.2.7:5062", "udp:[2001:db8::7]:5062"]
    assert len(await targets(resolver, "sip:h.test:5060")) == 2
    assert "A pbx" not in fake.asked


async def test_a_missing_hosts_file_is_no_error(fake: FakeDns, make: Make, tmp_path: Path) -> None:
    resolver = make(fake.nameserver, hosts_file=str(tmp_path / "none"))
    assert len(await targets(resolver, "sip:h.test:5060")) == 2


# Address families


class Probe:
    """A socket that chooses a source address without a network."""

    source = "2001:4860::1"

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def connect(self, _: object) -> None:
        if not self.source:
            raise OSError("no route")

    def getsockname(self) -> tuple[str, int, int, int]:
        return self.source, 1, 0, 0


@pytest.mark.parametrize(
    ("source", "expected"),
    [("2001:4860::1", ("AAAA", "A")), ("fd00::1", ("A", "AAAA")), ("fe80::1%eth0", ("A", "AAAA")), ("", ("A", "AAAA"))],
)
def test_DNS_13_families_in_the_order_of_reach(
    source: str, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Probe, "source", source)
    monkeypatch.setattr(socket, "socket", Probe)
    assert module._families() == expected


def test_DNS_13_families_without_ipv6_in_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_ipv6", False)
    assert module._families() == ("A",)


async def test_DNS_13_families_are_looked_at_again(
    fake: FakeDns, make: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = make(fake.nameserver)
    monkeypatch.setattr(module, "_families", lambda: ("A", "AAAA"))
    assert (await targets(resolver, "sip:h.test:5060"))[0] == "udp:192.0.2.1:5060"
    monkeypatch.setattr(module, "_families", lambda: ("AAAA", "A"))
    assert (await targets(resolver, "sip:h.test:5060"))[0] == "udp:192.0.2.1:5060"
    clock.advance(6)
    assert (await targets(resolver, "sip:h.test:5060"))[0] == "udp:[2001:db8::1]:5060"


# The end


async def test_closing_ends_what_is_being_asked(fake: FakeDns, make: Make) -> None:
    fake.faults = {"NAPTR h.test": Fault.SILENCE}
    resolver = make(fake.nameserver)
    waiting = asyncio.create_task(failure(resolver, "sip:h.test"))
    await asyncio.wait_for(fake.was_asked.wait(), 5)
    await resolver.close()
    failed = await waiting
    assert not failed.absent
    assert "closed" in str(failed)
    await resolver.close()


async def test_a_closed_resolver_answers_nothing(fake: FakeDns, make: Make) -> None:
    resolver = make(fake.nameserver)
    assert len(await targets(resolver, "sip:h.test:5060")) == 2
    await resolver.close()
    assert "closed" in str(await failure(resolver, "sip:h.test:5060"))


async def test_the_thread_of_c_ares_ends_with_the_resolver(fake: FakeDns, make: Make) -> None:
    resolver = make(fake.nameserver)
    await targets(resolver, "sip:h.test:5060")
    channel = resolver._dns
    assert channel is not None
    await resolver.close()
    assert resolver._dns is None
    assert channel._dns._closed
