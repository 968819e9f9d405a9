"""The scripted servers, in the order of the table."""

from __future__ import annotations

import asyncio
import random
import re
from itertools import count
from typing import TYPE_CHECKING

from aiosipreg.testing import Faults
from aiosipreg.wire import Request, Response
from benchmarks.side_by_side.stage import Server, Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import TypeAlias

    from aiosipreg.testing import Hook, Registrar

    Script: TypeAlias = Callable[[Stage], Awaitable[object]]

__all__ = ["SERVERS"]

# Long enough for what comes a minute later: both clients wait that long after most refusals.
LONG = 75.0
SHORT = 15.0

SERVERS: list[Server] = []


def scripted(story: str, *, window: float = SHORT, mends: bool = True) -> Callable[[Script], Script]:
    """Make a server of a function, whose name becomes the server's."""

    def take(play: Script) -> Script:
        SERVERS.append(Server(play.__name__.replace("_", "-").strip("-"), story, play, window, mends))
        return play

    return take


def always(status: int, reason: str, headers: Iterable[tuple[str, str]] = ()) -> Hook:
    answer = Response(status, reason, headers)
    return lambda request, usual: answer


def lost(request: Request, usual: Response) -> None:
    """Says nothing; unlike with `Faults` the request is counted."""


def rewritten(usual: Response, pattern: str, text: str) -> Response:
    """The same answer with other header values."""
    rows = [(name, re.sub(pattern, text, value)) for name, value in usual.headers.items()]
    return Response(usual.status, usual.reason, rows)


async def once(stage: Stage, status: int, reason: str, headers: Iterable[tuple[str, str]] = ()) -> None:
    """Refuse the first REGISTER, then be a registrar like any other."""
    registrar = await stage.open()
    registrar.answer_next(status, reason, headers)
    await stage.start(registrar)


# Servers that do what they should.


@scripted("401 with MD5, then 200; registration is switched off after 3 s")
async def well_behaved(stage: Stage) -> None:
    await stage.serve()
    await asyncio.sleep(3)
    stage.unregister()


@scripted("401 with SHA-256 only, then 200")
async def sha_256(stage: Stage) -> None:
    await stage.serve(algorithms=("SHA-256",))


@scripted("401 with SHA-512-256 on top of SHA-256 and MD5, then 200")
async def three_algorithms(stage: Stage) -> None:
    await stage.serve(algorithms=("SHA-512-256", "SHA-256", "MD5"))


@scripted("each nonce is good for one request: 401 with stale=true at each refresh, every 4 s")
async def stale_nonce(stage: Stage) -> None:
    await stage.serve(one_time_nonce=True, max_expires=4)


@scripted("grants 2 s of the 3600 that were asked for")
async def two_seconds(stage: Stage) -> None:
    await stage.serve(max_expires=2)


@scripted("says in Via that it saw another address and port than the Contact's")
async def behind_nat(stage: Stage) -> None:
    def translated(request: Request, usual: Response) -> Response:
        seen = rewritten(usual, r";received=[^;]*", ";received=192.0.2.7")
        return rewritten(seen, r";rport=\d+", ";rport=40000")

    await stage.serve(hook=translated)


# Credentials.


@scripted("another password: 401 again and again", window=LONG, mends=False)
async def wrong_password(stage: Stage) -> None:
    await stage.serve(users={"toto": "another"})


@scripted("401 with stale=true to everything", mends=False)
async def always_stale(stage: Stage) -> None:
    numbers = count()

    def challenge(request: Request, usual: Response) -> Response:
        row = f'Digest realm="sip.example.org", nonce="{next(numbers):08x}", qop="auth", stale=true'
        return Response(401, "Unauthorized", [("WWW-Authenticate", row)])

    await stage.serve(hook=challenge)


# Refusals.


@scripted("403 to everything", window=LONG, mends=False)
async def forbidden(stage: Stage) -> None:
    await stage.serve(hook=always(403, "Forbidden"))


@scripted("404 to everything", window=LONG, mends=False)
async def not_found(stage: Stage) -> None:
    await stage.serve(hook=always(404, "Not Found"))


@scripted("404 with Retry-After: 2 once, then 200", window=LONG)
async def not_found_yet(stage: Stage) -> None:
    await once(stage, 404, "Not Found", [("Retry-After", "2")])


@scripted("423 with Min-Expires: 7200, then 200")
async def too_brief(stage: Stage) -> None:
    await stage.serve(min_expires=7200)


@scripted("423 without Min-Expires once, then 200", window=LONG)
async def too_brief_without_a_limit(stage: Stage) -> None:
    await once(stage, 423, "Interval Too Brief")


@scripted("423 that always wants a minute more", mends=False)
async def never_long_enough(stage: Stage) -> None:
    def more(request: Request, usual: Response) -> Response:
        return Response(423, "Interval Too Brief", [("Min-Expires", str((request.expires or 0) + 60))])

    await stage.serve(hook=more)


@scripted("480 once, then 200", window=LONG)
async def unavailable(stage: Stage) -> None:
    await once(stage, 480, "Temporarily Unavailable")


@scripted("491 once, then 200")
async def request_pending(stage: Stage) -> None:
    await once(stage, 491, "Request Pending")


@scripted("500 once, then 200", window=LONG)
async def server_error(stage: Stage) -> None:
    await once(stage, 500, "Server Internal Error")


