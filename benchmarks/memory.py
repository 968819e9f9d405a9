"""What an account is made of: the octets of its objects, by the class of the package that holds them.

A child process walks over everything that a core leads to, once with some accounts and once with more; what the second
walk finds beyond the first belongs to the accounts, shared objects drop out by themselves. A string, a tuple or a dict
counts for the object of the package that leads to it. Beside it stands what the process grew by, which has the
allocator's loss in it. ``python -m benchmarks.memory PORT ACCOUNTS`` is that child.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections import Counter
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING

from aiosipreg import Core
from benchmarks.accounts import settings, started
from benchmarks.builds import told
from benchmarks.holding_client import resident
from benchmarks.measure import Figure
from benchmarks.null_registrar import null_registrar

if TYPE_CHECKING:
    from benchmarks.measure import Effort

__all__ = ["measured", "sizes"]

_MOST = 1000
_PACKAGE = "aiosipreg."
# Of the program, not of an account; to walk through them is to walk through all of Python.
_CODE = (type, ModuleType, FunctionType, BuiltinFunctionType, CodeType, FrameType)

_GROWN, _WHOLE = "what the process grew by", "all objects"


def measured(effort: Effort) -> list[Figure]:
    with null_registrar() as registrar:
        found: dict[str, float] = told("benchmarks.memory", registrar.port, min(effort.accounts[0], _MOST))
    grown = found.pop(_GROWN)
    parts = sorted(((name, octets) for name, octets in found.items() if octets >= 1), key=lambda part: -part[1])
    rows = [(_GROWN, grown), (_WHOLE, sum(octets for _, octets in parts)), *parts]
    return [Figure("memory of an account", name, amount=octets, unit="B") for name, octets in rows]


def sizes(root: object) -> Counter[str]:
    """Octets of everything that an object leads to, by the class that holds it."""
    found: Counter[str] = Counter()
    seen = {id(root)}
    layer = [(root, _name(root) or "elsewhere")]
    while layer:
        further = []
        for thing, holder in layer:
            found[holder] += sys.getsizeof(thing)
            for other in gc.get_referents(thing):
                if id(other) not in seen and not isinstance(other, _CODE):
                    seen.add(id(other))
                    further.append((other, _name(other) or holder))
        layer = further
    return found


def _name(thing: object) -> str | None:
    """The class and the file it is in, if it is of the package."""
    kind = type(thing.__self__) if isinstance(thing, MethodType) else type(thing)
    return f"{kind.__module__.removeprefix(_PACKAGE)}.{kind.__name__}" if kind.__module__.startswith(_PACKAGE) else None


async def grown(port: int, accounts: int) -> dict[str, float]:
    """Octets for each account: of the process, and by class."""
    async with Core(pacing=None) as core:
        await started(core, settings(port, range(accounts)))
        before = resident(tidy=False)
        await started(core, settings(port, range(accounts, 2 * accounts)))
        after = resident(tidy=False)
        # Timers that were set for answers run out.
        await asyncio.sleep(0.6)
        few = sizes(core)
        await started(core, settings(port, range(2 * accounts, 3 * accounts)))
        await asyncio.sleep(0.6)
        many = sizes(core)
    parts = {name: (octets - few[name]) / accounts for name, octets in many.items()}
    return {_GROWN: (after - before) / accounts, **parts}


def main() -> None:
    port, accounts = map(int, sys.argv[1:])
    json.dump(asyncio.run(grown(port, accounts)), sys.stdout)


if __name__ == "__main__":
    main()
