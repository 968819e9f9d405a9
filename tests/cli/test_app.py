"""aiosipreg/cli/app.py: the commands, their help, and errors that are no tracebacks."""

from __future__ import annotations

import io
import logging
import sys
from typing import TYPE_CHECKING

import pytest

from aiosipreg.cli import app
from aiosipreg.cli.app import aiosipreg, run_command_line
from aiosipreg.cli.exits import ExitCode
from aiosipreg.cli.text import make_console
from tests.cli.shell import invoke, ran

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def package_logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("aiosipreg")
    handlers, level = list(logger.handlers), logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_the_help_says_where_to_begin_and_what_the_exit_codes_mean() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert "aiosipreg demo" in result.stdout
    for code in ExitCode:
        assert f"\n    {code:d}  " in result.stdout
    assert list(aiosipreg.commands) == ["demo", "register", "check", "registrar", "import-linphonerc"]
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "..." not in result.stdout.partition("Commands:")[2]


@pytest.mark.parametrize("command", ["demo", "register", "check", "registrar", "import-linphonerc"])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_explains_itself(command: str, option: str) -> None:
    result = invoke(command, option)
    assert result.exit_code == 0
    assert f"Usage: aiosipreg {command}" in result.stdout
    assert "--password " not in result.stdout


def test_no_such_command() -> None:
    result = invoke("unregister")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "No such command 'unregister'" in result.stderr


def test_data_on_stdout_and_talk_on_stderr() -> None:
    result = invoke("check", "alice")
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("Error: identity='alice'")


async def test_errors_of_a_process_are_sentences() -> None:
    code, stdout, stderr = await ran("check", "alice")
    assert (code, stdout) == (2, "")
    assert "Traceback" not in stderr


def enter(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["aiosipreg", *arguments])
    with pytest.raises(SystemExit) as caught:
        run_command_line()
    return caught.value.code


@pytest.mark.usefixtures("package_logger")
def test_an_error_of_ours_is_a_sentence_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("with a secret")

    monkeypatch.setattr(app, "show_demo", broken)
    assert enter(monkeypatch, "demo") == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "Error: an error in this program (RuntimeError); run it with -v and report what it logs\n"


def test_with_v_its_traceback_is_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], package_logger: logging.Logger
) -> None:
    def broken() -> None:
        raise RuntimeError("here")

    monkeypatch.setattr(app, "show_demo", broken)
    assert enter(monkeypatch, "-v", "demo") == 1
    assert package_logger.level == logging.DEBUG
    assert "RuntimeError: here" in capsys.readouterr().err


def test_output_that_is_no_stream_of_the_system_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    assert enter(monkeypatch, "--version") == 0
    assert output.getvalue().startswith("aiosipreg ")


def test_letters_that_the_terminal_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    async def speak() -> None:
        make_console().print("日本")

    octets = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(octets, encoding="ascii"))
    monkeypatch.setattr(app, "show_demo", speak)
    assert enter(monkeypatch, "demo") == 0
    assert octets.getvalue() == b"\\u65e5\\u672c\n"
