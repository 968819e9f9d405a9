"""The house of aiosipreg as a test: imports run downwards only, and no room grows beyond what a reader can hold."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "aiosipreg"
SOURCE = Path(__file__).resolve().parent.parent / PACKAGE

FLOORS: dict[str, int] = {
    "errors": 0,
    "checks": 0,
    "states": 0,
    "auth": 0,
    "frozen": 0,
    "wire": 1,
    "params": 2,
    "settings": 2,
    "vetting": 2,
    "engine": 2,
    "chance": 3,
    "net": 3,
    "streams": 3,
    "store": 3,
    "timetable": 3,
    "credentials": 3,
    "outcomes": 3,
    "ports": 3,
    "users": 3,
    "linphonerc": 3,
    "fetch": 4,
    "dependents": 4,
    "draft": 4,
    "runner": 4,
    "standing": 4,
    "keepalives": 4,
    "flows": 4,
    "hub": 4,
    "keeping": 4,
    "lanes": 4,
    "leaving": 4,
    "proxy": 4,
    "roaming": 4,
    "core": 5,
    "": 6,  # aiosipreg/__init__.py
    "__main__": 6,
    "testing": 6,
    "cli": 6,
}

# Rooms of one floor do not know each other, except in these directions.
SIDEWAYS: dict[str, set[str]] = {
    "states": {"errors"},
    "auth": {"errors"},
    "checks": {"errors"},
    "engine": {"params", "settings"},
    "params": {"settings", "vetting"},
    "ports": {"credentials", "timetable", "users"},
    "hub": {"keepalives", "lanes", "runner"},
    "roaming": {"hub", "runner"},
    "fetch": {"runner"},
    "dependents": {"proxy"},
    "flows": {"runner"},
    "proxy": {"draft", "fetch", "flows", "standing"},
    "standing": {"flows", "runner"},
    "keeping": {"proxy"},
    "leaving": {"dependents", "proxy"},
    "__main__": {"cli"},
}

# The type of `proxy.core`, which users follow.
NAMED = {("standing", "core")}

# These see the package as its users do.
PUBLIC = {PACKAGE, f"{PACKAGE}.wire", f"{PACKAGE}.linphonerc", f"{PACKAGE}.testing"}
PUBLIC_ONLY = {"testing", "cli", "__main__"}

# Floors 0 to 2: time comes in as `now`, randomness as a `random.Random`, and nothing goes out.
PURE = 2
IMPURE = {
    "asyncio", "concurrent", "datetime", "logging", "multiprocessing", "os", "queue", "sched", "secrets", "select",
    "selectors", "signal", "socket", "subprocess", "threading", "time",
}  # fmt: skip
PURE_NAMES = {"random": {"Random"}, "uuid": {"UUID"}}

# Where else than in the standard library a module comes from, and who may use it: a room or one file.
THIRD_PARTY: dict[str, set[str]] = {
    "aiodns": {"net"},
    "pycares": {"net"},
    "cryptography": {"engine/algorithms.py", "engine/aka.py", "net/certificate.py"},
    "click": {"cli"},
    "rich": {"cli"},
    "uvloop": {"cli"},
    "websockets": {"net/websocket.py", "testing/websocket.py"},
    "pytest": {"testing/plugin.py"},
    "pytest_asyncio": {"testing/plugin.py"},
}
# testing/ has a network of its own, without sockets, and a TLS of its own on the caller's context.
EDGES = {"socket": {"net", "testing"}, "ssl": {"net", "testing/tls.py"}}

FILE_LINES = 400
FUNCTION_LINES = 50


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, or one name taken from it."""

    line: int
    module: str
    name: str | None
    type_only: bool


def room_of(path: str) -> str:
    """The room of a file given relative to the package: ``wire/uri.py`` is in ``wire``, ``__init__.py`` in ``""``."""
    first, _, rest = path.partition("/")
    return first if rest else first.removesuffix(".py").replace("__init__", "")


def module_of(path: str) -> str:
    parts = [PACKAGE, *path.removesuffix(".py").split("/")]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of_module(module: str) -> str:
    return module.removeprefix(PACKAGE).lstrip(".").partition(".")[0]


