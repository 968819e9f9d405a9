"""Every benchmark runs once at a tiny size; what is looked at is the form of what it says, never the time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiosipreg import ProxyParams
from aiosipreg.wire import Request, Response, parse_message
from benchmarks import (
    build,
    builds,
    digest,
    holding,
    imports,
    memory,
    network,
    null_registrar,
    pacing,
    peers,
    profile,
    programs,
    samples,
    stream_registrar,
    table,
    targets,
)
from benchmarks.__main__ import SUBJECTS, main
from benchmarks.builds import BUILDS, SOURCES, Build, told
from benchmarks.measure import Effort, Figure, Sample, Stopwatch, compare, figures, looped
from benchmarks.null_registrar import answered
from benchmarks.programs import UnavailableError
from benchmarks.table import as_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

TINY = Effort(runs=1, loops=2, accounts=(3,), seconds=0.01)
ABSENT = "not there: .ci/compiled .venv makes it"


@pytest.fixture(autouse=True)
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Stands for what is compiled or not in this checkout: the same sources at another place."""
    build = Build("compiled", tmp_path / "tree")
    build.root.symlink_to(SOURCES.root)
    monkeypatch.setattr(builds, "EXTENSION_SUFFIXES", [".py"])
    for module in (network, holding, imports):
        monkeypatch.setattr(module, "BUILDS", (SOURCES, build))
    ours = {name: (loop, build if its.name else its) for name, (loop, its) in peers._OURS.items()}
    monkeypatch.setattr(peers, "_OURS", ours)
    return build


def check_form(rows: Sequence[Figure]) -> None:
    names = [(row.subject, row.name) for row in rows]
    assert len(set(names)) == len(names)
    for row in rows:
        assert row.cpu is not None or row.amount is not None
        assert (row.amount is None) == (row.unit == "")
        if row.cpu is not None:
            assert row.wall is not None
            assert row.cpu > 0
            assert row.wall > 0
        assert row.note == ""
        assert (row.ratio is None) == (row.limit is None)
        if row.ratio is not None:
            median, lowest, highest = row.ratio
            assert 0 < lowest <= median <= highest
            assert (row.subject, row.limit) in names


OWN_TESTS = ("peers", "udp", "streams", "holding", "memory", "import")


@pytest.mark.parametrize("subject", [subject for subject in SUBJECTS if subject not in OWN_TESTS])
def test_every_subject_gives_figures(subject: str) -> None:
    check_form(SUBJECTS[subject](TINY))


def test_registrations_are_measured_on_both_loops_and_builds_beside_the_floor_and_among_more() -> None:
    rows = network.udp(replace(TINY, accounts=(2, 3)))
    check_form(rows)
    assert list(dict.fromkeys(row.subject for row in rows)) == [
        f"{subject}, {way}"
        for way in ("asyncio", "asyncio, compiled", "uvloop", "uvloop, compiled")
        for subject in ("udp, 2 accounts", "udp, 3 accounts", "growth")
    ]
    assert [(row.name, row.limit) for row in rows[8:20]] == [
        ("two round trips", None),
        ("straight-line registration", "two round trips"),
        ("straight-line refresh", "one round trip"),
        ("registration", "straight-line registration"),
        ("one round trip", None),
        ("refresh", "straight-line refresh"),
        ("registration, no collections", "straight-line registration"),
        ("refresh, no collections", "straight-line refresh"),
        ("registration among 2", None),
        ("refresh among 2", None),
        ("registration among 3", "registration among 2"),
        ("refresh among 3", "refresh among 2"),
    ]


def test_registrations_on_a_shared_connection_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "LOOPS", ("asyncio",))
    rows = network.streams(replace(TINY, accounts=(2, 3)))
    check_form(rows)
    assert [(row.subject, row.name, row.limit) for row in rows] == [
        (f"{transport}, 2 accounts, asyncio", name, limit)
        for transport in ("tcp", "tls")
        for name, limit in (
            ("two round trips", None),
            ("registration", "two round trips"),
            ("one round trip", None),
            ("refresh", "one round trip"),
        )
    ]


