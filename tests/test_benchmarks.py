"""Every benchmark runs once at a tiny size; what is looked at is the form of what it says, never the time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiosipreg.wire import Request, Response, parse_message
from benchmarks import build, digest, null_registrar, programs, samples, udp
from benchmarks.__main__ import SUBJECTS, main
from benchmarks.measure import Effort, Figure, Sample, Stopwatch, compare, figures, looped
from benchmarks.null_registrar import answered
from benchmarks.programs import UnavailableError
from benchmarks.table import as_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

TINY = Effort(runs=1, loops=2, accounts=(3,))


def check_form(rows: Sequence[Figure]) -> None:
    names = [(row.subject, row.name) for row in rows]
    assert len(set(names)) == len(names)
    for row in rows:
        assert row.cpu is not None
        assert row.wall is not None
        assert row.cpu > 0
        assert row.wall > 0
        assert row.note == ""
        assert (row.ratio is None) == (row.limit is None)
        if row.ratio is not None:
            median, lowest, highest = row.ratio
            assert 0 < lowest <= median <= highest
            assert (row.subject, row.limit) in names
    assert any(row.ratio for row in rows)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_gives_figures_and_ratios(subject: str) -> None:
    check_form(SUBJECTS[subject](TINY))


def test_registrations_are_measured_on_both_loops_beside_the_bare_protocol() -> None:
    rows = udp.measured(TINY)
    assert {row.subject for row in rows} == {"udp, 3 accounts, asyncio", "udp, 3 accounts, uvloop"}
    assert [(row.name, row.limit) for row in rows[:4]] == [
        ("two round trips", None),
        ("registration", "two round trips"),
        ("one round trip", None),
        ("refresh", "one round trip"),
    ]


def test_what_cannot_be_measured_is_named_and_not_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(udp, "find_spec", lambda name: None)
    monkeypatch.setattr(hashlib, "algorithms_available", {"md5", "sha256"})
    rows = [*udp.measured(TINY), *digest.measured(TINY)]
    missing = [(row.subject, row.name, row.note) for row in rows if row.cpu is None]
    assert missing == [
        ("udp, 3 accounts, uvloop", "registration", "uvloop is not installed"),
        ("digest", "SHA-512-256", "not in this Python's OpenSSL"),
    ]
    print_table(rows, 1)
    printed = capsys.readouterr().out
    assert "uvloop is not installed" in printed
    assert json.loads(as_json(rows, 1))["figures"][4]["cpu"] is None


def test_one_cpu_has_to_be_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    assert udp.cpus() == (-1, -1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 3, 2}, raising=False)
    assert udp.cpus() == (1, 3)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert udp.cpus() == (-1, -1)


def test_medians_are_of_all_runs_and_ratios_within_each() -> None:
    taken = {
        "limit": [Sample(1.0, 2.0), Sample(2.0, 2.0), Sample(4.0, 8.0)],
        "mine": [Sample(3.0, 3.0), Sample(4.0, 9.0), Sample(4.0, 5.0)],
    }
    assert figures("s", taken, limits={"mine": "limit"}, notes={"mine": "n"}) == [
        Figure("s", "limit", 2.0, 2.0),
        Figure("s", "mine", 4.0, 5.0, "limit", (2.0, 1.0, 3.0), "n"),
    ]


def test_a_stopwatch_counts_only_what_is_under_it() -> None:
    watch = Stopwatch()
    looped(lambda: None, 1)
    assert (watch.cpu, watch.wall) == (0.0, 0.0)
    calls: list[int] = []
    assert looped(lambda: calls.append(1), 5)(watch) == 5
    assert calls == [1] * 5
    assert 0 < watch.cpu <= watch.wall + 0.1
    assert watch.sample(2).wall == watch.wall / 2 * 1e6


def test_works_are_measured_in_turn() -> None:
    order: list[str] = []
    works = {name: looped(partial(order.append, name), 1) for name in ("a", "b")}
    compare("s", works, 3, limits={"b": "a"})
    assert order == ["a", "b"] * 3


def test_the_f_string_writes_what_the_package_writes() -> None:
    for authorization in (None, "Digest username=x"):
        assert build.rendered(authorization) == build.formatted(build._series.cseq, authorization)


def test_the_bare_hashes_make_the_response_of_the_sample() -> None:
    assert f'response="{digest.bare_response("md5")}"' in samples.AUTHORIZATION


def test_the_null_registrar_challenges_agrees_and_sends_back() -> None:
    assert len(samples.GRANTED) == 554
    for request, answer, status in (
        (samples.REQUEST, samples.UNAUTHORIZED, 401),
        (samples.AUTHORIZED, samples.GRANTED, 200),
    ):
        asked, told = parse_message(request), parse_message(answer)
        assert isinstance(asked, Request)
        assert isinstance(told, Response)
        assert told.status == status
        assert (told.call_id, told.cseq, told.from_) == (asked.call_id, asked.cseq, asked.from_)
        assert told.via is not None
        assert (told.via.received, told.via.rport) == ("192.0.2.7", 5060)
        assert told.contacts == (asked.contacts if status == 200 else ())
    assert answered(b"ECHO anything", b"") == b"ECHO anything"


OTHERS = (
    samples.REQUEST.replace(b"\r\nFrom:", b"\r\nf :").replace(b"\r\nTo:", b"\r\nT:"),
    samples.AUTHORIZED.replace(b"@sip.titi.com>\r\nCall-ID:", b"@sip.titi.com>;tag=17\r\ni:"),
    samples.AUTHORIZED.replace(b"\r\nContact:", b"\r\nX:").replace(b";rport;", b";"),
    b"ECHO anything",
)


def asked(port: int, requests: Sequence[bytes]) -> tuple[list[bytes], bytes]:
    """The answers of a running registrar, and where it saw them come from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        sock.connect(("127.0.0.1", port))
        answers = []
        for request in requests:
            sock.send(request)
            answers.append(sock.recv(4096))
        return answers, b";received=127.0.0.1;rport=%d" % sock.getsockname()[1]


