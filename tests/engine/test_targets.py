"""RFC 3263 with plain records: every rule by its row, without a resolver and without a loop."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from fractions import Fraction
from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.engine.dns import LONGEST_TTL, Address, Answer, Families, Naptr, Question, Srv
from aiosipreg.engine.targets import (
    Located,
    ResolutionFailed,
    Search,
    Target,
    Transport,
    select_targets,
    weighted_order,
    without_descent,
)
from aiosipreg.wire import SipUri

if TYPE_CHECKING:
    from collections.abc import Callable

UDP, TCP, TLS, WS, WSS = Transport
EVERY = (TLS, UDP, TCP)


def srv(priority: int, weight: int, port: int, target: str, ttl: float = 300) -> Srv:
    return Srv(priority=priority, weight=weight, port=port, target=target, ttl=ttl)


def naptr(order: int, preference: int, service: str, replacement: str, flags: str = "s", regexp: str = "") -> Naptr:
    return Naptr(
        order=order,
        preference=preference,
        flags=flags,
        service=service,
        regexp=regexp,
        replacement=replacement,
        ttl=300,
    )


def finish(search: Search, answer: Callable[[tuple[Question, ...]], tuple[Answer, ...]]) -> Located:
    try:
        questions = next(search)
        while True:
            questions = search.send(answer(questions))
    except StopIteration as stop:
        located: Located = stop.value
        return located


class Zone:
    """Answers questions from ``{"TYPE name": records, or a phrase of trouble}`` and remembers them in rounds."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Naptr | Srv | Address] | str] = {}
        self.rounds: list[list[str]] = []
        self.ttls: dict[str, float] = {}

    def __setitem__(self, question: str, records: object) -> None:
        if isinstance(records, str) and question.split()[0] in ("A", "AAAA"):
            records = [Address(host, 300) for host in records.split()]
        self.answers[question] = records  # type: ignore[assignment]

    def fails(self, *questions: str) -> None:
        for question in questions:
            self.answers[question] = "SERVFAIL"

    def answer(self, question: Question) -> Answer:
        found = self.answers.get(str(question), [])
        ttl = self.ttls.get(str(question), 300)
        return Answer((), 1, found) if isinstance(found, str) else Answer(tuple(found), ttl)

    def locate(self, uri: str, *transports: Transport, families: Families = ("A", "AAAA"), seed: int = 1) -> Located:
        search = select_targets(
            SipUri.parse(uri), transports=transports or (UDP,), random=random.Random(seed), families=families
        )

        def answer(questions: tuple[Question, ...]) -> tuple[Answer, ...]:
            self.rounds.append([str(question) for question in questions])
            return tuple(self.answer(question) for question in questions)

        return finish(search, answer)

    def targets(self, uri: str, *transports: Transport, families: Families = ("A", "AAAA")) -> list[str]:
        return [str(target) for target in self.locate(uri, *transports, families=families).targets]

    def failure(self, uri: str, *transports: Transport) -> ResolutionFailed:
        with pytest.raises(ResolutionFailed) as caught:
            self.locate(uri, *transports)
        return caught.value

    @property
    def asked(self) -> list[str]:
        return [question for questions in self.rounds for question in questions]


@pytest.fixture
def zone() -> Zone:
    return Zone()


# Transports and targets


def test_transport_properties() -> None:
    assert [transport for transport in Transport if not transport.reliable] == [UDP]
    assert [transport for transport in Transport if transport.secure] == [TLS, WSS]
    assert [transport for transport in Transport if transport.websocket] == [WS, WSS]


def test_target_text() -> None:
    assert str(Target("192.0.2.1", 5060, UDP, "h")) == "udp:192.0.2.1:5060"
    assert str(Target("2001:db8::1", 443, WSS, "h")) == "wss:[2001:db8::1]:443"


# The URI alone


def test_DNS_1_maddr_is_looked_up_and_the_host_is_not(zone: Zone) -> None:
    zone["A edge.example.net"] = "192.0.2.9"
    located = zone.locate("sip:example.org:5070;maddr=Edge.example.NET.")
    assert located.targets == (Target("192.0.2.9", 5070, UDP, "edge.example.net"),)
    assert zone.asked == ["A edge.example.net", "AAAA edge.example.net"]


def test_DNS_1_numeric_maddr(zone: Zone) -> None:
    assert zone.targets("sip:example.org;maddr=192.0.2.7") == ["udp:192.0.2.7:5060"]


