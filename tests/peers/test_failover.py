"""Accounts at two Kamailios behind one SRV name of NSD; one fails. Figures come from ``benchmarks.failover``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from aiosipreg import Core, DnsParams, Reason, RegistrationState, RetryPolicy, SipTimers, TlsParams
from benchmarks.failover.stage import FAULTS, Outcome, Scale, account, expired, registered, servers, servers_afar
from tests.certificates import authority
from tests.namespaces import needs_namespaces, run_in
from tests.peers.kamailio import identity

if TYPE_CHECKING:
    from pathlib import Path

# Timer F is 0.64 s, so that a silent server costs no more than that.
BRIEF = Scale(accounts=20, timers=SipTimers(t1=0.01, t2=0.08, t4=0.1), retry=RetryPolicy(base=0.5, max=5), at_once=True)

# One transport has all the faults there are, the others those that they notice otherwise.
CASES = [
    *((fault, "udp") for fault in ("killed", "busy", "silent", "dns", "killed-dns")),
    *((fault, "tcp") for fault in ("killed", "busy", "silent")),
    *(("killed", "tls"), ("expired", "tls"), ("silent", "ws"), ("killed", "wss"), ("expired", "wss")),
]


def good(fault: str, outcome: Outcome) -> bool:
    """Whether no account lost its binding, and none sent more than it has to."""
    sent = outcome.sent - outcome.repeated
    if fault == "dns":
        return outcome.lost == 0 and sent == BRIEF.accounts
    # At most one each at the server that failed, and two at the other, which challenges.
    return outcome.lost == 0 and 2 * BRIEF.accounts <= sent <= 3 * BRIEF.accounts


@pytest.mark.parametrize(("fault", "transport"), CASES)
async def test_DNS_15_16_17_OVL_7_all_move_and_none_loses_its_binding(
    fault: str, transport: str, tmp_path: Path
) -> None:
    with servers(tmp_path, transport, BRIEF.ttl) as ready:
        async with registered(ready, transport, BRIEF) as stage:
            outcome = await stage.play(FAULTS[fault], within=10)
            assert good(fault, outcome), outcome


@pytest.mark.parametrize("transport", ["udp", "tls"])
def test_DNS_15_16_OVL_7_all_move_when_everything_to_a_server_gets_lost(transport: str, tmp_path: Path) -> None:
    needs_namespaces()
    with servers_afar(tmp_path, transport, BRIEF.ttl) as ready:

        async def play() -> Outcome:
            async with registered(ready, transport, BRIEF) as stage:
                return await stage.play(FAULTS["lost"], within=10)

        assert ready.wire is not None
        outcome = run_in(ready.wire.here, play)
        assert good("lost", outcome), outcome


@pytest.mark.parametrize("transport", ["tls", "wss"])
async def test_TLS_1_DNS_15_a_server_with_an_expired_certificate_gets_no_octet_of_sip(
    transport: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with servers(tmp_path, transport, BRIEF.ttl) as ready:
        await expired(ready)
        async with registered(ready, transport, BRIEF, ready.second) as stage:
            assert await ready.first.registers_seen() == 0
            assert await ready.second.registers_seen() == stage.core.stats.sent == 2 * BRIEF.accounts
            await stage.core.refresh_registers()
            for proxy in stage.core.proxy_configs:
                await proxy.registered(timeout=10)
            assert await ready.first.registers_seen() == 0
    place = f"{transport}:{ready.first.host}:{ready.first.tls_port}"
    causes = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    trouble = "the certificate of pair.sip.test is out of date, or the clock is wrong: it has expired"
    assert causes == [f"no connection to {place}: {trouble}"]


async def test_TLS_1_both_certificates_have_expired(tmp_path: Path) -> None:
    with servers(tmp_path, "tls", BRIEF.ttl) as ready:
        await expired(ready)
        await ready.second.show(identity(ready.second.host, days=(-3, -1)))
        dns, tls = DnsParams(nameservers=(ready.nsd.nameserver,)), TlsParams(ca_data=authority().pem)
        async with Core(dns=dns, tls=tls) as core:
            event = await core.add_proxy_config(account(0, "tls", BRIEF)).wait_for(RegistrationState.FAILED, timeout=10)
            assert (event.reason, event.retry_at) == (Reason.TLS_ERROR, None)
            assert event.message.count("it has expired") == 2
            assert core.stats.sent == 0
