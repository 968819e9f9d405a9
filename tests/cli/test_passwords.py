"""aiosipreg/cli/passwords.py: where passwords come from, and that they go nowhere."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import click
import pytest

from aiosipreg.cli.passwords import VARIABLE, ask_password, read_password
from aiosipreg.testing import Registrar
from tests.cli.shell import SECRET, invoke, ran

if TYPE_CHECKING:
    from pathlib import Path

ALICE = "sip:alice@example.invalid"


class Stdin(io.TextIOWrapper):
    def __init__(self, data: bytes, *, tty: bool = False) -> None:
        super().__init__(io.BytesIO(data))
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


@pytest.fixture(autouse=True)
def _no_password_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_from_standard_input(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(f"{SECRET}{end}".encode()))
    assert read_password(stdin=True, file=None) == SECRET


def test_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(f" {SECRET} \n", encoding="utf-8")
    assert read_password(stdin=False, file=str(path)) == f" {SECRET} "


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    assert read_password(stdin=False, file=None) == SECRET


def test_what_is_asked_for_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "another")
    monkeypatch.setattr(sys, "stdin", Stdin(SECRET.encode()))
    assert read_password(stdin=True, file=None) == SECRET


def test_from_nowhere() -> None:
    assert read_password(stdin=False, file=None) is None


def test_not_from_two_places() -> None:
    with pytest.raises(click.UsageError, match="not both"):
        read_password(stdin=True, file="x")


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "not an empty one"),
        (b"\n", "not an empty one"),
        (SECRET.encode() + b"\nmore", "one line"),
        (SECRET.encode() + b"\x00", "one line"),
        (SECRET.encode() + b"\xff", "no UTF-8"),
    ],
)
def test_what_is_no_password_is_refused_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, octets: bytes, why: str
) -> None:
    path = tmp_path / "password"
    path.write_bytes(octets)
    monkeypatch.setattr(sys, "stdin", Stdin(octets))
    for stdin, file in ((True, None), (False, str(path))):
        with pytest.raises(click.UsageError, match=why) as caught:
            read_password(stdin=stdin, file=file)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_an_environment_that_is_not_utf_8_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "hunter2\udcff")
    with pytest.raises(click.UsageError, match="no UTF-8") as caught:
        read_password(stdin=False, file=None)
    assert "hunter2" not in str(caught.value)


def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b"x\n"))
    assert ask_password("alice") is None


@pytest.mark.parametrize(("answer", "password"), [("", None), (SECRET, SECRET)])
def test_the_prompt_names_the_user(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, password: str | None
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b"", tty=True))
    asked = []

    def hidden(text: str) -> str:
        asked.append(text)
        return answer

    monkeypatch.setattr("click.termui.hidden_prompt_func", hidden)
    assert ask_password("alice") == password
    assert "".join(capsys.readouterr()) + "".join(asked) == "Password of alice (empty for none): "


@pytest.mark.parametrize(
    "arguments",
    [
        (ALICE, "--password", SECRET),
        (f"--password={SECRET}", ALICE),
        (ALICE, "--password"),
        (f"sip:alice:{SECRET}@example.invalid",),
        (f"SIPS:alice:{SECRET}@example.invalid",),
        (f"alice:{SECRET}@example.invalid",),
        (f'"Alice" <sip:alice:{SECRET}@example.invalid>',),
        (ALICE, "--server", f"sip:alice:{SECRET}@example.invalid"),
        (ALICE, "--route", "sip:p1.example.invalid", "--route", f"<sip:p:{SECRET}@p2.example.invalid;lr>"),
    ],
)
@pytest.mark.parametrize("command", ["check", "register"])
def test_a_password_among_the_arguments_is_refused_with_the_reason(command: str, arguments: tuple[str, ...]) -> None:
    result = invoke(command, *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "(in `ps`)" in result.stderr
    for way in ("--password-stdin", "--password-file", VARIABLE, "prompt"):
        assert way in result.stderr
    assert SECRET not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", ALICE, "--password-stdin", SECRET),
        ("check", ALICE, "--password-file", SECRET),
        ("check", ALICE, f"--passwrd={SECRET}"),
        ("check", ALICE, f"-p{SECRET}"),
        ("check", ALICE, "--user", f"alice:{SECRET}"),
        ("register", ALICE, SECRET),
        ("registrar", "--user", f"alice:{SECRET}"),
        ("registrar", "--user", "alice", "--password", SECRET),
        ("registrar", SECRET),
        ("demo", SECRET),
    ],
)
def test_a_password_in_a_wrong_place_is_not_repeated(arguments: tuple[str, ...]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Error:" in result.stderr
    assert SECRET not in result.output


@pytest.mark.parametrize(
    "uri", ["sip:alice@[2001:db8::1]:5060", "alice@example.invalid:5060;x=a", "<sip:alice@h:5060>"]
)
def test_a_port_is_no_password(uri: str) -> None:
    # --expires is looked at after the identity was taken.
    assert "expires=0" in invoke("check", uri, "--expires", "0").stderr


async def test_no_secret_in_the_log_of_a_whole_life(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(SECRET, encoding="utf-8")
    given = {"file": ("--password-file", str(path)), "stdin": ("--password-stdin",), "environment": ()}
    async with Registrar({"alice": SECRET}) as registrar:
        for place, options in given.items():
            code, stdout, stderr = await ran(
                "-v", "check", ALICE, "--server", registrar.uri, *options,
                stdin=SECRET.encode() if place == "stdin" else b"",
                **({VARIABLE: SECRET} if place == "environment" else {}),
            )  # fmt: skip
            assert code == 0, stderr
            assert "Progress" in stderr
            assert SECRET not in stdout + stderr