@pytest.mark.parametrize(
    ("parameter", "target"),
    [("udp", "udp:192.0.2.1:5060"), ("TCP", "tcp:192.0.2.1:5060"), ("tls", "tls:192.0.2.1:5061"),
     ("ws", "ws:192.0.2.1:80"), ("wss", "wss:192.0.2.1:443")],
)  # fmt: skip
def test_DNS_2_the_transport_parameter_decides(zone: Zone, parameter: str, target: str) -> None:
    assert zone.targets(f"sip:192.0.2.1;transport={parameter}", *Transport) == [target]


@pytest.mark.parametrize(
    ("parameter", "target"),
    [("tcp", "tls:192.0.2.1:5061"), ("tls", "tls:192.0.2.1:5061"), ("ws", "wss:192.0.2.1:443")],
)
def test_DNS_2_sips_runs_over_the_secure_form(zone: Zone, parameter: str, target: str) -> None:
    assert zone.targets(f"sips:192.0.2.1;transport={parameter}", *Transport) == [target]


@pytest.mark.parametrize("uri", ["sip:192.0.2.1;transport=sctp", "sips:192.0.2.1;transport=udp",
                                 "sips:h.example;transport=udp"])  # fmt: skip
def test_URI_13_transports_that_cannot_be(zone: Zone, uri: str) -> None:
    failure = zone.failure(uri, *Transport)
    assert failure.absent
    assert f"transport={uri.rpartition('=')[2]!r}" in str(failure)
    assert not zone.asked


def test_DNS_2_a_transport_that_is_not_enabled(zone: Zone) -> None:
    failure = zone.failure("sip:h.example;transport=tcp", UDP, TLS)
    assert failure.absent
    assert "transport='tcp'" in str(failure)
    assert "enabled are: UDP, TLS" in str(failure)


def test_DNS_2_no_secure_transport_for_sips(zone: Zone) -> None:
    failure = zone.failure("sips:h.example", UDP, TCP)
    assert "a secure transport" in str(failure)
    assert "UDP, TCP" in str(failure)


def test_DNS_2_no_transport_at_all() -> None:
    search = select_targets(SipUri.parse("sip:h.example"), transports=(), random=random.Random(1))
    with pytest.raises(ResolutionFailed, match="a transport here, and enabled are: none"):
        next(search)


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("sip:192.0.2.1", "udp:192.0.2.1:5060"),
        ("sips:192.0.2.1", "tls:192.0.2.1:5061"),
        ("sip:[2001:DB8::1]", "udp:[2001:db8::1]:5060"),
        ("sip:192.0.2.1:5070", "udp:192.0.2.1:5070"),
        ("sips:192.0.2.1:5060", "tls:192.0.2.1:5060"),
    ],
)
def test_DNS_3_numeric_hosts_are_never_asked_for(zone: Zone, uri: str, target: str) -> None:
    located = zone.locate(uri, *EVERY)
    assert [str(found) for found in located.targets] == [target]
    assert located.ttl == LONGEST_TTL
    assert not zone.asked


def test_DNS_3_without_udp_the_next_enabled_transport_is_the_default(zone: Zone) -> None:
    assert zone.targets("sip:192.0.2.1", TLS, TCP) == ["tcp:192.0.2.1:5060"]
    assert zone.targets("sip:192.0.2.1", WSS) == ["wss:192.0.2.1:443"]


@pytest.mark.parametrize(("uri", "target"), [("sip:h.example:5060", "udp:192.0.2.1:5060"),
                                             ("sip:h.example:5090", "udp:192.0.2.1:5090"),
                                             ("sips:h.example:5061", "tls:192.0.2.1:5061"),
                                             ("sip:h.example:5060;transport=tcp", "tcp:192.0.2.1:5060")])  # fmt: skip
def test_DNS_4_a_port_rules_srv_out(zone: Zone, uri: str, target: str) -> None:
    zone["A h.example"] = "192.0.2.1"
    assert zone.targets(uri, *EVERY) == [target]
    assert zone.rounds == [["A h.example", "AAAA h.example"]]


# NAPTR

RFC_EXAMPLE = [
    naptr(90, 50, "SIP+D2T", "_sip._tcp.example.com"),
    naptr(100, 50, "SIP+D2U", "_sip._udp.example.com"),
    naptr(50, 50, "SIPS+D2T", "_sips._tcp.example.com"),
]


