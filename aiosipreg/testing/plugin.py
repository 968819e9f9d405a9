"""The pytest plugin; pytest finds it by itself once aiosipreg is installed.

* The fixture ``sip_registrar`` is a running ``Registrar`` that knows the user ``toto`` with the password ``secret``.
* The marker ``virtual_clock`` runs an async test, and its async fixtures, on a ``VirtualClockLoop``. Its arguments are
  those of ``VirtualNetwork``::

      @pytest.mark.virtual_clock(loss=0.3, delay=0.05, seed=1)
      async def test_a_day(sip_registrar: Registrar) -> None:
          await asyncio.sleep(86_400)

Both need pytest-asyncio (the marker 1.4 or newer). Nothing else is loaded before a test asks for it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Mapping

    from aiosipreg.testing import Registrar, VirtualClockLoop

__all__ = ["sip_registrar"]

_fixture: Any = pytest.fixture
with contextlib.suppress(ImportError):
    # In the strict mode of pytest-asyncio only its own decorator makes an async fixture.
    from pytest_asyncio import fixture as _fixture

_MARKER = "virtual_clock"
_HOOK = "pytest_asyncio_loop_factories"


async def _sip_registrar() -> AsyncIterator[Registrar]:
    """A running registrar with the user ``toto``, password ``secret``."""
    from aiosipreg.testing import Registrar

    async with Registrar(users={"toto": "secret"}) as registrar:
        yield registrar


sip_registrar = _fixture(_sip_registrar, name="sip_registrar")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(loss=0.0, delay=0.0, reorder=0.0, duplicate=0.0, seed=0): "
        "run an async test on aiosipreg's virtual clock and virtual network",
    )


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, None, None]:
    """Give pytest-asyncio a loop factory for a marked test, and for that one only.

    An implementation of its hook that is always there would change the loops and the names of all other tests of the
    users, because pytest-asyncio does not take "no opinion" for an answer.
    """
    marker = metafunc.definition.get_closest_marker(_MARKER)
    if marker is None:
        return (yield)
    if not hasattr(metafunc.config.hook, _HOOK):
        raise pytest.UsageError(f"the marker {_MARKER} needs pytest-asyncio 1.4 or newer")
    opinion = _LoopFactory(_network_arguments(marker))
    metafunc.config.pluginmanager.register(opinion)
    try:
        return (yield)
    finally:
        metafunc.config.pluginmanager.unregister(opinion)


def _network_arguments(marker: pytest.Mark) -> Mapping[str, Any]:
    if marker.args:
        raise pytest.UsageError(f"the marker {_MARKER} takes keyword arguments only")
    return marker.kwargs


class _LoopFactory:
    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments

    @pytest.hookimpl(tryfirst=True)
    def pytest_asyncio_loop_factories(self) -> Mapping[str, Callable[[], VirtualClockLoop]]:
        """What pytest-asyncio asks."""
        return {_MARKER: self._make}

    def _make(self) -> VirtualClockLoop:
        from aiosipreg.testing import VirtualClockLoop, VirtualNetwork

        return VirtualClockLoop(VirtualNetwork(**self._arguments))
