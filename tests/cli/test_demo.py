"""aiosipreg/cli/demo.py: what newcomers see first."""

from __future__ import annotations

import re
import time

import pytest

from aiosipreg.cli import demo as room
from aiosipreg.cli.demo import show_demo
from aiosipreg.cli.exits import CommandFailed
from aiosipreg.testing import Registrar
from tests.cli.shell import ran

SCENES = [
    "1. A registration with a challenge",
    "2. The refresh comes by itself",
    "3. An edit while it runs",
    "4. A lost packet",
    "5. A wrong password",
    "6. The end",
]
STATES = "Progress Ok Refreshing Ok Refreshing Ok Refreshing Ok Progress Failed Progress Cleared"
MESSAGES = (
    "REGISTER 401 REGISTER 200",
    "REGISTER 200",
    "REGISTER 200",
    "REGISTER 200 REGISTER 200",
    "REGISTER 401 REGISTER 401",
    "REGISTER 200",
)


def check_what_is_shown(text: str) -> None:
    lines = text.splitlines()
    assert [line for line in lines if re.match(r"\d\. ", line)] == SCENES
    assert max(map(len, lines)) < 80
    assert " ".join(re.findall(r"^ +\d+\.\d{3}  (\w+) +●", text, re.MULTILINE)) == STATES
    assert " ".join(re.findall(r"(?:├─+|◀─|✗─+) (REGISTER|\d{3})", text)) == " ".join(MESSAGES)
    times = [float(found) for found in re.findall(r"^ +(\d+\.\d{3})  ", text, re.MULTILINE)]
    assert times == sorted(times)
    assert text.count("✓") == 8
    for telling in (
        "WWW-Authenticate: Digest algorithm=SHA-256",
        'Authorization: Digest username="toto", nc=00000002',
        ";q=0.8;expires=600",
        "200 OK, lost",
        "CSeq 5, again",
        "the server refused the password; it will not be",
        ";expires=0",
    ):
        assert telling in text
    for secret in (*room._KNOWN.values(), *room._GIVEN.values()):
        assert secret not in text
    assert lines[-1].startswith("All 6 scenes happened as told (8 facts checked) in ")


async def test_the_demo_as_a_process() -> None:
    began = time.monotonic()
    code, stdout, stderr = await ran("demo")
    assert time.monotonic() - began < 15
    assert (code, stderr) == (0, "")
    assert "\x1b" not in stdout
    check_what_is_shown(stdout)


@pytest.mark.virtual_clock(delay=0.01)
async def test_the_demo_on_the_virtual_clock(capsys: pytest.CaptureFixture[str]) -> None:
    await show_demo()
    check_what_is_shown(capsys.readouterr().out)


def never_challenge(registrar: Registrar) -> None:
    registrar._gate._guard = None


def never_grant_the_change(registrar: Registrar) -> None:
    registrar._table._max_expires = 30


@pytest.mark.virtual_clock(delay=0.01)
@pytest.mark.parametrize(
    ("spoil", "scene", "told"),
    [
        (never_challenge, 1, "what scene 1 shows did not happen: the challenge was answered"),
        (never_grant_the_change, 3, "what scene 3 shows did not happen: one REGISTER changed both"),
    ],
)
async def test_a_demo_that_shows_something_else_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], spoil: object, scene: int, told: str
) -> None:
    enter = Registrar.__aenter__

    async def enter_spoilt(registrar: Registrar) -> Registrar:
        assert callable(spoil)
        spoil(registrar)
        return await enter(registrar)

    monkeypatch.setattr(Registrar, "__aenter__", enter_spoilt)
    with pytest.raises(CommandFailed, match=told) as caught:
        await show_demo()
    assert caught.value.exit_code == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("   ✗ ")
    assert [line for line in lines if re.match(r"\d\. ", line)] == SCENES[:scene]


@pytest.mark.virtual_clock(delay=0.01)
async def test_a_refusal_where_none_belongs_ends_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(room._GIVEN, "toto", "wrong")
    with pytest.raises(CommandFailed, match="the account did not become Ok: the server refused the password"):
        await show_demo()


@pytest.mark.virtual_clock(delay=0.01)
async def test_a_password_that_is_right_after_all_ends_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(room._GIVEN, "tata", room._KNOWN["tata"])
    with pytest.raises(CommandFailed, match="the account did not become Failed: registered"):
        await show_demo()


@pytest.mark.virtual_clock(delay=7.0)
async def test_a_network_that_is_too_slow_ends_the_demo() -> None:
    with pytest.raises(CommandFailed, match="scene 1 did not come to its end within 12 s"):
        await show_demo()