@pytest.fixture
def rfc_zone(zone: Zone) -> Zone:
    """The example of RFC 3263 section 4.1 and 4.2."""
    zone["NAPTR example.com"] = RFC_EXAMPLE
    zone["SRV _sip._tcp.example.com"] = [srv(0, 1, 5060, "server1.example.com"), srv(0, 2, 5060, "server2.example.com")]
    zone["SRV _sips._tcp.example.com"] = [srv(0, 1, 5061, "server1.example.com")]
    zone["SRV _sip._udp.example.com"] = [srv(0, 1, 5060, "server1.example.com")]
    zone["A server1.example.com"] = "192.0.2.1"
    zone["A server2.example.com"] = "192.0.2.2"
    return zone


@pytest.mark.parametrize(
    ("transports", "expected"),
    [
        ((TLS, TCP, UDP), ["tls:192.0.2.1:5061"]),
        ((UDP, TCP), ["tcp:192.0.2.2:5060", "tcp:192.0.2.1:5060"]),
        ((UDP,), ["udp:192.0.2.1:5060"]),
    ],
)
def test_DNS_7_rfc_3263_example(rfc_zone: Zone, transports: tuple[Transport, ...], expected: list[str]) -> None:
    assert sorted(rfc_zone.targets("sip:user@example.com", *transports)) == sorted(expected)
    assert rfc_zone.rounds[0] == ["NAPTR example.com"]


def test_DNS_5_other_services_and_unusable_records_are_dropped(zone: Zone) -> None:
    zone["NAPTR example.com"] = [
        naptr(1, 1, "E2U+sip", "_sip._udp.a.example"),
        naptr(1, 2, "SIP+D2S", "_sip._sctp.example.com"),
        naptr(1, 3, "SIP+D2U", "_sip._udp.b.example", flags="u"),
        naptr(1, 4, "SIP+D2U", "", regexp="!^.*$!sip:x@y!", flags="s"),
        naptr(1, 5, "SIP+D2U", "_sip._udp.c.example", regexp="!a!b!"),
        naptr(1, 6, "SIP+D2U", "."),
        naptr(1, 7, "SIP+D2W", "_sip._ws.example.com"),
        naptr(9, 9, "sIp+d2u", "_sip._udp.Example.com.", flags="S"),
    ]
    zone["SRV _sip._udp.example.com"] = [srv(0, 0, 5060, "h.example.com")]
    zone["A h.example.com"] = "192.0.2.1"
    assert zone.targets("sip:example.com", UDP, TCP) == ["udp:192.0.2.1:5060"]
    assert zone.rounds[1] == ["SRV _sip._udp.example.com"]


@pytest.mark.parametrize(
    ("uri", "transports", "secured"),
    [
        ("sip:example.com", (TLS, UDP), True),
        ("sips:example.com", (TLS,), True),
        ("sip:example.com", (UDP, TCP), False),  # what we could not use anyway is no loss
        ("sip:example.com;transport=udp", (TLS, UDP), None),
        ("sip:example.com:5060", (TLS, UDP), None),
        ("sip:192.0.2.1", (TLS, UDP), None),
    ],
)
def test_DNS_22_it_is_told_whether_naptr_led_to_a_secure_transport(
    zone: Zone, uri: str, transports: tuple[Transport, ...], secured: bool | None
) -> None:
    zone["NAPTR example.com"] = RFC_EXAMPLE
    zone["A example.com"] = "192.0.2.1"
    assert zone.locate(uri, *transports).secured is secured


def test_DNS_22_no_naptr_at_all(zone: Zone) -> None:
    zone["A example.com"] = "192.0.2.1"
    assert zone.locate("sip:example.com", TLS, UDP).secured is False


def test_DNS_24_websocket_services_when_enabled(zone: Zone) -> None:
    zone["NAPTR example.com"] = [naptr(1, 1, "SIP+D2W", "_sip._ws.example.com"),
                                 naptr(1, 0, "SIPS+D2W", "_sips._ws.example.com")]  # fmt: skip
    zone["SRV _sips._ws.example.com"] = [srv(0, 0, 8443, "h.example.com")]
    zone["SRV _sip._ws.example.com"] = [srv(0, 0, 8080, "h.example.com")]
    zone["A h.example.com"] = "192.0.2.1"
    assert zone.targets("sip:example.com", UDP, WS, WSS) == ["wss:192.0.2.1:8443", "ws:192.0.2.1:8080"]


@pytest.mark.parametrize(("uri", "target"), [("sip:h.example;transport=ws", "ws:192.0.2.1:80"),
                                             ("sips:h.example;transport=ws", "wss:192.0.2.1:443")])  # fmt: skip
def test_DNS_24_websocket_default_ports(zone: Zone, uri: str, target: str) -> None:
    zone["A h.example"] = "192.0.2.1"
    assert zone.targets(uri, *Transport) == [target]