def inside(module: str) -> bool:
    return module == PACKAGE or module.startswith(f"{PACKAGE}.")


def imports_of(path: str, tree: ast.Module, modules: set[str]) -> Iterator[Import]:
    """All imports of a file, also those inside functions; ``from package import module`` names the module."""
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    here = [PACKAGE, *path.split("/")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, None, id(node) in guarded)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                module, name = (whole, None) if whole in modules else (source, alias.name)
                yield Import(node.lineno, module, name, id(node) in guarded)


def wrong_direction(path: str, found: Import) -> str | None:
    """Why a file may not import this module of the package, or None."""
    here, there = room_of(path), room_of_module(found.module)
    if here == there:
        return None
    if here in PUBLIC_ONLY:
        allowed = found.module in PUBLIC or there in SIDEWAYS.get(here, ())
        return None if allowed else f"imports {found.module}: only the public modules are open to {here}/"
    if there not in FLOORS:
        return f"imports {found.module}, which is in no room of the table"
    if FLOORS[there] < FLOORS[here] or there in SIDEWAYS.get(here, ()):
        return None
    if found.type_only and (FLOORS[here] == 0 or (here, there) in NAMED):
        return None  # the words of floor 0 name the things that they are about
    return f"imports {found.module}: {'sideways' if FLOORS[there] == FLOORS[here] else 'upwards'}"


def wrong_outside(path: str, found: Import) -> str | None:
    """Why a file may not import this module from outside the package, or None."""
    top = found.module.partition(".")[0]
    room = room_of(path)
    if FLOORS[room] <= PURE:
        if top in IMPURE:
            return f"imports {top}: floors 0 to {PURE} have no clock, no I/O and no randomness of their own"
        if found.name is not None and found.name not in PURE_NAMES.get(top, {found.name}):
            return f"imports {top}.{found.name}: only {', '.join(PURE_NAMES[top])} of it"
    if top in EDGES and found.type_only:
        return None
    owners = EDGES.get(top) or THIRD_PARTY.get(top)
    if owners is not None:
        return None if {room, path} & owners else f"imports {top}: only {', '.join(sorted(owners))} may"
    return None if top in sys.stdlib_module_names else f"imports {top}, which no room may"


def wrong_imports(sources: dict[str, str]) -> Iterator[str]:
    modules = {module_of(path) for path in sources}
    for path, source in sources.items():
        if room_of(path) not in FLOORS:
            yield f"{path}: is in no room of the table"
            continue
        tree = ast.parse(source)
        for found in imports_of(path, tree, modules):
            why = wrong_direction(path, found) if inside(found.module) else wrong_outside(path, found)
            if why:
                yield f"{path}:{found.line}: {why}"
        if FLOORS[room_of(path)] <= PURE:
            live = {found.module for found in imports_of(path, tree, modules) if not found.type_only}
            yield from (f"{path}:{line}: {why}" for line, why in impure_uses(tree, live))


