"""How a command runs its coroutine: which event loop, and what Ctrl-C does."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any, TypeVar

from aiosipreg.cli.exits import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

__all__ = ["run", "stop_on_signals"]

_T = TypeVar("_T")


def run(main: Coroutine[Any, Any, _T], *, uvloop: bool = False) -> _T:
    """Run a coroutine to its end.

    Args:
        main: The coroutine.
        uvloop: Run it on uvloop where that is installed. Not for what shows times, since its clock counts whole
            milliseconds, and not for what listens, since it does not say why a port cannot be had.

    Raises:
        CommandFailed: It was cancelled: somebody did not want to wait for its end.
    """
    with asyncio.Runner(loop_factory=_uvloop_factory() if uvloop else None) as runner:
        try:
            return runner.run(main)
        except asyncio.CancelledError:
            raise CommandFailed("stopped at once; a binding may be left to run out") from None


def _uvloop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextlib.contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second one cancels the task that waits for the tidy end.

    Where the event loop takes no signal handlers (Windows), Ctrl-C cancels the task at the first time.
    """
    loop, task, stop = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()

    def signalled() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    handled = []
    with contextlib.suppress(NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, signalled)
            handled.append(number)
    try:
        yield stop
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