def test_DNS_6_sips_keeps_sips_services_only(rfc_zone: Zone) -> None:
    rfc_zone["NAPTR example.com"] = [naptr(1, 1, "SIP+D2T", "_sip._tcp.example.com"), *RFC_EXAMPLE]
    assert rfc_zone.targets("sips:example.com", *EVERY) == ["tls:192.0.2.1:5061"]
    assert rfc_zone.targets("sip:example.com", UDP, TCP, TLS)[0].startswith("tcp:")


def test_DNS_7_preference_counts_inside_the_lowest_order_only(zone: Zone) -> None:
    zone["NAPTR example.com"] = [
        naptr(20, 1, "SIPS+D2T", "_sips._tcp.example.com"),
        naptr(10, 30, "SIP+D2U", "_sip._udp.example.com"),
        naptr(10, 20, "SIP+D2T", "_sip._tcp.other.example"),
    ]
    zone["SRV _sip._udp.example.com"] = [srv(0, 0, 5060, "h.example.com")]
    zone["SRV _sip._tcp.other.example"] = [srv(0, 0, 5062, "h.example.com")]
    zone["A h.example.com"] = "192.0.2.1"
    located = zone.locate("sip:example.com", *EVERY)
    assert [str(target) for target in located.targets] == ["tcp:192.0.2.1:5062", "udp:192.0.2.1:5060"]
    # RFC 5922 7.3: the certificate is for the domain that was asked for, wherever the records lead.
    assert {target.name for target in located.targets} == {"example.com"}
    assert zone.rounds[1] == ["SRV _sip._tcp.other.example", "SRV _sip._udp.example.com"]


def test_DNS_7_a_service_without_srv_leads_to_the_domain_by_that_transport(zone: Zone) -> None:
    zone["NAPTR example.com"] = [naptr(1, 1, "SIP+D2T", "_sip._tcp.example.com")]
    zone["A example.com"] = "192.0.2.1"
    assert zone.targets("sip:example.com", UDP, TCP) == ["tcp:192.0.2.1:5060"]


# SRV


def test_DNS_8_without_naptr_srv_is_asked_for_every_enabled_transport(zone: Zone) -> None:
    for owner in ("_sip._udp", "_sip._tcp", "_sips._tcp"):
        zone[f"SRV {owner}.example.com"] = [srv(0, 0, 5060, f"h{owner}.example.com")]
    zone["A h_sip._udp.example.com"] = "192.0.2.1"
    zone["A h_sip._tcp.example.com"] = "192.0.2.2"
    zone["A h_sips._tcp.example.com"] = "192.0.2.3"
    assert zone.targets("sip:example.com", TLS, UDP, TCP) == [
        "tls:192.0.2.3:5060", "udp:192.0.2.1:5060", "tcp:192.0.2.2:5060",
    ]  # fmt: skip
    assert zone.rounds[:2] == [
        ["NAPTR example.com"],
        ["SRV _sips._tcp.example.com", "SRV _sip._udp.example.com", "SRV _sip._tcp.example.com"],
    ]


def test_DNS_8_preference_among_hits_is_the_callers(zone: Zone) -> None:
    zone["SRV _sip._udp.example.com"] = [srv(0, 0, 5060, "h.example.com")]
    zone["SRV _sip._tcp.example.com"] = [srv(0, 0, 5060, "h.example.com")]
    zone["A h.example.com"] = "192.0.2.1"
    assert [text[:3] for text in zone.targets("sip:example.com", TCP, UDP)] == ["tcp", "udp"]


def test_DNS_8_sips_asks_for_sips_only(zone: Zone) -> None:
    zone["SRV _sips._tcp.example.com"] = [srv(0, 0, 5061, "h.example.com")]
    zone["A h.example.com"] = "192.0.2.1"
    assert zone.targets("sips:example.com", *EVERY) == ["tls:192.0.2.1:5061"]
    assert zone.rounds[1] == ["SRV _sips._tcp.example.com"]


@pytest.mark.parametrize(
    ("uri", "owner", "target"),
    [
        ("sip:h.example;transport=udp", "_sip._udp", "udp:192.0.2.1:5099"),
        ("sip:h.example;transport=tcp", "_sip._tcp", "tcp:192.0.2.1:5099"),
        ("sip:h.example;transport=tls", "_sips._tcp", "tls:192.0.2.1:5099"),
        ("sips:h.example;transport=tcp", "_sips._tcp", "tls:192.0.2.1:5099"),
    ],
)
def test_DNS_9_a_named_transport_is_asked_for_directly(zone: Zone, uri: str, owner: str, target: str) -> None:
    zone[f"SRV {owner}.h.example"] = [srv(0, 0, 5099, "edge.h.example")]
    zone["A edge.h.example"] = "192.0.2.1"
    assert zone.targets(uri, *EVERY) == [target]
    assert zone.rounds[0] == [f"SRV {owner}.h.example"]