def test_the_null_registrar_answers_on_a_stream_what_it_answers_to_datagrams() -> None:
    requests = (samples.REQUEST, samples.AUTHORIZED)
    with stream_registrar.stream_registrar("tcp") as (port, _), socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(20)
        sock.sendall(requests[0][:100])
        sock.sendall(requests[0][100:] + requests[1])
        seen = b";received=127.0.0.1;rport=%d" % sock.getsockname()[1]
        expected = b"".join(answered(request, seen) for request in requests)
        received = b""
        while len(received) < len(expected):
            received += sock.recv(4096)
    assert received == expected


def test_accounts_are_measured_over_their_life() -> None:
    rows = holding.measured(TINY)
    check_form([replace(row, note="") for row in rows])
    whole = [
        ("start-up", "s for all", False),
        ("idle", "% of a core", True),
        ("memory", "kB", True),
        ("shutdown", "s for all", False),
    ]
    assert [(row.name, row.unit, row.cpu is None) for row in rows] == [*whole * 4, whole[0], whole[3]]
    ways = ("asyncio", "asyncio, compiled", "uvloop", "uvloop, compiled", "asyncio, gc as it is")
    assert list(dict.fromkeys(row.subject for row in rows)) == [f"holding, 3 accounts, {way}" for way in ways]


def test_the_import_of_each_build_is_measured() -> None:
    rows = imports.measured(TINY)
    check_form(rows)
    assert [(row.name, row.limit) for row in rows] == [
        ("Python", None),
        ("import asyncio", "Python"),
        ("import aiosipreg", "Python"),
        ("import aiosipreg, compiled", "Python"),
        ("import aiosipreg without Python", None),
        ("import aiosipreg without Python, compiled", None),
    ]


def test_what_is_sent_again_and_collected_is_noted() -> None:
    run = {"repeated": {"start-up": 7}, "collected": {"start-up": 0.25}, "start-up": (1.0, 2.0)}
    assert holding._note("start-up", [run]) == "7 sent again, gc 25 %"
    run = {"repeated": {"start-up": 0}, "collected": {"start-up": 0.001}, "start-up": (1.0, 2.0)}
    assert holding._note("start-up", [run]) == ""


class TestMemory:
    def test_it_is_that_of_the_classes_that_hold_it(self) -> None:
        rows = memory.measured(TINY)
        check_form(rows)
        _, whole, *parts = rows
        assert whole.amount is not None
        amounts = [row.amount for row in parts if row.amount is not None]
        assert sum(amounts) == pytest.approx(whole.amount)
        assert amounts == sorted(amounts, reverse=True)
        # 4.6 kB on CPython 3.11, with what dicts and caches take for so few accounts: whoever adds to it should know.
        assert whole.amount < 5500
        assert {"proxy.ProxyConfig", "engine.lease.Lease", "params.ProxyParams"} <= {row.name for row in parts}

    def test_what_is_no_object_of_the_package_counts_for_the_one_that_leads_to_it(self) -> None:
        settings = ProxyParams("sip:toto@sip.titi.com")
        found = memory.sizes([settings, b"12345"])
        assert found["elsewhere"] == sys.getsizeof([1, 2]) + sys.getsizeof(b"12345")
        assert found["params.ProxyParams"] > sys.getsizeof(settings)