@scripted("200 for 20 s; 500 to the first refresh, then 200 again", window=LONG)
async def server_error_at_refresh(stage: Stage) -> None:
    registrar = await stage.serve(users=None, max_expires=20)
    await registrar.wait_for_request()
    registrar.answer_next(500, "Server Internal Error")
    await registrar.wait_for_request(2, timeout=None)
    stage.mark()


@scripted("503 once, then 200", window=LONG)
async def overloaded(stage: Stage) -> None:
    await once(stage, 503, "Service Unavailable")


@scripted("503 with Retry-After: 2 once, then 200", window=LONG)
async def overloaded_for_two_seconds(stage: Stage) -> None:
    await once(stage, 503, "Service Unavailable", [("Retry-After", "2")])


@scripted("503 with Retry-After: 0 to everything", mends=False)
async def overloaded_for_no_time(stage: Stage) -> None:
    await stage.serve(hook=always(503, "Service Unavailable", [("Retry-After", "0")]))


@scripted("600 once, then 200", window=LONG)
async def busy_everywhere(stage: Stage) -> None:
    await once(stage, 600, "Busy Everywhere")


# Redirects.


async def redirected(stage: Stage, status: int) -> None:
    first, second = await stage.open(), await stage.open()
    first.hook = always(status, "Elsewhere", [("Contact", f"<{second.uri}>")])
    await stage.start(first)


@scripted("302 to another port of the host")
async def moved(stage: Stage) -> None:
    await redirected(stage, 302)


@scripted("302 to itself", window=LONG, mends=False)
async def moved_to_itself(stage: Stage) -> None:
    registrar = await stage.open()
    registrar.hook = always(302, "Moved Temporarily", [("Contact", f"<{registrar.uri}>")])
    await stage.start(registrar)


@scripted("305 to another port of the host", window=LONG)
async def use_proxy(stage: Stage) -> None:
    await redirected(stage, 305)


# Odd ways to say yes.


@scripted("202 instead of 200, for 6 s")
async def accepted(stage: Stage) -> None:
    def answer(request: Request, usual: Response) -> Response:
        return usual if usual.status != 200 else Response(202, "Accepted", list(usual.headers.items()))

    await stage.serve(hook=answer, max_expires=6)


@scripted("200 without Contact, with Expires: 6")
async def without_contact(stage: Stage) -> None:
    def answer(request: Request, usual: Response) -> Response:
        rows = [(name, value) for name, value in usual.headers.items() if name != "Contact"]
        return Response(usual.status, usual.reason, rows)

    await stage.serve(hook=answer, max_expires=6, expires_in="header")


@scripted("200 that lists our Contact with another host and port, for 6 s")
async def rewritten_contact(stage: Stage) -> None:
    def answer(request: Request, usual: Response) -> Response:
        rows = [
            (name, re.sub(r"@[\d.]+:\d+", "@192.0.2.7:5080", value) if name == "Contact" else value)
            for name, value in usual.headers.items()
        ]
        return Response(usual.status, usual.reason, rows)

    await stage.serve(hook=answer, max_expires=6)


# Lost packets and dead servers.


@scripted("says nothing to the first three datagrams")
async def slow_start(stage: Stage) -> None:
    registrar = await stage.open()
    registrar.answer_next(None, times=3)
    await stage.start(registrar)


@scripted("3 of 10 datagrams are lost in each direction; grants 6 s", window=30.0)
async def lossy(stage: Stage) -> None:
    dice = random.Random(5)
    await stage.serve(
        hook=lambda request, usual: None if dice.random() < 0.3 else usual, faults_out=Faults(loss=0.3), max_expires=6
    )


@scripted("falls silent after 1 s, for 6 s, and has forgotten everything when it is back; grants 6 s", window=20.0)
async def restart(stage: Stage) -> None:
    registrar = await stage.serve(max_expires=6)
    await asyncio.sleep(1)
    registrar.hook = lost
    await asyncio.sleep(6)
    registrar.hook = None
    registrar.restart()
    stage.mark()


@scripted("closes its port after 1 s, for 6 s, and has forgotten everything when it is back; grants 6 s", window=LONG)
async def restart_on_a_live_host(stage: Stage) -> None:
    registrar = await stage.serve(max_expires=6)
    await asyncio.sleep(1)
    await closed_for(registrar, 6)
    registrar.restart()
    stage.mark()


async def closed_for(registrar: Registrar, seconds: float) -> None:
    """Meanwhile datagrams are answered by the system, with an ICMP error, and cannot be counted."""
    await registrar.__aexit__(None, None, None)
    await asyncio.sleep(seconds)
    await registrar.__aenter__()


@scripted("says nothing for 40 s", window=110.0)
async def outage(stage: Stage) -> None:
    registrar = await stage.serve(hook=lost)
    await asyncio.sleep(40)
    registrar.hook = None
    stage.mark()


@scripted("answers after 1.5 s; registration is switched off after 1 s")
async def slow_answers(stage: Stage) -> None:
    await stage.serve(users=None, faults_out=Faults(delay=1.5))
    await asyncio.sleep(1)
    stage.unregister()


@scripted("answers, but no answer arrives; registration is switched off after 1 s", mends=False)
async def lost_answers(stage: Stage) -> None:
    await stage.serve(users=None, faults_out=Faults(loss=1.0))
    await asyncio.sleep(1)
    stage.unregister()