@pytest.mark.parametrize(("uri", "target"), [("sip:h.example", "udp:192.0.2.1:5060"),
                                             ("sips:h.example", "tls:192.0.2.1:5061"),
                                             ("sip:h.example;transport=tcp", "tcp:192.0.2.1:5060")])  # fmt: skip
def test_DNS_10_a_bare_address(zone: Zone, uri: str, target: str) -> None:
    zone["A h.example"] = "192.0.2.1"
    assert zone.targets(uri, *EVERY) == [target]


@pytest.mark.parametrize("dot", [".", ""])
def test_DNS_11_a_dot_means_not_offered_and_the_address_is_not_tried(zone: Zone, dot: str) -> None:
    zone["A h.example"] = "192.0.2.1"
    zone["SRV _sip._udp.h.example"] = [srv(0, 0, 0, dot)]
    for uri in ("sip:h.example", "sip:h.example;transport=udp"):
        failure = zone.failure(uri)
        assert failure.absent
        assert "SRV _sip._udp.h.example has the target '.'" in str(failure)
    assert "A h.example" not in zone.asked


def test_DNS_11_another_transport_may_still_be_offered(zone: Zone) -> None:
    zone["A h.example"] = "192.0.2.1"
    zone["SRV _sips._tcp.h.example"] = [srv(0, 0, 0, ".")]
    assert zone.targets("sip:h.example", *EVERY) == ["udp:192.0.2.1:5060"]
    zone["SRV _sip._tcp.h.example"] = [srv(0, 0, 5070, "h.example")]
    assert zone.targets("sip:h.example", *EVERY) == ["tcp:192.0.2.1:5070"]


def test_DNS_11_a_dot_among_others_is_no_target(zone: Zone) -> None:
    zone["SRV _sip._udp.h.example"] = [srv(0, 0, 5060, "."), srv(1, 0, 5060, "a.h.example")]
    zone["A a.h.example"] = "192.0.2.1"
    assert zone.targets("sip:h.example") == ["udp:192.0.2.1:5060"]


def test_DNS_12_priority_ascends(zone: Zone) -> None:
    zone["SRV _sip._udp.h.example"] = [srv(priority, 10, 5060, f"p{priority}.example") for priority in (30, 10, 20)]
    for priority in (10, 20, 30):
        zone[f"A p{priority}.example"] = f"192.0.2.{priority}"
    assert zone.targets("sip:h.example") == [f"udp:192.0.2.{priority}:5060" for priority in (10, 20, 30)]


def chances(weights: tuple[int, ...]) -> dict[tuple[int, ...], Fraction]:
    """How likely each order is by RFC 2782, zero weights being shuffled among themselves beforehand."""
    zeros = [index for index, weight in enumerate(weights) if weight == 0]
    rest = [index for index, weight in enumerate(weights) if weight]
    result: Counter[tuple[int, ...]] = Counter()
    arrangements = [(*front, *back) for front in permutations(zeros) for back in permutations(rest)]
    for arrangement in arrangements:
        for order in permutations(range(len(weights))):
            chance = Fraction(1, len(arrangements))
            left = list(arrangement)
            for chosen in order:
                # Of the draws 0 to the sum, as many as its weight lead to a record; the draw 0 to whoever stands first.
                draws = weights[chosen] + (1 if left[0] == chosen else 0)
                chance *= Fraction(draws, sum(weights[index] for index in left) + 1)
                left.remove(chosen)
            result[order] += chance  # type: ignore[assignment]
    return dict(result)  # type: ignore[arg-type]


# Critical values of chi-square at 0.1 % for 1, 5 and 23 degrees of freedom; the seed makes the outcome certain.
@pytest.mark.parametrize(
    ("weights", "critical"),
    [((0, 10), 10.83), ((0, 1, 3), 20.52), ((0, 0, 0), 20.52), ((0, 10, 60, 30), 49.73)],
)  # fmt: skip
def test_DNS_12_weights_by_chi_square(weights: tuple[int, ...], critical: float) -> None:
    draws = 100_000
    records = [srv(1, weight, index + 1, f"h{index}") for index, weight in enumerate(weights)]
    source = random.Random(2782)
    seen = Counter(tuple(record.port - 1 for record in weighted_order(records, source)) for _ in range(draws))
    expected = {order: float(chance) * draws for order, chance in chances(weights).items() if chance}
    assert sum(expected.values()) == pytest.approx(draws)
    assert seen.keys() <= expected.keys()
    assert sum((seen[order] - number) ** 2 / number for order, number in expected.items()) < critical