def impure_uses(tree: ast.Module, live: set[str]) -> Iterator[tuple[int, str]]:
    """Uses of ``random.random`` and the like; an argument may be called ``random`` where the module is not at hand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = node.value.id
            if module in live and node.attr not in PURE_NAMES.get(module, {node.attr}):
                yield node.lineno, f"uses {module}.{node.attr}: only {', '.join(PURE_NAMES[module])} of it"


def cycles(sources: dict[str, str]) -> Iterator[str]:
    """Rings of run-time imports between modules."""
    modules = {module_of(path) for path in sources}
    graph = {
        module_of(path): {
            found.module
            for found in imports_of(path, ast.parse(source), modules)
            if not found.type_only and found.module in modules and found.module != module_of(path)
        }
        for path, source in sources.items()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> Iterator[str]:
        if module in trail:
            yield "import cycle: " + " -> ".join((*trail[trail.index(module) :], module))
        elif module not in done:
            for other in sorted(graph[module]):
                yield from visit(other, (*trail, module))
            done.add(module)

    for module in sorted(graph):
        yield from visit(module, ())


def too_large(sources: dict[str, str]) -> Iterator[str]:
    for path, source in sources.items():
        lines = source.count("\n")
        if lines > FILE_LINES:
            yield f"{path}: {lines} lines, at most {FILE_LINES}; which room is missing?"
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                size = node.end_lineno - node.lineno + 1
                if size > FUNCTION_LINES:
                    yield f"{path}:{node.lineno}: {node.name} has {size} lines, at most {FUNCTION_LINES}"


def our_sources() -> dict[str, str]:
    return {
        path.relative_to(SOURCE).as_posix(): path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py"))
    }


def report(violations: Iterator[str]) -> None:
    found = list(dict.fromkeys(violations))
    assert not found, "\n" + "\n".join(found)


def test_imports_run_downwards_only() -> None:
    report(wrong_imports(our_sources()))


def test_no_import_cycle() -> None:
    report(cycles(our_sources()))


def test_files_and_functions_stay_readable() -> None:
    report(too_large(our_sources()))


# What day it is matters to readers only, and to who reads a file of yesterday: whatever is timed runs on the clock of
# the event loop.
CALENDAR = re.compile(r"from time import|\btime\.(time|localtime|gmtime|strftime)\b|\bdatetime\b|\bparsedate")
READ_LATER = {"cli", "store"}


def looks_at_the_calendar(sources: dict[str, str]) -> Iterator[str]:
    for path, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute | ast.Import | ast.ImportFrom) and room_of(path) not in READ_LATER:
                text = ast.unparse(node)
                if CALENDAR.search(text):
                    yield f"{path}:{node.lineno}: {text}"


def test_SEC_37_no_date_decides_anything() -> None:
    report(looks_at_the_calendar(our_sources()))


@pytest.mark.parametrize(
    "source",
    [
        "import time\nx = time.time()",
        "from time import time",
        "import datetime",
        "from email.utils import parsedate_to_datetime",
        "import time as t\nx = t.monotonic()\nfrom datetime import datetime",
    ],
)
def test_SEC_37_a_look_at_the_calendar_is_caught(source: str) -> None:
    assert list(looks_at_the_calendar({"net/tls.py": source}))
    assert not list(looks_at_the_calendar({"cli/text.py": source}))
    assert not list(looks_at_the_calendar({"net/udp.py": "import time\nx = time.monotonic()"}))


HOUSE = {
    "__init__.py": "from aiosipreg.core import Core",
    "errors.py": "import re",
    "states.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from aiosipreg.proxy import ProxyConfig",
    "auth.py": "from aiosipreg.errors import ConfigError",
    "wire/__init__.py": "from aiosipreg.wire.uri import SipUri",
    "wire/uri.py": "from aiosipreg.errors import ParseError",
    "params.py": "import random\nfrom aiosipreg.settings import SipTimers\nx: random.Random",
    "settings.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ssl",
    "engine/__init__.py": "",
    "engine/timers.py": "if TYPE_CHECKING:\n    import random\ndef f(random):\n    random.uniform(1, 2)",
    "engine/digest.py": "",
    "engine/algorithms.py": "from cryptography.hazmat.primitives import hashes\nfrom aiosipreg import wire",
    "net/udp.py": "import asyncio\nimport socket\nfrom aiosipreg.engine import digest",
    "net/resolver.py": "import aiodns",
    "timetable.py": "import asyncio",
    "proxy.py": "from .timetable import Timetable",
    "core.py": "import logging\nfrom aiosipreg.proxy import ProxyConfig",
    "testing/__init__.py": "from aiosipreg import Core, wire\nfrom aiosipreg.testing.clock import Loop",
    "testing/clock.py": "import asyncio\nimport selectors",
    "testing/plugin.py": "import pytest",
    "cli/__init__.py": "import click\nfrom aiosipreg.testing import Registrar",
    "__main__.py": "from aiosipreg.cli import main",
}


def test_the_rules_accept_a_house_in_order() -> None:
    report(wrong_imports(HOUSE))
    report(cycles(HOUSE))
    report(too_large(HOUSE))


@pytest.mark.parametrize(
    ("path", "source", "why"),
    [
        ("errors.py", "from aiosipreg.wire import SipUri", "upwards"),
        ("errors.py", "from aiosipreg.auth import AuthInfo", "sideways"),
        ("auth.py", "import asyncio", "no clock"),
        ("wire/uri.py", "from aiosipreg.engine import digest", "upwards"),
        ("wire/uri.py", "def f():\n    from aiosipreg.params import ProxyParams", "upwards"),
        (
            "wire/uri.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from aiosipreg.proxy import P",
            "upwards",
        ),
        ("wire/uri.py", "from aiosipreg import wire, Core", "upwards"),
        ("wire/uri.py", "from ..params import ProxyParams", "upwards"),
        ("engine/digest.py", "import time", "no clock"),
        ("engine/digest.py", "from os import urandom", "no clock"),
        ("engine/digest.py", "import asyncio.events", "no clock"),
        ("engine/digest.py", "import logging as log", "no clock"),
        ("engine/digest.py", "from socket import AF_INET", "no clock"),
        ("engine/digest.py", "import random\nrandom.random()", "uses random.random"),
        ("engine/digest.py", "from random import random", "imports random.random"),
        ("engine/digest.py", "import uuid\nuuid.uuid4()", "uses uuid.uuid4"),
        ("engine/digest.py", "from aiosipreg.net.udp import Flow", "upwards"),
        (
            "engine/register.py",
            "import cryptography.hazmat",
            "only engine/aka.py, engine/algorithms.py, net/certificate.py may",
        ),
        ("params.py", "from aiosipreg.net.udp import Flow", "upwards"),
        ("errors.py", "from aiosipreg.states import Reason", "sideways"),
        ("settings.py", "import ssl", "only net, testing/tls.py may"),
        ("timetable.py", "from aiosipreg.streams import Stream", "sideways"),
        ("timetable.py", "import socket", "only net, testing may"),
        ("net/udp.py", "from aiosipreg.proxy import ProxyConfig", "upwards"),
        ("net/udp.py", "import requests", "which no room may"),
        ("proxy.py", "import aiodns", "only net may"),
        ("core.py", "from aiosipreg import ProxyParams", "upwards"),
        ("core.py", "import aiosipreg.testing", "upwards"),
        ("testing/clock.py", "from aiosipreg.proxy import ProxyConfig", "only the public modules"),
        ("testing/clock.py", "from aiosipreg import engine", "only the public modules"),
        ("testing/clock.py", "import pytest", "only testing/plugin.py may"),
        ("cli/show.py", "from aiosipreg.testing.clock import Loop", "only the public modules"),
        ("cli/show.py", "from aiosipreg.wire.uri import SipUri", "only the public modules"),
        ("attic.py", "", "in no room"),
        ("core.py", "from aiosipreg.attic import Old", "in no room"),
    ],
)
def test_the_rules_catch(path: str, source: str, why: str) -> None:
    violations = list(wrong_imports(HOUSE | {path: source}))
    assert len(violations) == 1
    assert violations[0].startswith(f"{path}:")
    assert why in violations[0]


def test_a_ring_of_imports_is_caught_and_named() -> None:
    ring = HOUSE | {
        "wire/a.py": "from aiosipreg.wire.b import B",
        "wire/b.py": "def late():\n    from aiosipreg.wire import c",
        "wire/c.py": "import aiosipreg.wire.a",
    }
    assert list(cycles(ring)) == [
        "import cycle: aiosipreg.wire.a -> aiosipreg.wire.b -> aiosipreg.wire.c -> aiosipreg.wire.a"
    ]


def test_a_type_only_import_makes_no_ring() -> None:
    tree = HOUSE | {
        "wire/a.py": "from aiosipreg.wire.b import B",
        "wire/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from aiosipreg.wire.a import A",
    }
    assert list(cycles(tree)) == []


def test_large_files_and_functions_are_caught() -> None:
    long_function = "def f():\n" + "    pass\n" * FUNCTION_LINES
    assert list(too_large({"wire/a.py": long_function})) == ["wire/a.py:1: f has 51 lines, at most 50"]
    assert list(too_large({"wire/a.py": "x = 1\n" * FILE_LINES})) == []
    assert "401 lines" in next(too_large({"wire/a.py": "x = 1\n" * (FILE_LINES + 1)}))