class TestPeers:
    """The other clients themselves are tried only where they are installed."""

    def test_who_is_missing_is_named_and_the_others_are_measured_beside_ours(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []

        def measure(registrar: null_registrar.NullRegistrar, accounts: int, cpu: int) -> Sample:
            asked.append(accounts)
            return Sample(accounts, 2.0)

        def absent(registrar: null_registrar.NullRegistrar, accounts: int, cpu: int) -> Sample:
            raise UnavailableError("other is not installed")

        known = {"one": peers.Peer(measure, 3), "other": peers.Peer(absent, 9)}
        monkeypatch.setattr(peers, "PEERS", known)
        monkeypatch.setattr(network, "find_spec", lambda name: None)

        def registering(loop: str, build: Build, port: int, cpu: int, runs: int, crowd: tuple[int, ...]) -> object:
            cost = crowd[0] / (4 if build.name else 2)
            return {"samples": {str(crowd[0]): {"registration": [(cost, 1.0)]}}}

        monkeypatch.setattr(peers, "registering", registering)
        rows = peers.measured(replace(TINY, runs=2, accounts=(2, 5), full=True))
        assert asked == [2, 2, 3, 3]
        assert [(row.subject, row.name, row.cpu, row.limit, row.note) for row in rows] == [
            ("peers, 2 accounts", "aiosipreg on asyncio", 1.0, None, ""),
            ("peers, 2 accounts", "aiosipreg on asyncio, compiled", 0.5, "aiosipreg on asyncio", ""),
            ("peers, 2 accounts", "one", 2.0, "aiosipreg on asyncio", ""),
            ("peers, 2 accounts", "aiosipreg on uvloop", None, None, "uvloop is not installed"),
            ("peers, 2 accounts", "aiosipreg on uvloop, compiled", None, None, "uvloop is not installed"),
            ("peers, 2 accounts", "other", None, None, "other is not installed"),
            ("peers, 5 accounts", "aiosipreg on asyncio", 2.5, None, ""),
            ("peers, 5 accounts", "aiosipreg on asyncio, compiled", 1.25, "aiosipreg on asyncio", ""),
            ("peers, 5 accounts", "one", 3.0, "aiosipreg on asyncio", "3 accounts only"),
            ("peers, 5 accounts", "aiosipreg on uvloop", None, None, "uvloop is not installed"),
            ("peers, 5 accounts", "aiosipreg on uvloop, compiled", None, None, "uvloop is not installed"),
            ("peers, 5 accounts", "other", None, None, "other is not installed"),
        ]
        assert len(peers.measured(replace(TINY, accounts=(2, 5)))) == 6

    @pytest.mark.parametrize("name", [name for name, peer in peers.PEERS.items() if peer.most])
    def test_a_peer_that_is_there_registers(self, name: str) -> None:
        with null_registrar.null_registrar() as registrar:
            try:
                sample = peers.PEERS[name].measure(registrar, 3, -1)
            except UnavailableError as error:
                pytest.skip(str(error))
            assert registrar.grants >= 3
        assert sample.wall != 0

    def test_one_that_nobody_packages_says_so(self) -> None:
        with pytest.raises(UnavailableError, match="no package of Debian 12"):
            peers.PEERS["pjsip"].measure(null_registrar.NullRegistrar(0, None), 3, -1)  # type: ignore[arg-type]

    def test_what_is_not_installed_is_unavailable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda name, path: None)
        with pytest.raises(UnavailableError, match="sipp is not installed"):
            peers.PEERS["SIPp"].measure(null_registrar.NullRegistrar(0, None), 3, -1)  # type: ignore[arg-type]


class TestChild:
    def test_time_is_that_of_the_process_and_its_children(self, tmp_path: Path) -> None:
        command = ["sh", "-c", "sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; pwd; echo $HOME"]
        with programs.Child(command, -1, str(tmp_path)) as child:
            assert child.output() == f"{tmp_path}\n{tmp_path}/\n"
        with programs.Child(command, -1, str(tmp_path)) as child:
            assert child.ended().cpu > 1000

    def test_a_child_that_fails_says_why(self, tmp_path: Path) -> None:
        with programs.Child(["sh", "-c", "echo not today >&2; exit 3"], -1, str(tmp_path)) as child:
            with pytest.raises(UnavailableError, match=r"^sh: not today$"):
                child.output()
            with pytest.raises(ChildProcessError):
                child.is_over()

    def test_one_that_would_go_on_is_stopped_or_killed(self, tmp_path: Path) -> None:
        with programs.Child(["sleep", "60"], -1, str(tmp_path)) as child:
            assert not child.is_over()
            assert child.stopped().wall > 0
        with programs.Child(["sleep", "60"], -1, str(tmp_path)) as child:
            pass
        assert child._process.returncode == -9

    def test_one_that_has_failed_before_it_is_stopped(self, tmp_path: Path) -> None:
        with programs.Child(["sh", "-c", "exit 4"], -1, str(tmp_path)) as child:
            os.waitid(os.P_PID, child._process.pid, os.WEXITED | os.WNOWAIT)
            with pytest.raises(UnavailableError, match="exit code 4"):
                child.stopped()


