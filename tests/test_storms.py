"""Registrars that an eager client would storm: what one account of a core sends them in each of six hours.

The engine's own storms, two days of each, are in tests/engine/test_registration.py; here the hub, the pace and what is
remembered about servers have their say.
"""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING

import pytest

from aiosipreg import Core
from aiosipreg.testing import Registrar
from aiosipreg.wire import Request, Response
from tests.accounts import AOR, OK, REFRESHING, TOTO, account

if TYPE_CHECKING:
    from aiosipreg.testing import Hook

HOUR = 3600.0
HOURS = 6
COPIES = 11  # TXN-2
# OUTB-14: 30 s doubled up to 1800 s, half to all of that. The first hour has at most eight attempts, any other four.
FIRST, LATER = 8, 4

_numbers = count()


def says(status: int, *rows: tuple[str, str]) -> Hook:
    return lambda request, _: Response(status, "Because", rows)


def challenges(more: str = "", realm: str = "storm", *, proxy: bool = False) -> Hook:
    """Asks for credentials, whatever was sent, with another nonce each time; ``{}`` in the realm is a number."""
    name, status = ("Proxy-Authenticate", 407) if proxy else ("WWW-Authenticate", 401)

    def hook(request: Request, _: Response) -> Response:
        number = next(_numbers)
        row = f'Digest realm="{realm.format(number)}", nonce="{number}", qop="auth"{more}'
        return Response(status, "Who Are You", [(name, row)])

    return hook


def redirects(request: Request, _: Response) -> Response:
    return Response(302, "Over There", [("Contact", f"<{request.uri}>")])


def wants_longer(request: Request, _: Response) -> Response:
    return Response(423, "Interval Too Brief", [("Min-Expires", str((request.expires or 0) + 1))])


def grants_nothing(request: Request, _: Response) -> Response:
    rows = [("Contact", f"<{entry.uri}>;expires=0") for entry in request.contacts]
    return Response(200, "OK", rows)


def says_nothing(request: Request, _: Response) -> None:
    return None


async def by_hour(registrar: Registrar, aor: str = AOR) -> list[int]:
    """How many REGISTERs of an account arrive in each hour, copies included."""
    hours = [0] * HOURS
    await asyncio.sleep(HOURS * HOUR - 1)
    for packet in registrar.requests:
        to = packet.request.to
        hours[int(packet.at // HOUR)] += to is not None and str(to.uri) == aor
    return hours


@pytest.mark.parametrize(
    ("hook", "first", "later"),
    [
        pytest.param(challenges(), 2, 0, id="AUTH-20: 401 for ever"),
        pytest.param(challenges(", stale=true"), FIRST * 4 + 1, LATER * 4, id="AUTH-19: stale for ever"),
        pytest.param(challenges("", "storm {}", proxy=True), FIRST * 7, LATER * 7, id="AUTH-23: ever other realms"),
        pytest.param(redirects, 5, 4, id="RDR-2: 302 to itself"),
        pytest.param(wants_longer, FIRST * 2, LATER * 2, id="REG-28: 423 and never long enough"),
        pytest.param(says(503, ("Retry-After", "0")), FIRST + 1, LATER, id="OUTB-17: 503 and come at once"),
        pytest.param(says(503), FIRST, LATER, id="RSP-503"),
        pytest.param(says(500), FIRST, LATER, id="RSP-500"),
        pytest.param(says(491), FIRST + 1, LATER, id="RSP-491"),
        pytest.param(grants_nothing, FIRST, LATER, id="REG-16: 200 that grants nothing"),
        pytest.param(says_nothing, FIRST * COPIES, LATER * COPIES, id="OUTB-15: nothing"),
    ],
)
@pytest.mark.virtual_clock(delay=0.01)
async def test_OUTB_14_packets_per_hour(hook: Hook, first: int, later: int) -> None:
    async with Registrar(hook=hook) as registrar, Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(account(registrar))
        hours = await by_hour(registrar)
        assert proxy.state is not OK
    assert 0 < hours[0] <= first
    assert max(hours[1:]) <= later


@pytest.mark.virtual_clock(delay=0.01)
async def test_OUTB_14_OVL_7_one_that_is_ignored_while_the_others_are_answered() -> None:
    """As some servers do with users that they do not know: that others are answered brings nothing forward for ever."""

    def ignores_toto(request: Request, response: Response) -> Response | None:
        return None if request.to is not None and str(request.to.uri) == AOR else response

    async with Registrar(users=None, hook=ignores_toto) as registrar, Core() as core:
        proxy = core.add_proxy_config(account(registrar))
        others = [
            core.add_proxy_config(account(registrar, f"sip:user{number}@sip.titi.com", expires=120))
            for number in range(3)
        ]
        hours = await by_hour(registrar, AOR)
        assert proxy.state is not OK
        assert {other.state for other in others} <= {OK, REFRESHING}
    # One attempt more, when it was told that the server answers others.
    assert 0 < hours[0] <= (FIRST + 1) * COPIES
    assert max(hours[1:]) <= LATER * COPIES