@given(st.lists(st.builds(srv, st.integers(0, 3), st.integers(0, 65535), st.integers(1, 9), st.sampled_from("abc"))))
def test_DNS_12_every_record_once_and_priorities_in_order(records: list[Srv]) -> None:
    ordered = weighted_order(records, random.Random(1))
    assert Counter(ordered) == Counter(records)
    assert [record.priority for record in ordered] == sorted(record.priority for record in records)


# Addresses


def test_DNS_13_rfc_7984_example(zone: Zone) -> None:
    """RFC 7984 section 3.1: all addresses of one SRV record before those of the next, no interleaving."""
    zone["SRV _sip._udp.h.example"] = [srv(1, 0, 5060, "dual.example"), srv(2, 0, 5062, "six.example"),
                                       srv(3, 0, 5064, "four.example")]  # fmt: skip
    zone["A dual.example"] = "192.0.2.1 192.0.2.2"
    zone["AAAA dual.example"] = "2001:db8::1"
    zone["AAAA six.example"] = "2001:db8::2"
    zone["A four.example"] = "192.0.2.4"
    assert zone.targets("sip:h.example", families=("AAAA", "A")) == [
        "udp:[2001:db8::1]:5060", "udp:192.0.2.1:5060", "udp:192.0.2.2:5060",
        "udp:[2001:db8::2]:5062",
        "udp:192.0.2.4:5064",
    ]  # fmt: skip
    assert zone.targets("sip:h.example")[:2] == ["udp:192.0.2.1:5060", "udp:192.0.2.2:5060"]


def test_DNS_13_unsupported_families_are_not_asked_for(zone: Zone) -> None:
    zone["A h.example"] = "192.0.2.1"
    zone["AAAA h.example"] = "2001:db8::1"
    assert zone.targets("sip:h.example:5060", families=("A",)) == ["udp:192.0.2.1:5060"]
    assert zone.asked == ["A h.example"]


def test_DNS_13_equal_targets_are_tried_once_and_names_asked_once(zone: Zone) -> None:
    zone["SRV _sip._udp.h.example"] = [srv(1, 0, 5060, "a.example"), srv(2, 0, 5060, "A.example."),
                                       srv(3, 0, 5062, "a.example")]  # fmt: skip
    zone["A a.example"] = "192.0.2.1"
    assert zone.targets("sip:h.example") == ["udp:192.0.2.1:5060", "udp:192.0.2.1:5062"]
    assert zone.rounds[-1] == ["A a.example", "AAAA a.example"]


def test_DNS_25_a_dangling_srv_target_is_skipped(zone: Zone) -> None:
    zone["SRV _sip._udp.h.example"] = [srv(1, 0, 5060, "gone.example"), srv(2, 0, 5060, "here.example")]
    zone["A here.example"] = "192.0.2.1"
    zone["A h.example"] = "192.0.2.9"
    assert zone.targets("sip:h.example") == ["udp:192.0.2.1:5060"]


def test_DNS_25_nothing_but_dangling_targets(zone: Zone) -> None:
    zone["SRV _sip._udp.h.example"] = [srv(1, 0, 5060, "gone.example")]
    zone["A h.example"] = "192.0.2.9"
    failure = zone.failure("sip:h.example")
    assert failure.absent
    assert "A gone.example" in str(failure)
    assert "A h.example" not in zone.asked


@pytest.mark.parametrize("record", [srv(0, 0, 0, "a.example"), srv(0, 0, 5060, "a..example"),
                                    srv(0, 0, 5060, f"{'x' * 64}.example"), srv(0, 0, 5060, "a b.example"),
                                    srv(0, 0, 5060, ".".join(["x" * 60] * 5))])  # fmt: skip
def test_SEC_30_srv_records_that_cannot_be_used(zone: Zone, record: Srv) -> None:
    zone["SRV _sip._udp.h.example"] = [record]
    zone["A h.example"] = "192.0.2.9"
    zone["A a.example"] = "192.0.2.1"
    failure = zone.failure("sip:h.example")
    assert failure.absent
    assert "usable SRV _sip._udp.h.example" in str(failure)


def test_an_address_in_place_of_an_srv_target(zone: Zone) -> None:
    zone["SRV _sip._udp.h.example"] = [srv(0, 0, 5060, "192.0.2.5")]
    assert zone.targets("sip:h.example") == ["udp:192.0.2.5:5060"]
    assert zone.asked == ["NAPTR h.example", "SRV _sip._udp.h.example"]


