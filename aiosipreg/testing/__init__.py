"""What programs that keep accounts registered are tested with.

A registrar that can be told how to answer, a network that loses packets, and a clock that jumps::

    import asyncio

    from aiosipreg import AuthInfo, Core, ProxyParams
    from aiosipreg.testing import Registrar, VirtualNetwork, run

    async def a_day() -> None:
        toto = AuthInfo("toto", password="secret")
        async with Registrar(users={"toto": "secret"}) as registrar, Core(auth=toto) as core:
            core.add_proxy_config(ProxyParams("sip:toto@sip.titi.com", server=registrar.uri, expires=600))
            await asyncio.sleep(86_400)
            assert registrar.bindings["sip:toto@sip.titi.com"]

    run(a_day(), network=VirtualNetwork(loss=0.3, seed=1))

The names are loaded when they are first used, so that the pytest plugin costs nothing where it is not used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiosipreg.testing.bindings import StoredBinding
    from aiosipreg.testing.breakage import StreamFaults
    from aiosipreg.testing.clock import DeadlockError, VirtualClockLoop, run
    from aiosipreg.testing.connection import Connection
    from aiosipreg.testing.flow import Flow
    from aiosipreg.testing.link import Faults, Link
    from aiosipreg.testing.network import Address, VirtualNetwork
    from aiosipreg.testing.packet import Packet
    from aiosipreg.testing.registrar import Registrar
    from aiosipreg.testing.scripted import Hook, ScriptedRegistrar
else:
    _ROOMS = {
        "Address": "network",
        "Connection": "connection",
        "DeadlockError": "clock",
        "Faults": "link",
        "Flow": "flow",
        "Hook": "scripted",
        "Link": "link",
        "Packet": "packet",
        "Registrar": "registrar",
        "ScriptedRegistrar": "scripted",
        "StoredBinding": "bindings",
        "StreamFaults": "breakage",
        "VirtualClockLoop": "clock",
        "VirtualNetwork": "network",
        "run": "clock",
    }

    def __getattr__(name: str) -> object:
        if name not in _ROOMS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_ROOMS})


__all__ = [
    "Address",
    "Connection",
    "DeadlockError",
    "Faults",
    "Flow",
    "Hook",
    "Link",
    "Packet",
    "Registrar",
    "ScriptedRegistrar",
    "StoredBinding",
    "StreamFaults",
    "VirtualClockLoop",
    "VirtualNetwork",
    "run",
]
