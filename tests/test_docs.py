"""Runs the Python and console blocks of README.md and docs/: what is shown works, and prints what is shown.

CONTRIBUTING.md tells how to write them.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import os
import re
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import aiosipreg

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiosipreg.testing import Registrar
    from aiosipreg.wire import SipUri

ROOT = Path(__file__).resolve().parent.parent
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

PIECES = re.compile(
    r"^(?P<fence>`{3,})(?P<info>[^\n`]*)\n(?P<code>.*?)^(?P=fence)[ ]*$"
    r"|^<!--[ ]*(?P<word>run|skip):(?P<text>.*?)-->",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """Code that stands in a document, shown or hidden.

    Attributes:
        name: Where it stands.
        code: What is run.
        line: The line of the document that the code begins on.
        skip: Why it is not run.
        output: What it must print, with ``...`` for anything; ``None`` if that is not said.
        console: Whether it is commands for a shell.
    """

    name: str
    code: str
    line: int
    skip: str | None = None
    output: str | None = None
    console: bool = False


def blocks_of(text: str, name: str) -> list[Block]:
    """The blocks in their order; a skip mark counts for the next shown one, an output for the one before it."""
    blocks: list[Block] = []
    skip = None
    for piece in PIECES.finditer(text):
        line = text.count("\n", 0, piece.start()) + 1
        info = (piece["info"] or "").strip()
        if piece["word"] == "skip":
            skip = piece["text"].strip()
            assert skip, f"{name}:{line}: skipped without a reason"
        elif piece["word"] == "run":
            blocks.append(Block(f"{name}:{line}", inspect.cleandoc(piece["text"]), line))
        elif info == "output":
            assert blocks, f"{name}:{line}: output of nothing"
            blocks[-1] = replace(blocks[-1], output=piece["code"])
        elif info in ("python", "console"):
            blocks.append(Block(f"{name}:{line}", piece["code"], line + 1, skip, console=info == "console"))
            skip = None
    assert skip is None, f"{name}: no block after the last skip mark"
    return blocks


def check_output(block: str, wanted: str, printed: str) -> None:
    """Compare what was printed with what is shown; ``...`` stands for anything, and line breaks may differ."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if not doctest.OutputChecker().check_output(wanted, printed, flags):
        pytest.fail(f"{block} shows\n{wanted}\nbut prints\n{printed}", pytrace=False)


@dataclass(slots=True)
class Document:
    """One file: its blocks share a namespace and a loop, and build on each other."""

    blocks: list[Block]
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    done: int = 0

    def run_to(self, block: Block) -> None:
        """Run a block, and before it those of the document that did not run yet."""
        last = self.blocks.index(block)
        while self.done <= last:
            self.done += 1
            if self.blocks[self.done - 1].skip is None:
                self.run(self.blocks[self.done - 1])

    def run(self, block: Block) -> None:
        if block.console:
            run_commands(block, self.namespace["registrar"])
        elif TEST.search(block.code):
            run_tests(block)
        else:
            self.run_python(block)

    def run_python(self, block: Block) -> None:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        source = "\n" * (block.line - 1) + block.code  # a traceback shows the line of the document
        code = compile(source, block.name, "exec", flags=flags, dont_inherit=True)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            if code.co_flags & inspect.CO_COROUTINE:
                self.runner.run(eval(code, self.namespace))
            else:
                exec(code, self.namespace)
        if block.output is not None:
            check_output(block.name, block.output, printed.getvalue())


TEST = re.compile(r"^(async )?def test_", re.MULTILINE)


