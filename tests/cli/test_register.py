"""aiosipreg/cli/register.py and running.py: an account held by a process, and how it lets go."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from aiosipreg import AuthInfo, DnsParams, ProxyParams
from aiosipreg.cli import app
from aiosipreg.cli import register as room
from aiosipreg.cli.exits import CommandFailed
from aiosipreg.cli.register import hold_registration
from aiosipreg.cli.running import run, stop_on_signals
from aiosipreg.testing import Faults, Registrar
from tests.cli.shell import ECHO_IS_OFF, SECRET, on_terminal, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiosipreg.testing import Packet

TOTO = "sip:toto@sip.titi.com"


@pytest.fixture
def registrar() -> Registrar:
    return Registrar({"toto": SECRET})


def removes(packet: Packet) -> bool:
    return packet.request.contacts[0].expires == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_unregisters(registrar: Registrar, number: signal.Signals) -> None:
    async with (
        registrar,
        started("register", TOTO, "--server", registrar.uri, "--expires", "60", AIOSIPREG_PASSWORD=SECRET) as shell,
    ):
        line = await shell.until("Ok")
        (binding,) = registrar.bindings[TOTO]
        assert str(binding.contact.uri) in line
        assert "refresh in" in line
        assert registrar.uri.replace("sip:", "udp:") in line
        shell.signal(number)
        code, stdout, stderr = await shell.end()
        assert registrar.bindings == {}
    assert code == 0
    assert [line.split()[1] for line in stdout.splitlines()] == ["Progress", "Ok", "Progress", "Cleared"]
    assert stderr == "Ctrl-C unregisters and ends.\n"
    assert "\x1b" not in stdout
    assert SECRET not in stdout


async def test_a_refusal_ends_with_its_exit_code_and_one_sentence(registrar: Registrar) -> None:
    async with registrar, started("register", TOTO, "--server", registrar.uri, AIOSIPREG_PASSWORD="wrong") as shell:
        code, stdout, stderr = await shell.end()
    assert code == 6
    assert stdout.splitlines()[-1].split()[1] == "Failed"
    hint, error = stderr.splitlines()
    assert hint == "Ctrl-C unregisters and ends."
    assert error.startswith("Error: sip:toto@sip.titi.com: the server refused the password")
    assert "wrong" not in stdout + stderr


async def test_a_second_signal_does_not_wait_for_the_registrar(registrar: Registrar) -> None:
    async with (
        registrar,
        started("register", TOTO, "--server", registrar.uri, "--password-stdin", stdin=SECRET.encode()) as shell,
    ):
        await shell.until("Ok")
        registrar.faults_out = Faults(silence=True)
        shell.signal(signal.SIGINT)
        await registrar.wait_for_request(removes)
        shell.signal(signal.SIGINT)
        code, _, stderr = await shell.end()
    assert code == 1
    assert stderr.splitlines()[1:] == ["Error: stopped at once; a binding may be left to run out"]


async def test_people_see_a_panel_and_are_asked_for_the_password(registrar: Registrar) -> None:
    async with registrar, on_terminal("register", TOTO, "--server", registrar.uri, "--expires", "90") as terminal:
        await terminal.until(lambda screen: screen.endswith(f"Password of {TOTO}{ECHO_IS_OFF}"))
        terminal.type(f"{SECRET}\n")
        await terminal.until(
            lambda screen: "Ok" in screen and "expires in" in screen and "registered for 90 s" in screen
        )
        assert registrar.bindings[TOTO]
        terminal.type("\x03")
        await terminal.until(lambda screen: "Cleared" in screen)
        assert await terminal.end() == 0
        assert registrar.bindings == {}
    for row in ("account", "registrar", "state", "contact", "refresh in", "last"):
        assert row in terminal.screen
    assert "\x1b[1;32mOk" in terminal.screen
    assert SECRET not in terminal.screen


async def test_a_terminal_that_cannot_redraw_gets_lines(registrar: Registrar) -> None:
    async with (
        registrar,
        on_terminal("register", TOTO, "--server", registrar.uri, TERM="dumb", AIOSIPREG_PASSWORD=SECRET) as terminal,
    ):
        await terminal.until(lambda screen: "Ok " in screen)
        terminal.type("\x03")
        assert await terminal.end() == 0
        await terminal.until(lambda screen: "Cleared" in screen)
    assert "expires in" not in terminal.screen


# In this process and on the virtual clock: what would take long.


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """What a signal would set."""
    event = asyncio.Event()

    @contextlib.contextmanager
    def no_signals() -> Iterator[asyncio.Event]:
        yield event

    monkeypatch.setattr(room, "stop_on_signals", no_signals)
    return event


def account(registrar: Registrar, expires: int = 60) -> ProxyParams:
    return ProxyParams(TOTO, server=registrar.uri, expires=expires, auth=AuthInfo("toto", password=SECRET))


@pytest.mark.virtual_clock(delay=0.01)
@pytest.mark.parametrize("live", [False, True])
async def test_it_is_held_for_a_day(
    registrar: Registrar, stop: asyncio.Event, live: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async with registrar:
        holding = asyncio.create_task(hold_registration(account(registrar, 3600), dns=DnsParams(), live=live))
        await asyncio.sleep(86_400 if not live else 4000)
        assert len(registrar.bindings[TOTO]) == 1
        stop.set()
        await holding
        assert registrar.bindings == {}
    assert "Cleared" in capsys.readouterr().out


@pytest.mark.virtual_clock(delay=0.01)
async def test_a_retry_is_announced_and_its_cause_is_the_exit_code(
    registrar: Registrar,
    stop: asyncio.Event,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # every picture is drawn, not the last one only
    monkeypatch.setenv("TERM", "xterm")
    registrar.answer_next(500, times=99)
    async with registrar:
        holding = asyncio.create_task(hold_registration(account(registrar), dns=DnsParams(), live=True))
        await asyncio.sleep(5)
        stop.set()
        with pytest.raises(CommandFailed, match="the server is in trouble") as caught:
            await holding
    assert caught.value.exit_code == 7
    assert "retry in" in capsys.readouterr().out


@pytest.mark.virtual_clock(delay=0.01)
async def test_stopped_before_anything_was_decided(registrar: Registrar, stop: asyncio.Event) -> None:
    registrar.faults = Faults(silence=True)
    async with registrar:
        holding = asyncio.create_task(hold_registration(account(registrar), dns=DnsParams(), live=False))
        await asyncio.sleep(5)
        stop.set()
        with pytest.raises(CommandFailed, match="was not registered yet") as caught:
            await holding
    assert caught.value.exit_code == 8


@pytest.mark.virtual_clock(delay=0.01)
async def test_a_removal_that_nobody_confirms(registrar: Registrar, stop: asyncio.Event) -> None:
    async with registrar:
        holding = asyncio.create_task(hold_registration(account(registrar), dns=DnsParams(), live=False))
        await asyncio.sleep(5)
        registrar.faults = Faults(silence=True)
        stop.set()
        with pytest.raises(CommandFailed, match="the removal was not confirmed: no server answered") as caught:
            await holding
    assert caught.value.exit_code == 4


# How it runs.


def test_the_first_signal_asks_and_the_second_cancels() -> None:
    async def main() -> None:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            await stop.wait()
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.get_running_loop().create_future()

    # A shell without job control starts what it puts into the background with SIGINT ignored.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for uvloop in (True, False):
            with pytest.raises(CommandFailed, match="stopped at once"):
                run(main(), uvloop=uvloop)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, inherited)


def test_accounts_are_held_on_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    loops = []

    async def hold(*_: object, **_more: object) -> None:
        loops.append(type(asyncio.get_running_loop()).__module__)

    monkeypatch.setattr(app, "hold_registration", hold)
    arguments = ["register", "sip:toto@sip.titi.com"]
    result = CliRunner().invoke(app.aiosipreg, arguments, env={"AIOSIPREG_PASSWORD": "secret"})
    assert (result.exit_code, loops) == (0, ["uvloop"])


def test_without_signal_handlers_an_event_is_still_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_on_this_system(*_: object) -> None:
        raise NotImplementedError

    async def main() -> bool:
        monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", not_on_this_system, raising=False)
        with stop_on_signals() as stop:
            return stop.is_set()

    assert run(main()) is False


@pytest.mark.parametrize("uvloop", [True, False])
def test_uvloop_where_it_is_wanted(uvloop: bool) -> None:
    async def main() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run(main(), uvloop=uvloop).startswith("uvloop" if uvloop else "asyncio")


def test_asyncio_where_uvloop_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> str:
        return type(asyncio.get_running_loop()).__module__

    monkeypatch.setitem(__import__("sys").modules, "uvloop", None)
    assert run(main(), uvloop=True).startswith("asyncio")
