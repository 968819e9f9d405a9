"""The guards of conftest.py catch what they are there for, in the test that did it."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

TESTS = """
import asyncio
import pytest

async def test_leaves_a_task():
    asyncio.create_task(asyncio.Event().wait())

async def test_after_the_task():
    pass

async def test_callback_raises():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)

def test_callback_raises_in_a_loop_of_its_own():
    async def main():
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)
    asyncio.run(main())

async def test_task_fails_unseen():
    async def fail():
        raise ValueError("nobody looks")
    asyncio.create_task(fail())
    await asyncio.sleep(0)

async def never():
    pass

def test_never_awaited():
    never()

async def test_in_order():
    task = asyncio.create_task(asyncio.sleep(0))
    await task
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, ("127.0.0.1", 0))
    transport.close()

@pytest.fixture
async def server():
    task = asyncio.create_task(asyncio.Event().wait())
    yield task
    task.cancel()

async def test_a_fixture_ends_what_it_started(server):
    assert not server.done()
"""

TRANSPORT = """
async def test_leaves_a_transport():
    await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
"""


def run(pytester: pytest.Pytester, tests: str, *arguments: str) -> pytest.RunResult:
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makepyprojecttoml("""
        [tool.pytest.ini_options]
        asyncio_mode = "auto"
        asyncio_default_fixture_loop_scope = "function"
        filterwarnings = ["error"]
        addopts = "-p no:aiosipreg -p no:cacheprovider"
    """)
    pytester.makepyfile(tests)
    return pytester.runpytest_subprocess(*arguments, timeout=30)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_guards_fail_the_test_that_left_something_behind(pytester: pytest.Pytester, loop: str) -> None:
    result = run(pytester, TESTS, f"--loop={loop}")
    result.assert_outcomes(passed=7, failed=1, errors=4)
    result.stdout.fnmatch_lines_random(
        [
            "*ERROR at teardown of test_leaves_a_task*",
            "*ERROR at teardown of test_callback_raises _*",
            "*ERROR at teardown of test_callback_raises_in_a_loop_of_its_own*",
            "*ERROR at teardown of test_task_fails_unseen*",
            "*FAILED*::test_never_awaited*",
        ]
    )


def test_guards_fail_the_test_that_left_a_transport_open(pytester: pytest.Pytester) -> None:
    # uvloop, asked to close a loop with an open datagram transport, never comes back; it is not asked here.
    result = run(pytester, "import asyncio\n" + TRANSPORT)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines_random(["*ResourceWarning: unclosed transport*"])
