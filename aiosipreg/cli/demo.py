"""``aiosipreg demo``: what the package is for, shown on the registrar of its own testing module, over real UDP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.text import Text

from aiosipreg import AuthenticationFailed, AuthInfo, Core, ProxyParams, RegistrationState
from aiosipreg.cli.exits import CommandFailed
from aiosipreg.cli.ladder import Ladder, glyphs_for
from aiosipreg.cli.text import make_console
from aiosipreg.testing import Faults, Registrar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rich.console import Console

    from aiosipreg import ProxyConfig, RegistrationEvent
    from aiosipreg.testing import Packet, StoredBinding

__all__ = ["show_demo"]

_LIMIT = 12.0
"""Seconds after which something must be wrong; it usually takes three."""

_SETTLED = (RegistrationState.OK, RegistrationState.CLEARED, RegistrationState.FAILED)

_LIFETIME = 3
_LONGER = 600

_KNOWN = {"toto": "secret", "tata": "another secret"}
_GIVEN = {"toto": "secret", "tata": "a wrong one"}

TOTO, TATA = "sip:toto@sip.titi.com", "sip:tata@sip.titi.com"


async def show_demo() -> None:
    """Show six scenes, and check that what they show is what happened.

    Raises:
        CommandFailed: Something else happened; the sentence says where.
    """
    loop = asyncio.get_running_loop()
    console = make_console()
    began = loop.time()
    credentials = [AuthInfo(user, password=password) for user, password in _GIVEN.items()]
    async with (
        Registrar(_KNOWN, realm="sip.titi.com", algorithms=("SHA-256", "MD5")) as registrar,
        Core(auth=credentials) as core,
    ):
        stage = Stage(console, registrar, core, began)
        stage.open()
        try:
            async with asyncio.timeout(_LIMIT):
                proxy = await register(stage)
                await refresh(stage, proxy)
                await edit(stage, proxy)
                await lose(stage, proxy)
                await refuse(stage)
                await unregister(stage, proxy)
        except TimeoutError:
            raise CommandFailed(f"scene {stage.scenes} did not come to its end within {_LIMIT:g} s") from None
    stage.close(loop.time() - began)


class Stage:
    """Where the scenes are played: both ends, and what is shown of them.

    Attributes:
        registrar: The server.
        core: The client.
        ladder: The picture of both.
        scenes: How many have begun.
    """

    def __init__(self, console: Console, registrar: Registrar, core: Core, began: float) -> None:
        self.registrar = registrar
        self.core = core
        self.ladder = Ladder(console, registrar, began)
        self._console = console
        self._glyphs = glyphs_for(console)
        self._events: AsyncIterator[RegistrationEvent] = core.events()
        self.scenes = 0
        self._facts = 0
        self._mark = 0

    def open(self) -> None:
        """Say what is to be seen."""
        self._console.print(Text("aiosipreg: SIP accounts that stay registered", "bold"))
        self._console.print(f"A client and a registrar ({self.registrar.uri}) in this process, over real UDP.")

    def close(self, seconds: float) -> None:
        """Say that it is over."""
        text = f"All {self.scenes} scenes happened as told ({self._facts} facts checked) in {seconds:.1f} s."
        self._console.print()
        self._console.print(Text(text, "bold green"))

    def scene(self, title: str, story: str, *code: str) -> None:
        """Begin a scene.

        Args:
            title: What is shown.
            story: Why it matters.
            code: The Python that makes it happen.
        """
        self.scenes += 1
        self._mark = len(self.registrar.requests)
        self._console.print()
        self._console.print(Text(f"{self.scenes}. {title}", "bold"))
        for line in story.splitlines():
            self._console.print(f"   {line}")
        for line in code:
            self._console.print(Text(f"       {line}", "magenta"))
        self.ladder.heading()

    def requests(self) -> tuple[Packet, ...]:
        """What the registrar received in this scene, without what a busy machine made the client send again."""
        return tuple(packet for packet in self.packets() if not packet.retransmission)

    def packets(self) -> tuple[Packet, ...]:
        """What the registrar received in this scene."""
        return self.registrar.requests[self._mark :]

    async def until(self, proxy: ProxyConfig, state: RegistrationState) -> RegistrationEvent:
        """Show what happens until the account is in this state.

        Raises:
            CommandFailed: It came to rest in another one.
        """
        while True:
            event = await anext(self._events)
            self.ladder.event(event)
            if event.proxy_config is proxy and event.state is state:
                return event
            if event.proxy_config is proxy and event.state in _SETTLED:
                raise CommandFailed(f"the account did not become {state}: {event.message}")

    def fact(self, true: bool, text: str) -> None:
        """Say what is now true, if it is.

        Raises:
            CommandFailed: It is not.
        """
        self._facts += 1
        self.ladder.catch_up()
        mark, style = (self._glyphs.good, "green") if true else (self._glyphs.bad, "bold red")
        self._console.print(Text.assemble("   ", (mark, style), f" {text}"))
        if not true:
            raise CommandFailed(f"what scene {self.scenes} shows did not happen: {text}")

    def held(self, identity: str) -> StoredBinding | None:
        """The binding that the registrar holds for an account."""
        bindings = self.registrar.bindings.get(identity, ())
        return bindings[0] if len(bindings) == 1 else None


async def register(stage: Stage) -> ProxyConfig:
    """A challenge is answered."""
    stage.scene(
        "A registration with a challenge",
        "The registrar asks for the password (401); the next REGISTER answers it.\n"
        f"The lifetime is {_LIFETIME} s only, so that scene 2 need not be waited for.",
        "async with Core(auth=credentials) as core:",
        f'    params = ProxyParams("{TOTO}", server=uri, expires={_LIFETIME})',
        "    proxy = core.add_proxy_config(params)",
    )
    proxy = stage.core.add_proxy_config(ProxyParams(TOTO, server=stage.registrar.uri, expires=_LIFETIME))
    await stage.until(proxy, RegistrationState.OK)
    signed = ["Authorization" in packet.request.headers for packet in stage.requests()]
    stage.fact(
        signed == [False, True] and proxy.algorithm == "SHA-256",
        "the challenge was answered, with SHA-256 rather than MD5",
    )
    held, contact = stage.held(TOTO), proxy.contact
    bound = held is not None and contact is not None and held.contact.uri == contact.uri
    stage.fact(bound, f"the registrar sends calls for {TOTO} to this program")
    return proxy


async def refresh(stage: Stage, proxy: ProxyConfig) -> None:
    """The binding is renewed in time, without anybody asking."""
    stage.scene(
        "The refresh comes by itself",
        "A short binding is renewed half-way through, a long one after nine tenths.\n"
        "The nonce still counts (nc is 2 now), so there is no second challenge.",
    )
    before = stage.held(TOTO)
    await stage.until(proxy, RegistrationState.REFRESHING)
    await stage.until(proxy, RegistrationState.OK)
    renewed = stage.held(TOTO)
    longer = before is not None and renewed is not None and renewed.expires_at > before.expires_at
    stage.fact(len(stage.requests()) == 1 and longer, "one REGISTER renewed the binding before it ran out")


async def edit(stage: Stage, proxy: ProxyConfig) -> None:
    """Settings change between edit and done."""
    stage.scene(
        "An edit while it runs",
        "Whatever changes between edit() and done() goes out in one REGISTER.",
        "with proxy.edit() as draft:",
        f"    draft.expires = {_LONGER}",
        '    draft.contact_params = {"q": "0.8"}',
    )
    with proxy.edit() as draft:
        draft.expires = _LONGER
        draft.contact_params = {"q": "0.8"}
    await stage.until(proxy, RegistrationState.OK)
    held = stage.held(TOTO)
    changed = held is not None and held.params.get("q") == "0.8" and proxy.binding is not None
    lasts = proxy.binding is not None and proxy.binding.expires == _LONGER
    stage.fact(changed and lasts and len(stage.requests()) == 1, f"one REGISTER changed both; it lasts {_LONGER} s now")


async def lose(stage: Stage, proxy: ProxyConfig) -> None:
    """An answer is lost, and nobody has to care."""
    stage.scene(
        "A lost packet",
        "The network swallows the answer. After 0.5 s the client sends the same\n"
        "REGISTER again; the registrar repeats its answer.",
        "registrar.faults_out = Faults(silence=True)  # for one answer",
        "await core.refresh_registers()",
    )
    registrar = stage.registrar
    registrar.faults_out = Faults(silence=True)
    await stage.core.refresh_registers()
    await stage.until(proxy, RegistrationState.REFRESHING)
    await registrar.wait_for_request(len(registrar.requests) + 1)
    stage.ladder.catch_up(answers_lost=True)
    registrar.faults_out = None
    await stage.until(proxy, RegistrationState.OK)
    sent = [packet.data for packet in stage.packets()]
    stage.fact(
        len(sent) > 1 and len(set(sent)) == 1,
        "the same octets went out twice; the account was registered all the time",
    )


async def refuse(stage: Stage) -> None:
    """A wrong password ends in a state and a sentence."""
    stage.scene(
        "A wrong password",
        "Another account. It is tried once: servers ban clients that keep knocking.",
        f'params = ProxyParams("{TATA}", server=uri)',
        "proxy = core.add_proxy_config(params)",
        "await proxy.registered()  # raises AuthenticationFailed",
    )
    proxy = stage.core.add_proxy_config(ProxyParams(TATA, server=stage.registrar.uri))
    event = await stage.until(proxy, RegistrationState.FAILED)
    told = ""
    try:
        await proxy.registered()
    except AuthenticationFailed as error:
        told = str(error)
    stage.fact(event.message in told, "AuthenticationFailed was raised, with that sentence")
    stopped = event.retry_at is None and len(stage.requests()) == 2 and stage.held(TATA) is None
    stage.fact(stopped, "nothing is bound, and nothing is tried until the credentials change")


async def unregister(stage: Stage, proxy: ProxyConfig) -> None:
    """The binding is removed, and the registrar confirms it."""
    stage.scene(
        "The end",
        "The binding is removed and the removal confirmed; leaving the block\n"
        "`async with Core()` does the same for every account.",
        "await proxy.unregister()",
    )
    await proxy.unregister()
    event = await stage.until(proxy, RegistrationState.CLEARED)
    stage.fact(event.status == 200 and not stage.registrar.bindings, "the registrar holds no binding any more")
