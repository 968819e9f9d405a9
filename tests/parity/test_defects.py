"""What liblinphone does and we do not, as far as no other test shows it; `defects.py` has the whole list."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from aiosipreg import Core, Reason, RetryPolicy, linphonerc
from aiosipreg.testing import Registrar
from aiosipreg.wire import Response
from tests.accounts import AOR, CLEARED, FAILED, OK, account, registered
from tests.parity.scene import packets, requests

pytestmark = pytest.mark.virtual_clock(delay=0.01)

UNANSWERED = [
    *((300, ()), (301, ()), (302, ()), (305, ()), (380, ())),
    *((status, (("Retry-After", "60"),)) for status in (404, 480, 500, 503)),
    *((status, ()) for status in (480, 481, 491, 500, 503, 600)),
]


@pytest.mark.parametrize(("status", "rows"), UNANSWERED)
async def test_defect_05_no_answer_leaves_the_state_at_progress(status: int, rows: tuple[tuple[str, str], ...]) -> None:
    async with Registrar(users=None) as registrar, Core() as core:
        registrar.answer_next(status, headers=rows)
        proxy = core.add_proxy_config(account(registrar))
        event = await proxy.wait_for(FAILED, timeout=1)
        assert event.status == status
        assert event.reason is not Reason.NONE
        assert event.retry_at is not None
        assert proxy.retry_at == event.retry_at
        await proxy.registered(timeout=1801)
        assert packets(registrar)[1].at == pytest.approx(event.retry_at, abs=0.1)


@pytest.mark.parametrize("status", [202, 204, 299])
async def test_defect_05_every_2xx_is_a_success(status: int) -> None:
    def otherwise(_: object, response: Response) -> Response:
        return Response(status, "Fine", list(response.headers.items()))

    async with Registrar(users=None, hook=otherwise) as registrar, registered(registrar) as proxy:
        assert proxy.state is OK


@pytest.mark.parametrize("status", [481, 503])
@pytest.mark.parametrize("retry_after", [None, 1, 240])
async def test_defect_06_retry_after_is_seconds_and_is_honoured(status: int, retry_after: int | None) -> None:
    async with Registrar(users=None) as registrar, Core() as core:
        rows = [] if retry_after is None else [("Retry-After", str(retry_after))]
        registrar.answer_next(status, headers=rows)
        proxy = core.add_proxy_config(account(registrar))
        event = await proxy.wait_for(FAILED, timeout=1)
        assert event.retry_at is not None
        wait = event.retry_at - event.at
        assert event.retry_after == retry_after
        assert wait == 240 if retry_after == 240 else 30 <= wait <= 60


async def test_defect_07_retry_after_and_warnings_are_told() -> None:
    async with Registrar(users=None) as registrar, Core() as core:
        warnings = [("Warning", '399 a "come back later"'), ("Warning", '399 b "or not"'), ("Retry-After", "90 (busy)")]
        registrar.answer_next(503, headers=warnings)
        proxy = core.add_proxy_config(account(registrar))
        event = await proxy.wait_for(FAILED, timeout=1)
        assert event.warnings == ("come back later", "or not")
        assert event.retry_after == 90


async def test_defect_08_retries_back_off_with_jitter_and_end_where_they_are_to() -> None:
    def down(_request: object, _response: object) -> Response:
        return Response(500, "Down")

    async with Registrar(users=None, hook=down) as registrar, Core(retry=RetryPolicy(max_attempts=8)) as core:
        one, other = (core.add_proxy_config(account(registrar, f"sip:user{number}@sip.titi.com")) for number in (1, 2))
        await asyncio.sleep(86_400)
        assert (one.state, one.retry_at, other.retry_at) == (FAILED, None, None)
        seen = []
        for proxy in (one, other):
            times = [packet.at for packet in packets(registrar) if proxy.identity in str(packet.request.to)]
            seen.append([later - earlier for earlier, later in pairwise(times)])
        assert seen[0] != seen[1]
        for pauses in seen:
            assert len(pauses) == 7
            for number, pause in enumerate(pauses, start=1):
                longest = min(30 * 2**number, 1800)
                assert longest / 2 <= pause <= longest + 0.1


async def test_defect_09_the_end_of_the_old_identity_is_told_under_its_name() -> None:
    async with Registrar(users=None) as registrar, registered(registrar) as proxy:
        events = proxy.events()
        with proxy.edit() as draft:
            draft.identity = "sip:tata@sip.titi.com"
        await proxy.wait_for(CLEARED, timeout=5)
        await proxy.registered(timeout=5)
        await proxy.core.stop()
        told = [(str(event.state), event.identity) async for event in events]
        assert told[:3] == [("Ok", AOR), ("Progress", AOR), ("Cleared", AOR)]
        assert {identity for _, identity in told[3:]} == {"sip:tata@sip.titi.com"}


async def test_defect_11_what_is_not_done_is_not_said_to_be_supported() -> None:
    async with Registrar(users=None) as registrar, registered(registrar):
        (request,) = requests(registrar)
        outbound = "outbound" in request.supported
        assert ("reg-id" in request.contacts[0].params) is outbound


async def test_defect_12_a_further_contact_of_the_file_is_registered() -> None:
    async with Registrar(users=None) as registrar, Core() as core:
        (params,) = linphonerc.parse(
            f"[proxy_0]\nreg_proxy={registrar.uri}\nreg_identity={AOR}\ncustom_contact=<sip:toto@192.0.2.7>;q=0.3\n"
        ).accounts
        await core.add_proxy_config(params).registered(timeout=5)
        assert [entry.q for entry in requests(registrar)[0].contacts] == [None, 0.3]
        assert len(registrar.bindings[AOR]) == 2
