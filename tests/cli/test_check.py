"""aiosipreg/cli/check.py: one registration, told to people and to programs."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest

from aiosipreg import AuthInfo, DnsParams, ProxyParams
from aiosipreg.cli.check import CheckReport, check_account, print_report
from aiosipreg.testing import Faults, Registrar
from aiosipreg.wire import Request, Response
from tests.cli.shell import SECRET, invoke
from tests.peers.fake_dns import FakeDns, Fault

if TYPE_CHECKING:
    from click.testing import Result

TOTO = "sip:toto@sip.titi.com"


@pytest.fixture
def registrar() -> Registrar:
    return Registrar({"toto": SECRET}, algorithms=("SHA-256", "MD5"))


async def check(*arguments: str, password: str | None = SECRET) -> Result:
    """The command, in a thread with a loop of its own, while the registrar runs in this one."""
    return await asyncio.to_thread(invoke, "check", *arguments, password=password)


def account(registrar: Registrar) -> ProxyParams:
    return ProxyParams(TOTO, server=registrar.uri, auth=AuthInfo("toto", password=SECRET))


def report_of(result: Result) -> CheckReport:
    """The only thing printed: one object with exactly the documented keys and types."""
    report = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""
    hints = get_type_hints(CheckReport)
    assert list(report) == list(hints)
    for key, value in report.items():
        assert isinstance(value, hints[key]), key
    assert report["exit_code"] == result.exit_code
    found: CheckReport = report
    return found


async def test_everything_that_is_known_is_reported(registrar: Registrar) -> None:
    async with registrar:
        report = report_of(await check(TOTO, "--server", registrar.uri, "--expires", "600", "--json"))
        assert registrar.bindings == {}
        source = registrar.requests[0].peer
    assert report["round_trip_ms"] is not None
    assert 0 < report["round_trip_ms"] < report["total_ms"] < 60_000
    assert report == {
        "round_trip_ms": report["round_trip_ms"],
        "total_ms": report["total_ms"],
        "exit_code": 0,
        "identity": TOTO,
        "server": registrar.uri,
        "state": "Ok",
        "reason": "none",
        "status": 200,
        "message": "registered for 600 s",
        "target": registrar.uri.replace("sip:", "udp:"),
        "transport": "UDP",
        "algorithm": "SHA-256",
        "expires": 600.0,
        "contact": f"<sip:toto@127.0.0.1:{source[1]}>;expires=600",
        "public_address": None,
        "removed": True,
    }


async def test_people_get_a_table(registrar: Registrar) -> None:
    async with registrar:
        result = await check(TOTO, "--server", registrar.uri)
    assert (result.exit_code, result.stderr) == (0, "")
    first, *rows = result.stdout.splitlines()
    assert first == "sip:toto@sip.titi.com is registered"
    table = {row[2:17].strip(): row[18:] for row in rows}
    assert list(table) == [
        "registrar", "target", "transport", "round trip", "in all", "algorithm", "lifetime", "contact",
        "public address", "removed",
    ]  # fmt: skip
    assert table["round trip"].endswith(" ms")
    assert table["lifetime"] == "3600 s"
    assert table["public address"] == "no other than ours seen"
    assert table["removed"] == "yes"


async def test_a_trunk_without_a_challenge() -> None:
    async with Registrar(None) as registrar:
        result = await check(TOTO, "--server", registrar.uri, password=None)
    assert result.exit_code == 0
    assert "none, the server did not challenge" in result.stdout


def translated(request: Request, response: Response) -> Response:
    """As if a NAT stood between: the registrar saw another address."""
    headers = [(name, value) for name, value in response.headers.items() if name != "Via"]
    assert request.via is not None
    via = f"SIP/2.0/UDP {request.via.host}:{request.via.port};branch={request.via.branch}"
    return Response(
        response.status, response.reason, [("Via", f"{via};received=192.0.2.7;rport=1024"), *headers], response.body
    )


async def test_the_public_address_is_reported() -> None:
    async with Registrar(None, hook=translated) as registrar:
        report = report_of(await check(TOTO, "--server", registrar.uri, "--json"))
    assert report["public_address"] == "192.0.2.7:1024"
    assert report["contact"] == "<sip:toto@192.0.2.7:1024>;expires=3600"


async def test_a_contact_that_is_not_listed_is_told() -> None:
    def empty(request: Request, response: Response) -> Response:
        return Response(
            200, "OK", [("Expires", "60"), ("Contact", "<sip:x@192.0.2.1>"), ("Contact", "<sip:y@192.0.2.1>")]
        )

    async with Registrar(None, hook=empty) as registrar:
        result = await check(TOTO, "--server", registrar.uri)
    assert result.exit_code == 0
    assert "but             registered, but the server does not list our Contact" in result.stdout


async def test_a_removal_that_is_not_confirmed_is_told() -> None:
    def keep(request: Request, response: Response) -> Response:
        return Response(200, "OK", [("Contact", f"<{request.contacts[0].uri}>;expires=60")])

    async with Registrar(None, hook=keep) as registrar:
        report = report_of(await check(TOTO, "--server", registrar.uri, "--json"))
    assert (report["exit_code"], report["removed"]) == (0, False)


async def test_exit_code_3_the_name_does_not_exist() -> None:
    async with FakeDns() as dns:
        result = await check("sip:toto@gone.test", "--nameserver", dns.nameserver)
        report = report_of(await check("sip:toto@gone.test", "--nameserver", dns.nameserver, "--json"))
    assert result.exit_code == report["exit_code"] == 3
    assert result.stderr.startswith("Error: the server's name does not exist")
    assert "next attempt" not in result.stderr
    assert (report["state"], report["reason"], report["target"]) == ("Failed", "dns_error", None)


async def test_exit_code_3_the_name_server_is_silent() -> None:
    async with FakeDns() as dns:
        names = ("NAPTR slow.test", "SRV _sip._udp.slow.test", "A slow.test", "AAAA slow.test")
        dns.faults.update(dict.fromkeys(names, Fault.SILENCE))
        report = report_of(
            await check("sip:toto@slow.test", "--nameserver", dns.nameserver, "--timeout", "0.1", "--json")
        )
    assert (report["exit_code"], report["message"]) == (3, "the server could not be found within 0.1 s")


async def test_exit_code_4_the_network_refuses() -> None:
    # A broadcast address that the socket may not send to: refused by the system, at once.
    result = await check(TOTO, "--server", "sip:255.255.255.255")
    assert result.exit_code == 4
    assert result.stderr.startswith("Error: no server could be reached")


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    ("timeout", "message"),
    [(10, "no answer within 10 s; check the server setting and the network"), (60, "no server answered")],
)
async def test_exit_code_4_no_answer(registrar: Registrar, timeout: float, message: str) -> None:
    registrar.faults = Faults(silence=True)
    async with registrar:
        report = await check_account(account(registrar), dns=DnsParams(), timeout=timeout)
    assert report["exit_code"] == 4
    assert report["message"].startswith(message)
    assert report["state"] == ("Progress" if timeout == 10 else "Failed")
    assert report["removed"] is None


async def test_exit_code_6_wrong_password(registrar: Registrar) -> None:
    async with registrar:
        report = report_of(await check(TOTO, "--server", registrar.uri, "--json", password="wrong"))
        result = await check(TOTO, "--server", registrar.uri, password="wrong")
    assert report["exit_code"] == result.exit_code == 6
    assert (report["state"], report["reason"], report["status"]) == ("Failed", "unauthorized", 401)
    assert report["round_trip_ms"] is report["expires"] is report["removed"] is None
    assert result.stdout.splitlines()[0] == "sip:toto@sip.titi.com is not registered"
    assert result.stderr.startswith("Error: the server refused the password")
    assert "wrong" not in result.output


async def test_exit_code_6_no_password(registrar: Registrar) -> None:
    async with registrar:
        report = report_of(await check(TOTO, "--server", registrar.uri, "--json", password=None))
    assert (report["exit_code"], report["reason"]) == (6, "auth_unavailable")


@pytest.mark.parametrize("status", [301, 403, 404, 480, 503, 603])
async def test_exit_code_7_rejected(registrar: Registrar, status: int) -> None:
    registrar.answer_next(status, "Words \u202eof the server", times=9)
    async with registrar:
        report = report_of(await check(TOTO, "--server", registrar.uri, "--json"))
        result = await check(TOTO, "--server", registrar.uri)
    assert report["exit_code"] == result.exit_code == 7
    assert (report["state"], report["status"]) == ("Failed", status)
    assert "\u202e" not in result.output
    assert "next attempt" not in result.stderr


@pytest.mark.virtual_clock
async def test_exit_code_8_answers_but_no_decision(registrar: Registrar) -> None:
    registrar.answer_next(401, headers=[("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')])
    registrar.answer_next(None, times=99)
    async with registrar:
        report = await check_account(account(registrar), dns=DnsParams(), timeout=10)
    assert report["exit_code"] == 8
    assert report["message"] == "nothing was decided within 10 s, although the server answers"


@pytest.mark.virtual_clock(delay=0.05)
async def test_times_are_those_of_the_network(registrar: Registrar) -> None:
    async with registrar:
        report = await check_account(account(registrar), dns=DnsParams(), timeout=10)
    assert (report["round_trip_ms"], report["total_ms"]) == (100.0, 200.0)


@pytest.mark.virtual_clock(delay=0.05)
async def test_a_late_answer_is_undone(registrar: Registrar) -> None:
    """The time is up while the 200 is under way: the binding that it grants does not stay."""
    async with registrar:
        report = await check_account(account(registrar), dns=DnsParams(), timeout=0.17)
        assert report["exit_code"] == 8
        assert registrar.responses[1].response.status == 200
        assert registrar.bindings == {}


@pytest.mark.parametrize("timeout", ["0", "-1", "x"])
def test_a_time_limit_is_above_zero(timeout: str) -> None:
    result = invoke("check", TOTO, "--timeout", timeout)
    assert result.exit_code == 2
    assert "'--timeout'" in result.stderr


def test_network_text_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    values: dict[str, Any] = dict.fromkeys(get_type_hints(CheckReport))
    values |= {
        "exit_code": 0,
        "identity": "sip:a@b",
        "reason": "none",
        "contact": "<sip:\x1b[2J@h>",
        "total_ms": math.pi,
    }
    report: Any = values
    print_report(report, as_json=False)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "contact         <sip:\\x1b[2J@h>" in shown
    assert "in all          3.14159 ms" in shown