# Trouble is not absence


def test_DNS_21_servfail_on_sips_srv_never_falls_to_the_address(zone: Zone) -> None:
    zone["A h.example"] = "192.0.2.1"
    zone.fails("SRV _sips._tcp.h.example")
    failure = zone.failure("sips:h.example", *EVERY)
    assert not failure.absent
    assert "SRV _sips._tcp.h.example (SERVFAIL)" in str(failure)
    assert "A h.example" not in zone.asked


@pytest.mark.parametrize(
    ("uri", "transports"),
    [("sips:h.example", EVERY), ("sip:h.example", (TLS,)), ("sip:h.example", (TLS, WSS))],
)
def test_DNS_21_naptr_trouble_ends_a_secure_search(zone: Zone, uri: str, transports: tuple[Transport, ...]) -> None:
    zone["SRV _sips._tcp.h.example"] = [srv(0, 0, 5061, "a.example")]
    zone["A a.example"] = "192.0.2.1"
    zone.fails("NAPTR h.example")
    assert not zone.failure(uri, *transports).absent
    assert zone.asked == ["NAPTR h.example"]


def test_DNS_21_a_named_secure_transport_does_not_fall_either(zone: Zone) -> None:
    zone["A h.example"] = "192.0.2.1"
    zone.fails("SRV _sips._tcp.h.example")
    assert not zone.failure("sip:h.example;transport=tls", *EVERY).absent


@pytest.mark.parametrize("transports", [(UDP,), EVERY])
def test_DNS_21_a_plain_search_goes_on_in_trouble_but_not_for_long(
    zone: Zone, transports: tuple[Transport, ...]
) -> None:
    """Many home routers cannot forward NAPTR or SRV questions."""
    zone["A h.example"] = "192.0.2.1"
    zone.fails("NAPTR h.example", "SRV _sip._udp.h.example")
    located = zone.locate("sip:h.example", *transports)
    assert [str(target) for target in located.targets] == ["udp:192.0.2.1:5060"]
    assert located.ttl == 1


def test_DNS_21_trouble_at_the_end_is_no_absence(zone: Zone) -> None:
    zone.fails("A h.example")
    failure = zone.failure("sip:h.example")
    assert not failure.absent
    assert "A h.example (SERVFAIL)" in str(failure)
    assert "name servers" in str(failure)


def test_DNS_21_a_dot_beside_trouble_may_be_different_later(zone: Zone) -> None:
    zone["SRV _sip._udp.h.example"] = [srv(0, 0, 0, ".")]
    zone.fails("SRV _sip._tcp.h.example")
    assert not zone.failure("sip:h.example", UDP, TCP).absent


def test_DNS_21_one_target_in_trouble_does_not_spoil_the_other(zone: Zone) -> None:
    zone["SRV _sips._tcp.h.example"] = [srv(1, 0, 5061, "a.example"), srv(2, 0, 5061, "b.example")]
    zone["A b.example"] = "192.0.2.2"
    zone.fails("A a.example", "AAAA a.example")
    assert zone.targets("sips:h.example", TLS) == ["tls:192.0.2.2:5061"]


def test_DNS_21_absence_names_what_was_looked_for(zone: Zone) -> None:
    failure = zone.failure("sip:h.example", *EVERY)
    assert failure.absent
    for part in ("h.example leads nowhere", "NAPTR h.example", "SRV _sip._udp.h.example", "and 0 more"):
        assert (part in str(failure)) is (part != "and 0 more")
    assert "check the spelling of the domain" in str(failure)


def test_long_lists_of_failures_are_cut(zone: Zone) -> None:
    zone["SRV _sip._udp.h.example"] = [srv(0, 0, 5060, f"h{index}.example") for index in range(8)]
    assert "and 11 more" in str(zone.failure("sip:h.example"))


# Time-to-live, limits, names


def test_DNS_20_the_shortest_ttl_counts_and_a_second_is_the_floor(zone: Zone) -> None:
    zone["A h.example"] = "192.0.2.1"
    assert zone.locate("sip:h.example").ttl == 300
    zone.ttls["SRV _sip._udp.h.example"] = 30
    assert zone.locate("sip:h.example").ttl == 30
    zone.ttls["AAAA h.example"] = 0
    assert zone.locate("sip:h.example").ttl == 1
    assert zone.locate("sip:h.example:5060", families=("A",)).ttl == 300