@pytest.mark.parametrize("language", ["C", "Python"])
def test_the_null_registrar_is_the_same_in_both_languages(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if language == "Python":
        monkeypatch.setattr(null_registrar, "built", missing)
    elif shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    requests = (samples.REQUEST, samples.AUTHORIZED, *OTHERS)
    with null_registrar.null_registrar() as port:
        answers, seen = asked(port, requests)
    assert answers == [answered(request, seen) for request in requests]


def missing(source: str) -> Path:
    raise UnavailableError("cc is not installed")


def test_a_program_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    commands = []

    def compile_(*command: str) -> str:
        commands.append(command[0])
        Path(command[command.index("-o") + 1]).touch()
        return ""

    monkeypatch.setattr(programs, "output", compile_)
    first = programs.built("null_registrar.c")
    assert programs.built("null_registrar.c") == first
    assert commands == ["cc"]
    assert programs.built("null_registrar.c", libraries=("m",)) != first


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("no-such-program",), "no-such-program is not installed"),
        (("sh", "-c", "echo >&2; echo not this way >&2; exit 3"), "sh: not this way"),
        (("sh", "-c", "exit 3"), "sh: exit code 3"),
    ],
)
def test_a_program_that_fails_says_why_in_one_line(command: tuple[str, ...], told: str) -> None:
    with pytest.raises(UnavailableError, match=f"^{told}$"):
        programs.output(*command)


def test_json_holds_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    main(["parse", "build", "--json", "--runs", "1", "--loops", "2"])
    told = json.loads(capsys.readouterr().out)
    assert told["runs"] == 1
    assert {figure["subject"] for figure in told["figures"]} == {"parse", "build"}
    assert set(told["figures"][0]) == {"subject", "name", "cpu", "wall", "limit", "ratio", "note"}


@pytest.mark.parametrize("rich", [True, False])
def test_the_table_shows_every_row(
    rich: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not rich:
        for module in ("rich.console", "rich.table"):
            monkeypatch.setitem(sys.modules, module, None)
    main(["parse", "digest", "--runs", "1", "--loops", "2"])
    printed = capsys.readouterr().out
    assert ("┃" in printed) is rich
    for text in (
        "parse",
        "digest",
        "start line, Via, CSeq, 401",
        "three bare hashes, MD5",
        "quote ratios",
        "runs: 1;",
    ):
        assert text in printed


def test_an_unknown_subject_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["parsing"])
    assert "no such subject: parsing" in capsys.readouterr().err