HELD = {
    **dict.fromkeys(("start-up", "holding", "shutdown"), (1.0, 2.0)),
    "collected": {"start-up": 0, "shutdown": 0},
    "repeated": {"start-up": 0, "shutdown": 0},
    "memory": 4000,
}


def test_what_cannot_be_measured_is_named_and_not_left_out(
    compiled: Build, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled.root.unlink()
    monkeypatch.setattr(network, "find_spec", lambda name: None)
    monkeypatch.setattr(hashlib, "algorithms_available", {"md5", "sha256"})
    monkeypatch.setattr(holding, "told", lambda *arguments, build: HELD)
    subjects = (network.udp, holding.measured, imports.measured, digest.measured)
    rows = [row for measured in subjects for row in measured(TINY)]
    lacking = [(row.subject, row.name, row.note) for row in rows if row.note]
    assert lacking == [
        ("udp, asyncio, compiled", "registration", ABSENT),
        ("udp, uvloop", "registration", "uvloop is not installed"),
        ("udp, uvloop, compiled", "registration", "uvloop is not installed"),
        ("holding, 3 accounts, asyncio, compiled", "start-up", ABSENT),
        ("holding, 3 accounts, uvloop", "start-up", "uvloop is not installed"),
        ("holding, 3 accounts, uvloop, compiled", "start-up", "uvloop is not installed"),
        ("import", "import aiosipreg, compiled", ABSENT),
        ("digest", "SHA-512-256", "not in this Python's OpenSSL"),
    ]
    print_table(rows, 1)
    printed = capsys.readouterr().out
    assert "uvloop is not installed" in printed
    assert ABSENT in printed
    assert json.loads(as_json(rows, 1))["figures"][8]["cpu"] is None


class TestBuilds:
    """What runs, and whether it is what the checkout says; no compiler is needed for that."""

    @pytest.fixture
    def checkout(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A small one."""
        root = tmp_path / "checkout"
        packages = ("aiosipreg/__init__.py", "benchmarks/__init__.py")
        for name in ("pyproject.toml", *packages, "aiosipreg/engine/cycle.py", "benchmarks/client.py"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f"# {name}\n")
        monkeypatch.setattr(builds, "_CHECKOUT", root)
        monkeypatch.setattr(builds, "EXTENSION_SUFFIXES", [".this.so", ".so"])
        return root

    @pytest.fixture
    def copy(self, checkout: Path) -> Build:
        """What `.ci/compiled` makes of it."""
        build = Build("compiled", checkout / ".compiled" / "tree")
        shutil.copytree(checkout, build.root, ignore=shutil.ignore_patterns(".compiled"))
        (build.root / "aiosipreg" / "engine" / "cycle.this.so").touch()
        return build

    def test_there_are_the_sources_and_a_compiled_copy(self) -> None:
        assert [build.of("udp") for build in BUILDS] == ["udp", "udp, compiled"]
        assert BUILDS[0].missing() == ""
        assert BUILDS[1].root == SOURCES.root / ".compiled" / "tree"

    def test_one_that_was_made_of_these_sources_can_be_measured(self, checkout: Path, copy: Build) -> None:
        assert Build("", checkout).missing() == ""
        assert copy.missing() == ""

    def test_one_that_was_not_made_is_missing(self, checkout: Path) -> None:
        assert Build("compiled", checkout / ".compiled" / "tree").missing() == ABSENT

    @pytest.mark.parametrize(
        "changed", ["pyproject.toml", "aiosipreg/engine/cycle.py", "aiosipreg/core.py", "benchmarks/client.py"]
    )
    def test_one_that_was_made_of_other_sources_is_missing(self, changed: str, checkout: Path, copy: Build) -> None:
        (checkout / changed).write_text("changed since")
        assert copy.missing() == "made from other sources: .ci/compiled .venv makes it anew"

    def test_one_that_was_made_for_another_python_is_missing(self, copy: Build) -> None:
        engine = copy.root / "aiosipreg" / "engine"
        (engine / "cycle.this.so").rename(engine / "cycle.other.so")
        assert copy.missing() == "made for another Python: .ci/compiled .venv makes it anew"

    def test_a_process_runs_the_package_of_its_build(self, checkout: Path) -> None:
        (checkout / "benchmarks" / "where.py").write_text(
            "import aiosipreg, json, os, sys\n"
            "print(json.dumps([aiosipreg.__file__, os.environ['PYTHONPATH'], sys.argv[1:]]))\n"
        )
        package = str(checkout / "aiosipreg" / "__init__.py")
        assert told("benchmarks.where", 7, build=Build("compiled", checkout)) == [package, str(checkout), ["7"]]


def test_one_cpu_has_to_be_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    assert network.cpus() == (-1, -1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 3, 2}, raising=False)
    assert network.cpus() == (1, 3)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert network.cpus() == (-1, -1)


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
    assert len(samples.GRANTED) == 562
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
    with null_registrar.null_registrar() as registrar:
        answers, seen = asked(registrar.port, requests)
        assert registrar.grants == 3
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
    assert set(told["figures"][0]) == {"subject", "name", "cpu", "wall", "limit", "ratio", "note", "amount", "unit"}


def test_the_table_may_be_written_for_the_documentation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["digest", "--runs", "1", "--loops", "2", "--markdown", str(tmp_path / "table.md")])
    assert "three bare hashes, MD5" in capsys.readouterr().out
    rows = [Figure("s", "a", 2.0, 4.0, note="n"), Figure("s", "b", amount=3.0, unit="kB")]
    assert table.as_markdown(rows, 5).splitlines()[:5] == [
        "|  | CPU µs | wall µs | per CPU s | amount | ratio (lowest to highest) | of |",
        "| --- | --: | --: | --: | --: | --: | --- |",
        "| **s** |  |  |  |  |  |  |",
        "| a (n) | 2.00 | 4.00 | 500,000 |  |  |  |",
        "| b | - | - | - | 3.00 kB |  |  |",
    ]
    assert "| three bare hashes, MD5 | " in (tmp_path / "table.md").read_text()


def test_aims_are_compared_with_what_was_reached_as_far_as_it_was_measured() -> None:
    rows = [
        Figure(
            "udp, 10000 accounts, uvloop", "registration", 60.0, 90.0, "straight-line registration", (2.0, 1.0, 3.0)
        ),
        Figure("udp, 10000 accounts, uvloop", "refresh", 30.0, 60.0),
        Figure("udp, 10000 accounts, asyncio", "registration", note="not measured"),
        Figure("growth, uvloop", "registration among 10000", 60.0, 90.0),
        Figure("holding, 1000 accounts, uvloop", "memory", 1.0, 1.0),
        Figure("import", "import aiosipreg without Python", 121_000.0, 130_000.0),
    ]
    assert [(row.name, row.amount, row.note) for row in targets.reached(rows)] == [
        ("registration, uvloop, 10 000 accounts", 60.0, "at most 70: reached"),
        ("the same, of straight-line code", 2.0, "at most 1.8: missed"),
        ("refresh of a registration, uvloop, 10 000 accounts", 0.5, "at most 0.55: reached"),
        ("import", 121.0, "at most 120: missed"),
    ]


def test_each_build_has_its_aims() -> None:
    few = "peers, 1000 accounts"
    rows = [
        Figure("udp, 10000 accounts, uvloop, compiled", "registration", 60.0, 90.0, "straight-line", (2.0, 1.0, 3.0)),
        Figure("udp, 10000 accounts, uvloop, compiled", "refresh", 30.0, 60.0),
        Figure("udp, 10000 accounts, asyncio, compiled", "registration", 80.0, 90.0),
        Figure("growth, uvloop, compiled", "registration among 10000", 60.0, 90.0, "among 1000", (1.0, 1.0, 1.0)),
        Figure(few, "libre", 120.0, 1.0),
        Figure(few, "SIPp", 25.0, 1.0),
        Figure(few, "aiosipreg on uvloop", 100.0, 1.0),
        Figure(few, "aiosipreg on uvloop, compiled", 50.0, 1.0),
        Figure("holding, 1000 accounts, uvloop, compiled", "memory", amount=3.0, unit="kB"),
        Figure("holding, 100000 accounts, uvloop, compiled", "start-up", 90.0, 90.0, amount=9.0, unit="s for all"),
        Figure("import", "import aiosipreg without Python, compiled", 90_000.0, 90_000.0),
    ]
    assert [(row.name, row.amount) for row in targets.reached(rows)] == [
        ("registration, uvloop, 1 000 accounts, of SIPp", 4.0),
        ("registration, uvloop, 10 000 accounts, compiled", 60.0),
        ("the same, of straight-line code, compiled", 2.0),
        ("the same, of libre among 1 000, compiled", 0.5),
        ("registration, asyncio, 10 000 accounts, compiled", 80.0),
        ("registration, uvloop, 1 000 accounts, of SIPp, compiled", 2.0),
        ("refresh of a registration, uvloop, 10 000 accounts, compiled", 0.5),
        ("growth, 1 000 to 10 000 accounts, compiled", 1.0),
        ("memory of one of 1 000 accounts, compiled", 3.0),
        ("100 000 accounts Ok, compiled", 9.0),
        ("import, compiled", 90.0),
    ]


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


def test_a_profile_has_files_and_functions(capsys: pytest.CaptureFixture[str]) -> None:
    profile.main(["--accounts", "3"])
    files, functions = capsys.readouterr().out.strip().split("\n\n")
    assert files.startswith("| File | % |\n| --- | --: |\n")
    assert "`Python and its event loop`" in files
    assert functions.startswith("| Function | % |\n")
    assert ".py: " in functions


class TestPacing:
    def test_a_day_has_its_stretches(self, capsys: pytest.CaptureFixture[str]) -> None:
        pacing.main(["--accounts", "60", "--hours", "7", "--json"])
        (day,) = json.loads(capsys.readouterr().out)
        assert (day["accounts"], day["silent"], day["states"]) == (60, [12_600, 17_100], {"Ok": 60})
        assert day["started"] in (2, 3)
        assert 17_100 < day["recovered"] < 17_100 + 1900
        names = [part["name"] for part in day["stretches"]]
        assert names[:4] == ["refreshes", "refreshes", "refreshes", "silence"]
        assert names[-1] == "refreshes"
        for part in day["stretches"]:
            assert part["begins"] < part["ends"] <= 7 * 3600
            assert 0 < part["mean"] <= part["peak"] <= part["second"]

    def test_nobody_comes_back_when_the_day_is_over_before(self) -> None:
        day = pacing.play(3, 2, outage=0.5, silence=1.5)
        assert day.recovered is None
        # One of them may be asking just now.
        assert sum(day.states.get(state, 0) for state in ("Failed", "Progress")) == 3

    def test_it_is_told_in_a_table(self, capsys: pytest.CaptureFixture[str]) -> None:
        pacing.main(["--accounts", "3", "2", "--hours", "2", "3"])
        printed = capsys.readouterr().out
        assert "3 accounts, " in printed
        assert "| 1.50 to 2.75 | silence |" in printed

    def test_it_is_drawn(self, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
        pacing.draw([pacing.play(2, 1, outage=0.5, silence=0.1)], tmp_path / "day.png")
        assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")

    def test_each_day_has_its_length(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            pacing.main(["--accounts", "3", "--hours", "2", "3"])
        assert "as many --hours as --accounts" in capsys.readouterr().err