def test_DNS_20_no_ttl_is_longer_than_a_day(zone: Zone) -> None:
    zone["A h.example"] = "192.0.2.1"
    zone.ttls = {"A h.example": 1e9, "AAAA h.example": 1e9}
    assert zone.locate("sip:h.example:5060").ttl == LONGEST_TTL


def test_SEC_30_srv_bomb(zone: Zone) -> None:
    zone["NAPTR h.example"] = [naptr(1, index, "SIP+D2U", f"_sip._udp.n{index}.example") for index in range(5000)]
    for index in range(5000):
        zone[f"SRV _sip._udp.n{index}.example"] = [srv(1, 0, 5060, f"s{index}-{part}.example") for part in range(64)]
        zone[f"A s0-{index}.example"] = "192.0.2.1"
    located = zone.locate("sip:h.example")
    assert len(zone.asked) <= 64
    assert len([question for question in zone.asked if question.startswith("A ")]) == 16
    assert located.targets


def test_SEC_30_at_most_64_records_of_a_set_are_used(zone: Zone) -> None:
    zone["A h.example"] = " ".join(f"10.0.{index // 256}.{index % 256}" for index in range(300))
    assert len(zone.targets("sip:h.example:5060")) == 64


@pytest.mark.parametrize("host", ["x" * 64 + ".example", ".".join(["abcdefg"] * 40)])
def test_SEC_30_names_are_checked_before_they_are_asked_for(zone: Zone, host: str) -> None:
    failure = zone.failure(f"sip:{host}")
    assert failure.absent
    assert "no domain name" in str(failure)
    assert not zone.asked


def test_GRM_49_a_trailing_dot_names_the_same_domain(zone: Zone) -> None:
    zone["A h.example"] = "192.0.2.1"
    assert zone.locate("sip:H.example.").targets == (Target("192.0.2.1", 5060, UDP, "h.example"),)


NAMES = st.sampled_from(["h.example", "a.example", "b.example", "_sip._udp.h.example", "", ".", "x" * 70, "192.0.2.1"])
RECORDS: dict[str, st.SearchStrategy[Naptr | Srv | Address]] = {
    "NAPTR": st.builds(
        naptr, st.integers(0, 2), st.integers(0, 2), st.sampled_from(["SIP+D2U", "SIPS+D2T", "SIP+D2T", "x"]), NAMES
    ),
    "SRV": st.builds(srv, st.integers(0, 2), st.integers(0, 2), st.integers(0, 65535), NAMES),
    "A": st.builds(Address, st.just("192.0.2.1"), st.just(60)),
    "AAAA": st.builds(Address, st.just("2001:db8::1"), st.just(60)),
}


@given(
    st.data(),
    st.sampled_from(["sip:h.example", "sips:h.example", "sip:h.example;transport=tcp", "sip:h.example:5060"]),
    st.lists(st.sampled_from(list(Transport)), min_size=1, unique=True),
)
def test_whatever_is_answered_the_search_ends_and_stays_as_secure_as_asked(
    data: st.DataObject, uri: str, transports: list[Transport]
) -> None:
    search = select_targets(SipUri.parse(uri), transports=transports, random=random.Random(1))
    asked = 0

    def answer(questions: tuple[Question, ...]) -> tuple[Answer, ...]:
        nonlocal asked
        asked += len(questions)
        answers = []
        for question in questions:
            records = data.draw(st.lists(RECORDS[question.type], max_size=3))
            trouble = None if records else data.draw(st.sampled_from([None, "time-out"]))
            answers.append(Answer(tuple(records), 60, trouble))
        return tuple(answers)

    targets: tuple[Target, ...] = ()
    with contextlib.suppress(ResolutionFailed):
        targets = finish(search, answer).targets
        assert targets
    for target in targets:
        assert target.transport in transports
        assert target.transport.secure or not uri.startswith("sips")
        assert 0 < target.port <= 65535
    assert asked <= 64


@pytest.mark.parametrize(
    ("transports", "left"),
    [
        ((), ()),
        ((UDP, TCP), (UDP, TCP)),
        ((TLS, UDP, TCP), (TLS,)),
        ((UDP, TLS, TCP), (UDP, TLS)),
        ((TLS, TCP, WSS, WS, TLS), (TLS, WSS, TLS)),
    ],
)
def test_SEC_19_nothing_in_clear_text_comes_after_a_secure_target(
    transports: tuple[Transport, ...], left: tuple[Transport, ...]
) -> None:
    targets = tuple(Target("192.0.2.1", 5060 + number, name, "h.example") for number, name in enumerate(transports))
    assert tuple(target.transport for target in without_descent(targets)) == left
