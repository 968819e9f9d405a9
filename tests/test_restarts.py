"""A core with a store is stopped, killed and started again: there is one binding of an account all the time."""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg import (
    AuthChallenge,
    AuthInfo,
    ConfigError,
    Core,
    CoreClosedError,
    FileStore,
    Pacing,
    ProxyParams,
    TransportParams,
)
from aiosipreg.testing import Faults, Registrar
from tests.accounts import AOR, CLEARED, NONE, OK, PROGRESS, TOTO, account
from tests.test_keeping import Shelf

if TYPE_CHECKING:
    from pathlib import Path

    from aiosipreg.testing import Packet, StoredBinding
    from aiosipreg.wire import Request, Response

virtual = pytest.mark.virtual_clock(delay=0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.db"


def held(registrar: Registrar, aor: str = AOR) -> tuple[StoredBinding, ...]:
    return registrar.bindings.get(aor, ())


def sent(registrar: Registrar) -> list[Packet]:
    """Every REGISTER but copies."""
    return [packet for packet in registrar.requests if not packet.retransmission]


def assert_cseq_never_falls(registrar: Registrar) -> None:
    highest: dict[str | None, int] = {}
    for packet in sent(registrar):
        cseq, call_id = packet.request.cseq, packet.request.call_id
        assert cseq is not None
        assert cseq.number > highest.get(call_id, 0)
        highest[call_id] = cseq.number


async def run_once(registrar: Registrar, store: Any, *, leave: bool = True, **settings: Any) -> StoredBinding:
    """One run of a program that stays registered at its end: the binding that it leaves."""
    async with Core(auth=TOTO, store=store) as core:
        proxy = core.add_proxy_config(account(registrar, id="toto", unregister_at_stop=not leave, **settings))
        await proxy.registered(timeout=10)
        [binding] = held(registrar)
        return binding


# An orderly restart


@virtual
class TestRestart:
    async def test_N4_refreshes_the_same_binding_in_one_round_trip(self, sip_registrar: Registrar, path: Path) -> None:
        first = await run_once(sip_registrar, FileStore(path))
        assert len(sent(sip_registrar)) == 2
        assert held(sip_registrar) == (first,)
        await asyncio.sleep(100)
        second = await run_once(sip_registrar, FileStore(path))
        assert held(sip_registrar) == (second,)
        # REG-5, AUTH-28: the next number, and the nonce that was there.
        assert (second.call_id, second.cseq) == (first.call_id, first.cseq + 1)
        assert len(sent(sip_registrar)) == 3
        assert second.expires_at > first.expires_at + 100

    async def test_N4_the_contact_that_changed_is_replaced_in_one_request(
        self, sip_registrar: Registrar, path: Path
    ) -> None:
        first = await run_once(sip_registrar, FileStore(path))
        second = await run_once(sip_registrar, FileStore(path))
        assert second.contact.uri != first.contact.uri, "another port"
        assert [str(entry.uri) for entry in sent(sip_registrar)[-1].request.contacts] == [
            str(second.contact.uri), str(first.contact.uri),
        ]  # fmt: skip

    async def test_OUTB_1_the_instance_id_stays(self, sip_registrar: Registrar, path: Path) -> None:
        ids = {
            (await run_once(sip_registrar, FileStore(path), leave=leave)).params["+sip.instance"]
            for leave in (True, False)
        }
        async with Core(auth=TOTO, store=FileStore(path)) as core:
            proxy = core.add_proxy_config(account(sip_registrar, id="toto"))
            ids.add(f"<{proxy.params.instance_id}>")
            binding = await proxy.registered()
            ids.add(f"<{binding.instance_id}>")
        assert len(ids) == 1

    async def test_OUTB_1_none_without_a_store(self, sip_registrar: Registrar) -> None:
        assert "+sip.instance" not in (await run_once(sip_registrar, None)).params

    async def test_unregistering_clears_the_binding_and_keeps_the_rest(
        self, sip_registrar: Registrar, path: Path
    ) -> None:
        first = await run_once(sip_registrar, FileStore(path), leave=False)
        assert held(sip_registrar) == ()
        second = await run_once(sip_registrar, FileStore(path))
        assert second.params["+sip.instance"] == first.params["+sip.instance"]
        assert second.call_id == first.call_id
        # There is nothing left that would have to be taken away.
        assert len(sent(sip_registrar)[-1].request.contacts) == 1
        assert_cseq_never_falls(sip_registrar)

    async def test_states_are_told_as_they_are(self, sip_registrar: Registrar, path: Path) -> None:
        await run_once(sip_registrar, FileStore(path))
        sip_registrar.faults = Faults(silence=True)
        async with Core(auth=TOTO, store=FileStore(path)) as core:
            proxy = core.add_proxy_config(account(sip_registrar, id="toto", unregister_at_stop=False))
            async with aclosing(proxy.events()) as events:
                assert (proxy.state, proxy.binding) == (PROGRESS, None)
                await asyncio.sleep(5)
                assert (proxy.state, proxy.binding) == (PROGRESS, None)
                sip_registrar.faults = Faults()
                await proxy.registered(timeout=10)
                assert [(await anext(events)).state for _ in range(2)] == [PROGRESS, OK]

    async def test_SEC_39_no_secret_is_in_the_files(self, sip_registrar: Registrar, path: Path) -> None:
        async with Core(auth=AuthInfo("toto", password="secret"), store=FileStore(path)) as core:
            await core.add_proxy_config(account(sip_registrar, id="toto", unregister_at_stop=False)).registered()
            await asyncio.sleep(1)
            files = list(path.parent.iterdir())
            octets = b"".join(file.read_bytes() for file in files)
        octets += path.read_bytes()  # noqa: ASYNC240 - files are what this is about
        assert len(files) == 2
        assert b"nonce" in octets
        secrets = [b"secret", *(part.encode() for part in proofs(sip_registrar))]
        assert len(secrets) == 3
        assert [secret for secret in secrets if secret in octets] == []

    async def test_the_secret_is_looked_up_again(self, sip_registrar: Registrar, path: Path) -> None:
        await run_once(sip_registrar, FileStore(path))
        asked: list[AuthChallenge] = []

        async def provide(challenge: AuthChallenge) -> AuthInfo:
            asked.append(challenge)
            return TOTO

        async with Core(auth=provide, store=FileStore(path)) as core:
            await core.add_proxy_config(account(sip_registrar, id="toto")).registered()
        assert [(challenge.realm, challenge.attempt) for challenge in asked] == [("sip.example.org", 1)]
        assert len(sent(sip_registrar)) == 2 + 1 + 1

    async def test_a_registrar_that_forgot_the_nonce(self, sip_registrar: Registrar, path: Path) -> None:
        await run_once(sip_registrar, FileStore(path))
        sip_registrar.restart()
        second = await run_once(sip_registrar, FileStore(path))
        assert held(sip_registrar) == (second,)
        assert len(sent(sip_registrar)) == 2 + 2

    async def test_what_is_not_registered_any_more_can_be_removed(self, sip_registrar: Registrar, path: Path) -> None:
        await run_once(sip_registrar, FileStore(path))
        async with Core(auth=TOTO, store=FileStore(path)) as core:
            proxy = core.add_proxy_config(account(sip_registrar, id="toto", register=False))
            assert proxy.state is NONE
            await proxy.unregister(timeout=5)
            assert proxy.state is CLEARED
        assert held(sip_registrar) == ()

    async def test_an_account_removed_at_once_leaves_nothing(self, sip_registrar: Registrar, path: Path) -> None:
        await run_once(sip_registrar, FileStore(path))
        async with Core(auth=TOTO, store=FileStore(path)) as core:
            proxy = core.add_proxy_config(account(sip_registrar, id="toto"))
            await core.remove_proxy_config(proxy)
            assert held(sip_registrar) == ()
            again = core.add_proxy_config(account(sip_registrar, id="toto"))
            assert again.params.instance_id != proxy.params.instance_id
            await core.clear_proxy_configs()
        store = FileStore(path)
        await store.open()
        assert store.load('["toto"]') is None
        await store.close()


def proofs(registrar: Registrar) -> list[str]:
    """What was made from the secret."""
    value = sent(registrar)[-1].request.headers.get("Authorization") or ""
    return [value.partition(f"{name}=")[2].split(",")[0].strip('"') for name in ("response", "cnonce")]


# The store and the core


@virtual
class TestCore:
    async def test_a_store_that_is_in_use_keeps_the_core_from_starting(self, path: Path) -> None:
        async with Core(store=FileStore(path)):
            core = Core(store=FileStore(path))
            with pytest.raises(ConfigError, match="a file that no other program and no other core has open"):
                await core.start()
            with pytest.raises(CoreClosedError):
                await core.start()
            await core.stop()
            with pytest.raises(ConfigError):
                async with Core(store=FileStore(path)):
                    raise AssertionError("it must not come so far")

    async def test_a_store_that_cannot_be_opened(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            await Core(store=FileStore(tmp_path / "none" / "accounts.db")).start()

    async def test_a_start_that_is_cancelled_leaves_the_store_free(self, path: Path) -> None:
        core = Core(store=FileStore(path))
        starting = [asyncio.create_task(core.start()) for _ in range(2)]
        await asyncio.sleep(0)
        starting[0].cancel()
        await asyncio.wait(starting)
        assert starting[0].cancelled()
        async with Core(store=FileStore(path)):
            pass
        assert isinstance(starting[1].exception(), CoreClosedError)

    async def test_one_store_for_one_core_after_the_other(self, sip_registrar: Registrar, path: Path) -> None:
        store = FileStore(path)
        first, second = [await run_once(sip_registrar, store) for _ in range(2)]
        assert first.call_id == second.call_id

    async def test_two_that_nobody_could_tell_apart(self, sip_registrar: Registrar, path: Path) -> None:
        async with Core(auth=TOTO, store=FileStore(path)) as core:
            core.add_proxy_config(account(sip_registrar))
            with pytest.raises(ConfigError, match="the same identity and server"):
                core.add_proxy_config(account(sip_registrar))
            assert len(core.proxy_configs) == 1

    def test_a_path_is_no_store(self) -> None:
        with pytest.raises(TypeError, match="FileStore"):
            Core(store="accounts.db")  # type: ignore[arg-type]

    async def test_many_accounts_at_once(self, path: Path) -> None:
        users = {f"user{number}": f"secret{number}" for number in range(60)}
        auth = [AuthInfo(user, password=password) for user, password in users.items()]
        async with Registrar(users) as registrar:
            for run in range(2):
                async with Core(auth=auth, store=FileStore(path), pacing=Pacing(rate=10_000, in_flight=1000)) as core:
                    proxies = [
                        core.add_proxy_config(
                            ProxyParams(f"sip:{user}@titi.com", server=registrar.uri, unregister_at_stop=False)
                        )
                        for user in users
                    ]
                    for proxy in proxies:
                        await proxy.registered(timeout=10)
                    assert [len(bindings) for bindings in registrar.bindings.values()] == [1] * 60
                assert len(sent(registrar)) == 60 * (2 + run)
            assert_cseq_never_falls(registrar)

    async def test_a_registration_does_not_fail_because_the_store_does(
        self, sip_registrar: Registrar, caplog: pytest.LogCaptureFixture
    ) -> None:
        shelf = Shelf()
        shelf.error = OSError("disk full")
        binding = await run_once(sip_registrar, shelf)
        assert held(sip_registrar) == (binding,)
        assert caplog.text.count("does not keep what is told (disk full)") == 1

    async def test_nothing_is_sent_before_it_is_written(self, sip_registrar: Registrar) -> None:
        shelf = Shelf()
        shelf.takes = 0.5
        async with Core(auth=TOTO, store=shelf) as core:
            proxy = core.add_proxy_config(account(sip_registrar, id="toto"))
            await asyncio.sleep(0.49)
            assert sip_registrar.requests == ()
            await proxy.registered()
            shelf.takes = 0

    async def test_a_move_to_another_server_is_kept_too(self, sip_registrar: Registrar, path: Path) -> None:
        async with Registrar() as other:
            async with Core(auth=TOTO, store=FileStore(path)) as core:
                proxy = core.add_proxy_config(account(sip_registrar, unregister_at_stop=False))
                await proxy.registered()
                with proxy.edit() as draft:
                    draft.server = other.uri
                await proxy.registered()
                [first] = held(other)
            async with Core(auth=TOTO, store=FileStore(path)) as core:
                await core.add_proxy_config(account(other, unregister_at_stop=False)).registered()
            assert held(sip_registrar) == ()
            [second] = held(other)
            assert (second.call_id, second.cseq) == (first.call_id, first.cseq + 1)


# Kill -9, at any moment


class Gone(Shelf):
    """What a process leaves behind that was killed: what was written, and nothing of what was under way."""

    def __init__(self, before: Shelf, takes: float) -> None:
        super().__init__()
        self.records = {key: memory for key, memory in before.records.items() if memory is not None}
        self.takes = takes


@pytest.mark.virtual_clock(delay=(0.001, 0.005), loss=0.2, seed=5)
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("port", [0, 5062])
async def test_N4_whenever_a_process_is_killed_there_is_one_binding(seed: int, port: int) -> None:
    """What is under way at the kill is lost: a write, a request, an answer. Its successor takes care of all of it."""
    chance = random.Random(seed)
    transports = TransportParams(udp=port)
    shelf = Shelf()
    seen: set[int] = set()
    ids = set()

    def watch(_request: Request, response: Response) -> Response:
        # Before each request that might change it.
        seen.add(len(held(registrar)))
        return response

    async with Registrar(hook=watch) as registrar:
        for _ in range(8):
            shelf = Gone(shelf, chance.choice((0, 0.002, 0.01, 0.1)))
            core = Core(auth=TOTO, store=shelf, transports=transports)
            await core.start()
            proxy = core.add_proxy_config(account(registrar, id="toto", unregister_at_stop=False, expires=60))
            await asyncio.sleep(chance.choice((0.01, 0.05, 1, 30)) * chance.random())
            left = Gone(shelf, 0)
            await core.stop()
            shelf = left
            # So long that nothing of the dead process is on its way any more.
            await asyncio.sleep(0.02 + chance.random())
        async with Core(auth=TOTO, store=shelf, transports=transports) as core:
            proxy = core.add_proxy_config(account(registrar, id="toto"))
            await proxy.registered(timeout=60)
            [binding] = held(registrar)
            assert proxy.contact is not None
            assert binding.contact.uri == proxy.contact.uri
            ids |= {
                entry.params.get("+sip.instance") for packet in sent(registrar) for entry in packet.request.contacts
            }
        assert seen == {0, 1}
        # Those that are taken away are named by their URI alone.
        assert len(ids - {None}) == 1
        assert_cseq_never_falls(registrar)


PROGRAM = """
import asyncio, sys
from aiosipreg import AuthInfo, Core, FileStore, ProxyParams

async def main():
    async with Core(auth=AuthInfo("toto", password="secret"), store=FileStore(sys.argv[1])) as core:
        proxy = core.add_proxy_config(ProxyParams("sip:toto@sip.titi.com", server=sys.argv[2]))
        await proxy.registered(timeout=10)
        while core._keeper._writer is not None:
            await asyncio.sleep(0.01)
        print("registered and written", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_N4_a_real_process_that_is_killed_and_started_again(path: Path) -> None:
    async with Registrar() as registrar:
        for run in range(2):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", PROGRAM, str(path), registrar.uri, stdout=asyncio.subprocess.PIPE
            )
            assert process.stdout is not None
            before = len(sent(registrar))
            assert await process.stdout.readline() == b"registered and written\n"
            # AUTH-28: the nonce of the first run is still good.
            assert len(sent(registrar)) - before == (2 if run == 0 else 1)
            assert len(held(registrar)) == 1
            process.kill()
            await process.communicate()
            assert len(held(registrar)) == 1
        assert_cseq_never_falls(registrar)
        assert len({packet.request.call_id for packet in sent(registrar)}) == 1
