"""``aiosipreg check``: whether an account can register right now, and how."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, TypedDict

from aiosipreg import Core, Reason, RegistrationError, RegistrationState, RegistrationTimeout, RetryPolicy
from aiosipreg.cli.exits import ExitCode, code_of
from aiosipreg.cli.text import hostport, make_console, printable

if TYPE_CHECKING:
    from aiosipreg import DnsParams, ProxyConfig, ProxyParams, Stats

__all__ = ["CheckReport", "check_account", "print_report"]

_LATE_ANSWER = 1.0
"""Seconds to wait for an answer that comes after the time limit, so that what it grants can be removed."""


class CheckReport(TypedDict):
    """What a check found out: the object that ``--json`` prints. ``null`` stands for what is not known.

    Attributes:
        exit_code: What the command returns.
        identity: The address-of-record.
        server: The registrar's URI.
        state: ``Ok``, ``Failed``, or ``Progress`` when the time was up.
        reason: Why, in one word; ``none`` when nothing went wrong.
        status: SIP status code of the last answer that decided, 0 without one.
        message: A sentence: what happened and what to do.
        target: Where the REGISTER went, as ``udp:192.0.2.1:5060``.
        transport: ``UDP``, ...
        round_trip_ms: From the REGISTER that was accepted to its answer.
        total_ms: From the start, with names resolved and challenges answered, to the outcome.
        algorithm: Digest algorithm that answered the challenge.
        expires: Granted lifetime in seconds.
        contact: The Contact as the registrar bound it.
        public_address: Where the registrar sees us, if not where we see ourselves.
        removed: Whether the registrar confirmed the removal of the binding.
    """

    exit_code: int
    identity: str
    server: str
    state: str
    reason: str
    status: int
    message: str
    target: str | None
    transport: str | None
    round_trip_ms: float | None
    total_ms: float
    algorithm: str | None
    expires: float | None
    contact: str | None
    public_address: str | None
    removed: bool | None


async def check_account(params: ProxyParams, *, dns: DnsParams, timeout: float) -> CheckReport:
    """Register once, see how that goes, and remove the binding.

    Args:
        params: The account.
        dns: How names are looked up.
        timeout: Seconds for the registration; the removal may take some more.
    """
    loop = asyncio.get_running_loop()
    # Tried once, so that no sentence announces a next attempt.
    async with Core(dns=dns, retry=RetryPolicy(max_attempts=1)) as core:
        began = loop.time()
        proxy = core.add_proxy_config(params.replace(register=False))
        error = None
        try:
            await proxy.register(timeout)
        except RegistrationError as refused:
            error = refused
        report = _describe(proxy, loop.time() - began)
        if isinstance(error, RegistrationTimeout):
            report["exit_code"], report["message"] = _undecided(core.stats, timeout)
            await core.stop(_LATE_ANSWER)
    event = proxy.last_event
    if report["contact"] is not None and event is not None:
        report["removed"] = event.state is RegistrationState.CLEARED and event.reason is Reason.NONE
    return report


def _undecided(stats: Stats, timeout: float) -> tuple[ExitCode, str]:
    """What was waited for when the time was up."""
    if stats.sent == 0:
        return ExitCode.DNS, f"the server could not be found within {timeout:g} s"
    if stats.received == 0:
        return ExitCode.TRANSPORT, f"no answer within {timeout:g} s; check the server setting and the network"
    return ExitCode.TIMEOUT, f"nothing was decided within {timeout:g} s, although the server answers"


def _describe(proxy: ProxyConfig, seconds: float) -> CheckReport:
    event, binding, public = proxy.last_event, proxy.binding, proxy.public_address
    assert event is not None  # noqa: S101 (an account that registers has said so)
    # A lifetime counts from when the request was first sent, so that is known from the binding.
    sent_at = None if binding is None else binding.expires_at - binding.expires
    return CheckReport(
        exit_code=code_of(event),
        identity=proxy.identity,
        server=proxy.server,
        state=str(event.state),
        reason=event.reason.value,
        status=event.status,
        message=event.message,
        target=event.target,
        transport=None if event.target is None else event.target.partition(":")[0].upper(),
        round_trip_ms=None if sent_at is None else round((event.at - sent_at) * 1000, 1),
        total_ms=round(seconds * 1000, 1),
        algorithm=proxy.algorithm,
        expires=None if binding is None else binding.expires,
        contact=None if binding is None else str(binding.contact),
        public_address=None if public is None else hostport(*public),
        removed=None,
    )


_LABELS = {
    "server": "registrar",
    "target": "target",
    "transport": "transport",
    "round_trip_ms": "round trip",
    "total_ms": "in all",
    "algorithm": "algorithm",
    "expires": "lifetime",
    "contact": "contact",
    "public_address": "public address",
    "removed": "removed",
}


_ABSENT = {"algorithm": "none, the server did not challenge", "public_address": "no other than ours seen"}
"""What it means that these are not there although the account was registered."""


def print_report(report: CheckReport, *, as_json: bool) -> None:
    """Write the report on standard output.

    Args:
        report: The report.
        as_json: As one JSON object, and nothing else.
    """
    console = make_console()
    if as_json:
        console.file.write(json.dumps(report) + "\n")
        return
    well = report["exit_code"] == ExitCode.OK
    console.print(printable(report["identity"]), end=" ")
    console.print("is registered" if well else "is not registered", style="bold green" if well else "bold red")
    if well and report["reason"] != Reason.NONE.value:
        console.print(f"  {'but':<15} {printable(report['message'])}")
    for key, label in _LABELS.items():
        value = report.get(key)
        if value is not None or (well and key in _ABSENT):
            console.print(f"  {label:<15} {_shown(key, value)}")


def _shown(key: str, value: object) -> str:
    if value is None:
        return _ABSENT[key]
    if isinstance(value, bool):
        return "yes" if value else "no, it is left to run out"
    unit = {"round_trip_ms": " ms", "total_ms": " ms", "expires": " s"}.get(key, "")
    return f"{value:g}{unit}" if isinstance(value, float) else f"{printable(value)}{unit}"
