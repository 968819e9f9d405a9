"""Guards around every test: no stray task, no unhandled exception in an event loop, no socket left open.

Warnings are errors (``pyproject.toml``), so an unclosed transport or a coroutine never awaited fails a test; what is
done here makes sure that it fails the test that left it behind and not one of the next.
"""

from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING, Any

import coverage
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

pytest_plugins = ["pytester", "aiosipreg.testing.plugin"]

settings.register_profile("default", deadline=None, derandomize="CI" in os.environ)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=5000, derandomize=False)
settings.load_profile("default")

LOOPS = ("asyncio", "uvloop")
PURE = {"wire", "engine"}  # tests of these floors open nothing: no need to spend 2 ms on each
UNHANDLED = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--loop", choices=LOOPS, default="asyncio", help="the event loop that tests run on")


def pytest_configure(config: pytest.Config) -> None:
    """Collect what an event loop has no one to tell, of loops that tests make themselves too."""
    unhandled = config.stash[UNHANDLED] = []
    patch = pytest.MonkeyPatch()
    patch.setattr(
        asyncio.BaseEventLoop, "default_exception_handler", lambda _, context: unhandled.append(describe(context))
    )
    config.add_cleanup(patch.undo)


# In a worker of xdist three would count lines: coverage, as in every child process, pytest-cov when it is loaded, and
# pytest-cov when the session begins. A test that is marked `no_cover` stops only the last of them.


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Spare the workers the first; what they start themselves gets it from pytest-cov."""
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """End the second just before the third begins."""
    counting = coverage.Coverage.current() if hasattr(session.config, "workerinput") else None
    if counting is not None:
        counting.stop()
        counting.save()


def describe(context: dict[str, Any]) -> str:
    return f"{context['message']}: " + ", ".join(f"{key}={context[key]!r}" for key in context if key != "message")


def pytest_asyncio_loop_factories(config: pytest.Config) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of ``--loop``; the marker ``virtual_clock`` of the package's own plugin comes before it."""
    if config.getoption("--loop") == "asyncio":
        return {"asyncio": asyncio.SelectorEventLoop}
    import uvloop

    def reporting() -> asyncio.AbstractEventLoop:
        loop = uvloop.new_event_loop()
        loop.set_exception_handler(lambda _, context: config.stash[UNHANDLED].append(describe(context)))
        return loop

    return {"uvloop": reporting}


@pytest.fixture(autouse=True)
def _no_task_left(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("asyncio"):
        request.getfixturevalue("_task_guard")


@pytest.fixture
async def _task_guard() -> AsyncIterator[None]:
    """Fail a test whose tasks outlive it and its fixtures; a task that has its end before it may take one turn."""
    yield
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks left over: {left}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take long comes first, so that other workers have the rest to do meanwhile."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


def pytest_runtestloop() -> None:
    """What exists before the first test is no test's garbage: out of the collector's way, a collection costs little."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """After the last fixture of a test: let garbage complain now, while it is known whose it is.

    pytest's own hook runs next and turns a complaint (``ResourceWarning``, "never awaited") into an error of the test.
    """
    if item.get_closest_marker("asyncio") or not PURE.intersection(item.path.parts):
        if nextitem is None or nextitem.path != item.path:
            # What was put aside below may be garbage by now, such as what a fixture of the whole file held.
            gc.unfreeze()
        gc.collect()
        # What survives is not the next test's: looking through the heap of thousands of tests takes 50 ms each time.
        gc.freeze()
    unhandled = item.config.stash[UNHANDLED]
    told, unhandled[:] = list(unhandled), []
    assert not told, "unhandled in the event loop: " + "; ".join(told)
