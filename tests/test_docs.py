"""Runs the Python blocks of README.md and docs/: what is shown works. CONTRIBUTING.md tells how to write them."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Code that stands in a document, shown or hidden."""

    name: str
    code: str
    line: int
    skip: str | None = None


def blocks_of(text: str, name: str) -> Iterator[Block]:
    """The blocks in their order; a skip mark counts for the next shown one."""
    skip = None
    for piece in PIECES.finditer(text):
        line = text.count("\n", 0, piece.start()) + 1
        if piece["word"] == "skip":
            skip = piece["text"].strip()
            assert skip, f"{name}:{line}: skipped without a reason"
        elif piece["word"] == "run":
            yield Block(f"{name}:{line}", inspect.cleandoc(piece["text"]), line)
        elif piece["info"].strip() == "python":
            yield Block(f"{name}:{line}", piece["code"], line + 1, skip)
            skip = None
    assert skip is None, f"{name}: no Python block after the last skip mark"


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
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        source = "\n" * (block.line - 1) + block.code  # a traceback shows the line of the document
        code = compile(source, block.name, "exec", flags=flags, dont_inherit=True)
        if code.co_flags & inspect.CO_COROUTINE:
            self.runner.run(eval(code, self.namespace))
        else:
            exec(code, self.namespace)


def load(path: Path) -> Document:
    name = path.relative_to(ROOT).as_posix()
    return Document(list(blocks_of(path.read_text(encoding="utf-8"), name)))


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
    """Every name leads to the one registrar, so that documents may use names that read well."""
    from aiosipreg.engine.targets import Located, Target, Transport
    from aiosipreg.net.resolver import Resolver

    async def locate(self: Resolver, uri: SipUri, transports: object) -> Located:
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
```
<!-- run:
    y = x
    assert y == 42
-->
"""


def test_the_convention_finds_and_runs_blocks() -> None:
    document = Document(list(blocks_of(SAMPLE, "a.md")))
    try:
        assert [(block.name, block.skip) for block in document.blocks] == [
            ("a.md:4", None),
            ("a.md:5", None),
            ("a.md:20", "needs a telephone"),
            ("a.md:24", None),
            ("a.md:27", None),
        ]
        document.run_to(document.blocks[3])
        assert document.namespace["x"] == 42
        assert "y" not in document.namespace
        document.run_to(document.blocks[4])
        assert document.namespace["y"] == 42
    finally:
        document.runner.close()


def test_a_failing_block_names_the_line_of_the_document() -> None:
    document = Document(list(blocks_of("text\n\n```python\nx = 1\n1 / 0\n```\n", "a.md")))
    with pytest.raises(ZeroDivisionError) as failure:
        document.run_to(document.blocks[0])
    assert failure.traceback[-1].lineno + 1 == 5
    document.runner.close()


@pytest.mark.parametrize("text", ["<!-- skip: -->\n```python\n```\n", "<!-- skip: reason -->\n"])
def test_a_skip_mark_needs_a_reason_and_a_block(text: str) -> None:
    with pytest.raises(AssertionError):
        list(blocks_of(text, "a.md"))