def run_tests(block: Block) -> None:
    """Have pytest run what is shown as a file of tests, as a user's would: with the plugin that is found by itself."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "test_shown.py").write_text(block.code, encoding="utf-8")
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider", directory],
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=45,
        )
    assert result.returncode == 0, result.stdout
    if block.output is not None:
        check_output(block.name, f"...{block.output}", result.stdout)


SHOWN_ADDRESS = "127.0.0.1:5060"
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.MULTILINE)


def run_commands(block: Block, registrar: Registrar) -> None:
    """Type the commands of a console block (``$ ...``) into one shell, and compare what it writes with what is shown.

    The address 127.0.0.1:5060 stands for the registrar's; the password of its users is in the environment.
    """
    address = f"{registrar.host}:{registrar.port}"
    commands = COMMAND.findall(block.code)
    assert commands, f"{block.name}: no command"
    wanted = COMMAND.split(block.code)[2::2]
    end = "\x1e"
    # Each command sees the exit code of the one before in $?.
    script = "cd $(mktemp -d)\n" + "".join(f"{command}\nrc=$?; printf '{end}'; (exit $rc)\n" for command in commands)
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    result = subprocess.run(
        ["bash", "-c", script.replace(SHOWN_ADDRESS, address)],
        env=os.environ | {"PATH": path, "AIOSIPREG_PASSWORD": "secret", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=45,
    )
    printed = result.stdout.replace(address, SHOWN_ADDRESS).split(end)
    for command, shown, written in zip(commands, wanted, printed, strict=False):
        check_output(f"{block.name}: {command}", shown, written)


def load(path: Path) -> Document:
    name = path.relative_to(ROOT).as_posix()
    return Document(blocks_of(path.read_text(encoding="utf-8"), name))


DOCUMENTS = [load(path) for path in FILES]
CASES = [(document, block) for document in DOCUMENTS for block in document.blocks]


@pytest.fixture(scope="module")
def registrar() -> Iterator[Registrar]:
    """The registrar of the documentation's world, in a thread of its own: a block may call asyncio.run()."""
    from aiosipreg.testing import Registrar

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    registrar = Registrar(users={"toto": "secret", "alice": "secret", "bob": "secret"})
    try:
        asyncio.run_coroutine_threadsafe(registrar.__aenter__(), loop).result(10)
        yield registrar
        asyncio.run_coroutine_threadsafe(registrar.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def world(registrar: Registrar) -> Iterator[dict[str, Any]]:
    """Every name leads to the one registrar, so that documents may use names that read well; an address to itself."""
    from aiosipreg.engine.targets import Located, ResolutionFailed, Target, Transport
    from aiosipreg.net.resolver import Resolver
    from aiosipreg.wire.host import parse_ip

    resolve = Resolver.locate

    async def locate(self: Resolver, uri: SipUri, transports: Sequence[Transport]) -> Located:
        if parse_ip(uri.host) is not None:
            return await resolve(self, uri, transports)
        if uri.host.endswith(".invalid"):
            raise ResolutionFailed(f"{uri.host} leads nowhere", absent=True)
        return Located((Target(registrar.host, registrar.port, Transport.UDP, uri.host),), 60.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Resolver, "locate", locate)
        yield {"registrar": registrar}
    for document in DOCUMENTS:
        document.runner.close()


@pytest.mark.parametrize(("document", "block"), CASES, ids=[block.name for _, block in CASES])
def test_block_runs(document: Document, block: Block, request: pytest.FixtureRequest) -> None:
    if block.skip is not None:
        pytest.skip(block.skip)
    document.namespace.update(request.getfixturevalue("world"))
    document.run_to(block)


def test_the_reference_has_every_public_name() -> None:
    text = (ROOT / "docs" / "reference" / "aiosipreg.md").read_text(encoding="utf-8")
    named = re.findall(r"^\.\. auto\w+:: (\w+)$", text, re.MULTILINE)
    assert sorted(named) == sorted(aiosipreg.__all__)


COLUMNS = 98
"""What fits into the page: see docs/static/width.css."""


@pytest.mark.parametrize("path", FILES, ids=[path.relative_to(ROOT).as_posix() for path in FILES])
def test_no_shown_line_is_cut_off(path: Path) -> None:
    pieces = PIECES.finditer(path.read_text(encoding="utf-8"))
    shown = [piece["code"] or "" for piece in pieces if piece["info"] not in ("output", "console")]
    long = [line for code in shown for line in code.splitlines() if len(line) > COLUMNS]
    assert not long, "\n".join(long)


SAMPLE = """
# Title

<!-- run: import asyncio -->
```python
x = 1
```

```text
not code
```

````markdown
```python
quoted, so not run
```
````

<!-- skip: needs a telephone -->
```python
call()
```

```python
x += await asyncio.sleep(0, 41)
print("x is", x, "now")
```
```output
x is ... now
```
<!-- run:
    y = x
    assert y == 42
-->
"""


def test_the_convention_finds_and_runs_blocks() -> None:
    document = Document(blocks_of(SAMPLE, "a.md"))
    try:
        assert [(block.name, block.skip) for block in document.blocks] == [
            ("a.md:4", None),
            ("a.md:5", None),
            ("a.md:20", "needs a telephone"),
            ("a.md:24", None),
            ("a.md:31", None),
        ]
        document.run_to(document.blocks[3])
        assert document.namespace["x"] == 42
        assert "y" not in document.namespace
        document.run_to(document.blocks[4])
        assert document.namespace["y"] == 42
    finally:
        document.runner.close()


def test_a_failing_block_names_the_line_of_the_document() -> None:
    document = Document(blocks_of("text\n\n```python\nx = 1\n1 / 0\n```\n", "a.md"))
    with pytest.raises(ZeroDivisionError) as failure:
        document.run_to(document.blocks[0])
    assert failure.traceback[-1].lineno + 1 == 5
    document.runner.close()


@pytest.mark.parametrize(
    "text", ["<!-- skip: -->\n```python\n```\n", "<!-- skip: reason -->\n", "```output\nof nothing\n```\n"]
)
def test_a_mark_needs_a_reason_and_a_block(text: str) -> None:
    with pytest.raises(AssertionError):
        blocks_of(text, "a.md")


def test_a_block_that_prints_something_else_fails() -> None:
    document = Document(blocks_of("```python\nprint('one two')\n```\n```output\none ... three\n```\n", "a.md"))
    with pytest.raises(pytest.fail.Exception, match="but prints\none two"):
        document.run_to(document.blocks[0])
    document.runner.close()


def test_commands_share_a_shell_and_are_compared_one_by_one(registrar: Registrar) -> None:
    good = Block("a.md:1", "$ echo 127.0.0.1:5060\n127.0.0.1:5060\n$ name=x; \\\n  false\n$ echo $? $name\n1 x\n", 2)
    run_commands(good, registrar)
    bad = replace(good, code="$ true\n$ echo this\nthat\n")
    with pytest.raises(pytest.fail.Exception, match="but prints\nthis"):
        run_commands(bad, registrar)
