"""aiosipreg/testing/plugin.py: other people's test suites, run by pytest within pytest."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiosipreg.testing import VirtualClockLoop
from tests.testing.requests import AOR, Client, register

if TYPE_CHECKING:
    from aiosipreg.testing import Registrar

pytest_plugins = ["pytester"]


async def test_the_fixture_is_a_running_registrar_with_a_user(sip_registrar: Registrar) -> None:
    client = await Client.connect(sip_registrar.host, sip_registrar.port)
    try:
        assert (await client.ask(register())).status == 401
    finally:
        client.close()
    assert not isinstance(asyncio.get_running_loop(), VirtualClockLoop)


@pytest.mark.virtual_clock(loss=0.3, delay=(0.01, 0.05), seed=4)
async def test_the_marker_puts_test_and_fixtures_on_the_virtual_clock(sip_registrar: Registrar) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualClockLoop)
    assert loop.network.faults.loss == 0.3
    client = await Client.connect(sip_registrar.host, sip_registrar.port)
    for number in range(100):
        client.send(register(cseq=number))
        await asyncio.sleep(864.0)
    assert loop.time() == pytest.approx(86_400.0)
    assert 0 < loop.network.lost < loop.network.sent
    assert sip_registrar.bindings.get(AOR) is None
    assert sip_registrar.requests


def suite(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run somebody's tests; pytest-asyncio warns unless this option is set."""
    asyncio_options = () if "no:asyncio" in arguments else ("-o", "asyncio_default_fixture_loop_scope=function")
    # By name and not by entry point, so that it makes no difference whether the checkout is installed.
    plugin = ("-p", "no:aiosipreg", "-p", "aiosipreg.testing.plugin")
    return pytester.runpytest_inprocess(*plugin, *asyncio_options, *arguments)


SUITE = """
    import asyncio
    import pytest
    from aiosipreg.testing import VirtualClockLoop

    def is_virtual():
        return isinstance(asyncio.get_running_loop(), VirtualClockLoop)

    {asyncio}
    @pytest.mark.virtual_clock(loss=0.5)
    async def test_virtual(sip_registrar):
        await asyncio.sleep(3600)
        assert is_virtual()
        assert asyncio.get_running_loop().network.faults.loss == 0.5

    {asyncio}
    async def test_real(sip_registrar):
        assert not is_virtual()

    @pytest.mark.virtual_clock
    def test_not_async():
        pass

    def test_plain():
        pass
"""


@pytest.mark.parametrize(("mode", "decorator"), [("auto", ""), ("strict", "@pytest.mark.asyncio")])
def test_both_modes_of_pytest_asyncio(pytester: pytest.Pytester, mode: str, decorator: str) -> None:
    pytester.makepyfile(SUITE.format(asyncio=decorator))
    result = suite(pytester, "--asyncio-mode", mode, "--strict-markers", "-W", "error", "-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*::test_virtual PASSED*"])


def test_users_keep_their_own_loop_factories(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import asyncio

        class OwnLoop(asyncio.SelectorEventLoop):
            pass

        def pytest_asyncio_loop_factories(config, item):
            return {"own": OwnLoop, "other": asyncio.SelectorEventLoop}
    """)
    pytester.makepyfile("""
        import asyncio
        import pytest

        async def test_own():
            assert "Virtual" not in type(asyncio.get_running_loop()).__name__

        @pytest.mark.virtual_clock
        async def test_virtual():
            assert "Virtual" in type(asyncio.get_running_loop()).__name__
    """)
    result = suite(pytester, "--asyncio-mode=auto", "-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*::test_own?own? PASSED*", "*::test_own?other? PASSED*", "*::test_virtual PASSED*"])


def test_a_suite_without_pytest_asyncio_is_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_plain():
            pass
    """)
    result = suite(pytester, "-p", "no:asyncio", "-W", "error")
    result.assert_outcomes(passed=1)


def test_the_marker_without_pytest_asyncio_says_what_it_needs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.virtual_clock
        async def test_virtual():
            pass
    """)
    result = suite(pytester, "-p", "no:asyncio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*virtual_clock needs pytest-asyncio 1.4 or newer*"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [("0.3", "keyword arguments only"), ("los=0.3", "unexpected keyword argument 'los'"), ("loss=3", "loss=3")],
)
def test_wrong_arguments_of_the_marker_are_reported(pytester: pytest.Pytester, arguments: str, complaint: str) -> None:
    pytester.makepyfile(f"""
        import pytest

        @pytest.mark.virtual_clock({arguments})
        async def test_virtual():
            pass
    """)
    result = suite(pytester, "--asyncio-mode=auto")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{complaint}*"])


def test_a_deadlock_is_a_failure_and_not_a_hang(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import asyncio
        import pytest

        @pytest.mark.virtual_clock
        async def test_stuck():
            await asyncio.Event().wait()
    """)
    result = suite(pytester, "--asyncio-mode=auto")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*DeadlockError*", "*test_stuck*"])


def test_pytest_finds_it_by_its_entry_point() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"aiosipreg": "aiosipreg.testing.plugin"}


def test_the_plugin_loads_nothing_of_its_own_before_it_is_used() -> None:
    code = (
        "import sys, aiosipreg.testing.plugin;"
        "print(sorted(name for name in sys.modules if name.startswith('aiosipreg.testing.')))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "['aiosipreg.testing.plugin']"
