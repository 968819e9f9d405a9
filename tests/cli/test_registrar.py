"""aiosipreg/cli/registrar.py: the registrar of a developer's desk."""

from __future__ import annotations

import asyncio
import re
import signal
import socket

import pytest

from aiosipreg import AuthInfo, Core, DnsParams, ProxyParams
from aiosipreg.cli.check import check_account
from aiosipreg.cli.registrar import Watch
from aiosipreg.cli.text import make_console
from aiosipreg.testing import Registrar
from tests.cli.shell import ECHO_IS_OFF, SECRET, invoke, on_terminal, ran, started

TOTO = "sip:toto@sip.titi.com"


async def test_it_shows_each_register_and_binding() -> None:
    async with started("registrar", "--port", "0", "--user", "toto", AIOSIPREG_PASSWORD=SECRET) as shell:
        uri = (await shell.until("sip:127.0.0.1:")).strip()
        params = ProxyParams(TOTO, server=uri, expires=600, auth=AuthInfo("toto", password=SECRET))
        report = await check_account(params, dns=DnsParams(), timeout=20)
        assert report["exit_code"] == 0
        await shell.until("removed")
        shell.signal(signal.SIGINT)
        code, stdout, stderr = await shell.end()
    contact = (report["contact"] or "").strip("<").partition(">")[0]
    source = contact.removeprefix("sip:toto@")
    assert (code, stderr) == (0, "Ctrl-C ends.\n")
    assert [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in stdout.splitlines()] == [
        uri,
        f"REGISTER {TOTO} from {source}: 401 Unauthorized",
        f"REGISTER {TOTO} from {source}: 200 OK",
        f"  bound    {TOTO} -> {contact} for 600 s",
        f"REGISTER {TOTO} from {source}: 200 OK",
        f"  removed  {TOTO} -> {contact}",
    ]
    assert SECRET not in stdout


async def test_without_users_everybody_may() -> None:
    async with started("registrar", "--port", "0", "--host", "::1") as shell:
        uri = (await shell.until("sip:[::1]:")).strip()
        report = await check_account(ProxyParams(TOTO, server=uri), dns=DnsParams(), timeout=20)
        shell.signal(signal.SIGTERM)
        assert (await shell.end())[0] == 0
    assert (report["exit_code"], report["algorithm"]) == (0, None)


async def test_each_user_is_asked_for() -> None:
    async with on_terminal("registrar", "--port", "0", "--user", "toto", "--user", "tata") as terminal:
        for user, password in (("toto", SECRET), ("tata", "another")):
            await terminal.until(re.compile(f"Password of {user}{re.escape(ECHO_IS_OFF)}$").search)
            terminal.type(f"{password}\n")
        await terminal.until(re.compile(r"sip:127\.0\.0\.1:\d+\n").search)
        found = re.search(r"sip:127\.0\.0\.1:\d+", terminal.screen)
        assert found is not None
        for user, password, code in (("toto", SECRET, 0), ("tata", "another", 0), ("tata", SECRET, 6)):
            params = ProxyParams(f"sip:{user}@sip.titi.com", server=found[0], auth=AuthInfo(user, password=password))
            report = await check_account(params, dns=DnsParams(), timeout=20)
            assert report["exit_code"] == code
        terminal.type("\x03")
        assert await terminal.end() == 0
    assert SECRET not in terminal.screen


def test_a_user_needs_a_password() -> None:
    result = invoke("registrar", "--user", "toto", "--port", "0")
    assert result.exit_code == 2
    assert "--user needs a password" in result.stderr


@pytest.mark.parametrize("port", ["-1", "65536", "sip"])
def test_a_port_that_does_not_exist(port: str) -> None:
    assert invoke("registrar", "--port", port).exit_code == 2


async def test_a_port_in_use_is_told_in_a_sentence() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        code, stdout, stderr = await ran("registrar", "--port", str(other.getsockname()[1]))
    assert (code, stdout) == (4, "")
    hint, error = stderr.splitlines()
    assert hint == "Ctrl-C ends."
    assert re.fullmatch(r"Error: cannot listen on 127\.0\.0\.1:\d+: .*; --port 0 takes a free port", error)


@pytest.mark.virtual_clock(delay=0.01)
async def test_renewals_and_bindings_that_run_out(capsys: pytest.CaptureFixture[str]) -> None:
    async with Registrar(None) as registrar:
        watch = Watch(make_console(), registrar)
        watch.begin()
        async with Core() as core:
            params = ProxyParams(TOTO, server=registrar.uri, expires=60, unregister_at_stop=False)
            proxy = core.add_proxy_config(params)
            await proxy.registered()
            await proxy.refresh()
            contact = proxy.contact
            assert contact is not None
        await asyncio.sleep(120)
        watch.end()
        assert registrar.hook is None
    lines = [line[10:] for line in capsys.readouterr().out.splitlines()[1:]]
    assert lines[1] == f"  bound    {TOTO} -> {contact.uri} for 60 s"
    assert lines[3:] == [f"  renewed  {TOTO} -> {contact.uri} for 60 s", f"  lapsed   {TOTO} -> {contact.uri}"]


@pytest.mark.virtual_clock(delay=0.01)
async def test_nothing_is_awaited_for_a_binding_after_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    async with Registrar(None) as registrar:
        watch = Watch(make_console(), registrar)
        watch.begin()
        async with Core() as core:
            params = ProxyParams(TOTO, server=registrar.uri, expires=60, unregister_at_stop=False)
            await core.add_proxy_config(params).registered()
        watch.end()
        await asyncio.sleep(120)
    assert "lapsed" not in capsys.readouterr().out


@pytest.mark.virtual_clock
@pytest.mark.parametrize(("to", "shown"), [("<sip:\x80\u202e@h>", "sip:"), ("<sip:", "?"), (None, "?")])
async def test_requests_of_any_kind_are_shown(capsys: pytest.CaptureFixture[str], to: str | None, shown: str) -> None:
    async with Registrar(None) as registrar:
        watch = Watch(make_console(), registrar)
        watch.begin()
        rows = ["OPTIONS sip:h SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1", *([f"To: {to}"] if to else [])]
        registrar.receive("\r\n".join([*rows, "", ""]).encode(), ("192.0.2.7", 5070), 0.0)
        watch.end()
    line = capsys.readouterr().out.splitlines()[1]
    assert f"OPTIONS {shown}" in line
    assert "from 192.0.2.7:5060: 400" in line
    assert "\u202e" not in line
