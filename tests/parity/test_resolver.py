"""Rows of belle-sip's suite "Resolver" that tests/net/test_resolver.py does not have: several name servers."""

from __future__ import annotations

import random

import dns.rcode
import pytest

from aiosipreg import ConfigError, DnsParams, Stats
from aiosipreg.engine.targets import Transport
from aiosipreg.net.resolver import Resolver
from aiosipreg.wire import SipUri
from tests.free_ports import free_port
from tests.peers.fake_dns import FakeDns, Fault

RECORDS = ("h.test. 300 A 192.0.2.1", "h.test. 300 AAAA 2001:db8::1")
QUESTIONS = ("A h.test", "AAAA h.test")


async def found_by(*nameservers: str) -> set[str]:
    """The addresses of h.test, as these name servers tell them."""
    params = DnsParams(nameservers=nameservers, hosts_file=None)
    resolver = Resolver(params, random=random.Random(1), stats=Stats())
    try:
        located = await resolver.locate(SipUri.parse("sip:h.test:5060"), (Transport.UDP,))
    finally:
        await resolver.close()
    return {target.host for target in located.targets}


async def found_after(*broken: str) -> None:
    """Behind these name servers the next one is asked."""
    async with FakeDns(*RECORDS) as working:
        assert await found_by(*broken, working.nameserver) == {"192.0.2.1", "2001:db8::1"}
        assert set(working.asked) == set(QUESTIONS)


async def found_after_fault(fault: Fault | dns.rcode.Rcode) -> None:
    async with FakeDns(*RECORDS) as broken:
        broken.faults = dict.fromkeys(QUESTIONS, fault)
        await found_after(broken.nameserver)
        assert set(broken.asked) == set(QUESTIONS)


async def test_resolver_21_dns_fallback_server_down() -> None:
    await found_after(f"127.0.0.1:{free_port()}")
    await found_after_fault(Fault.SILENCE)


async def test_resolver_22_dns_fallback_refused() -> None:
    await found_after_fault(dns.rcode.Rcode.REFUSED)


async def test_resolver_23_dns_fallback_scope_link_ipv6() -> None:
    """Better: an address with a zone, which cannot be used yet, is refused when it is configured."""
    await found_after("fe80::1")
    with pytest.raises(ConfigError, match="nameservers"):
        DnsParams(nameservers=("fe80::1%lo",))


async def test_resolver_24_dns_fallback_invalid_ipv6() -> None:
    """Better: named when it is configured, and not passed over in silence."""
    with pytest.raises(ConfigError, match="nameservers"):
        DnsParams(nameservers=("2001:db8:::1",))


async def test_resolver_26_mixed_dns_servers() -> None:
    async with FakeDns(*RECORDS) as four, FakeDns(*RECORDS, host="::1") as six:
        for broken, working in ((four, six), (six, four)):
            broken.faults, working.faults = dict.fromkeys(QUESTIONS, dns.rcode.Rcode.SERVFAIL), {}
            assert await found_by(broken.nameserver, working.nameserver) == {"192.0.2.1", "2001:db8::1"}
