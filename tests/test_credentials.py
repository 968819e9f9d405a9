"""aiosipreg/credentials.py: where an account's credentials come from."""

from __future__ import annotations

import asyncio
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from aiosipreg import AuthChallenge, AuthInfo, ProxyConfig, ProxyParams, TlsParams
from aiosipreg.credentials import Keyring, caution, client_tls, inquire, shown_certificate
from aiosipreg.engine.effects import Answered, Flow, NotAnswered
from aiosipreg.engine.targets import Target, Transport
from tests.events import Account

if TYPE_CHECKING:
    from aiosipreg import AuthProvider
    from aiosipreg.engine.authenticator import Authenticator

TARGET = Target("192.0.2.1", 5060, Transport.UDP, "sip.titi.com")
SECRET = "planted-secret"
TOTO = ProxyParams("sip:toto@sip.titi.com")


def info(username: str = "toto", **fields: Any) -> AuthInfo:
    return AuthInfo(username, password=SECRET, **fields)


def answering(algorithm: str | None) -> Authenticator:
    return cast("Authenticator", SimpleNamespace(algorithm=algorithm))


@pytest.mark.parametrize(
    ("algorithm", "host", "transport", "cautions"),
    [
        ("MD5", "192.0.2.1", Transport.UDP, True),
        ("MD5-sess", "2001:db8::1", Transport.TCP, True),
        ("MD5", "192.0.2.1", Transport.TLS, False),
        ("SHA-256", "192.0.2.1", Transport.UDP, False),
        (None, "192.0.2.1", Transport.UDP, False),
        ("MD5", "127.0.0.1", Transport.UDP, False),
        ("MD5", "::1", Transport.UDP, False),
    ],
)
def test_SEC_4_md5_in_the_clear_is_warned_of(
    algorithm: str | None, host: str, transport: Transport, cautions: bool, caplog: pytest.LogCaptureFixture
) -> None:
    flow = Flow(Target(host, 5060, transport, "sip.titi.com"), "192.0.2.7", 5060)
    assert caution(TOTO, answering(algorithm), flow) is cautions
    assert [record.levelname for record in caplog.records] == ["WARNING"] * cautions


def test_SEC_4_before_there_is_a_flow_there_is_nothing_to_warn_of() -> None:
    assert not caution(TOTO, answering("MD5"), None)


CHALLENGE = AuthChallenge(
    proxy_config=cast("ProxyConfig", Account()), username="toto", realm="titi.com", domain="sip.titi.com"
)


@pytest.mark.virtual_clock
class TestProvider:
    async def answer(self, provider: AuthProvider, timeout: float = 10.0) -> Any:
        return await inquire(provider, CHALLENGE, 7, timeout)

    async def test_it_gets_the_challenge_and_its_answer_is_taken(self) -> None:
        asked = []

        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            asked.append(challenge)
            await asyncio.sleep(9)
            return info()

        assert await self.answer(provider) == Answered(7, info())
        assert asked == [CHALLENGE]

    async def test_it_may_have_nothing_to_say(self) -> None:
        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            return None

        assert await self.answer(provider) == Answered(7, None)
        assert await inquire(provider, CHALLENGE, 7, 10.0, otherwise=info()) == Answered(7, info())

    async def test_AUTH_25_it_is_not_waited_for_for_ever(self) -> None:
        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            await asyncio.Event().wait()
            return None

        assert await self.answer(provider, 2.5) == NotAnswered(7, "no answer within 2.5 s")
        assert asyncio.get_running_loop().time() == 2.5

    @pytest.mark.parametrize("error", [ValueError("no vault"), TimeoutError("the vault's own")])
    async def test_it_may_raise(self, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            raise error

        assert await self.answer(provider) == NotAnswered(7, f"it raised {type(error).__name__}")
        (record,) = caplog.records
        assert record.exc_info is not None
        assert record.getMessage() == "sip:toto@sip.titi.com: the auth provider raised"

    async def test_it_may_raise_when_its_time_is_up(self) -> None:
        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("while it was ended")

        assert await self.answer(provider, 1) == NotAnswered(7, "no answer within 1 s")

    @pytest.mark.parametrize("nonsense", [SECRET, 1, True, (), object])
    async def test_it_may_return_nonsense_which_is_not_repeated_to_anybody(self, nonsense: object) -> None:
        async def provider(challenge: AuthChallenge) -> Any:
            return nonsense

        told = await self.answer(provider)
        assert told == NotAnswered(7, f"it returned {type(nonsense).__name__}, not AuthInfo")

    async def test_it_may_await_something_that_is_cancelled(self) -> None:
        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            lost: asyncio.Future[AuthInfo] = asyncio.get_running_loop().create_future()
            lost.cancel()
            return await lost

        assert await self.answer(provider) == NotAnswered(7, "it was cancelled")

    async def test_a_question_that_is_cancelled_stays_cancelled(self) -> None:
        ended = []

        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)
            return None

        question = asyncio.create_task(self.answer(provider))
        await asyncio.sleep(1)
        question.cancel()
        with pytest.raises(asyncio.CancelledError):
            await question
        assert ended == [True]


def certified(username: str = "toto", cert: str = "toto.pem", **fields: Any) -> AuthInfo:
    return AuthInfo(username, client_cert=cert, client_key="toto.key", key_password="open", **fields)


class TestKeyring:
    def test_it_has_entries_or_somebody_to_ask(self) -> None:
        async def provider(_: AuthChallenge) -> AuthInfo | None:
            return None

        entries = Keyring((info(), certified()))
        assert (entries.infos, entries.certified, entries.provider) == ((info(), certified()), (certified(),), None)
        asking = Keyring(provider)
        assert (asking.infos, asking.certified, asking.provider) == ((), (), provider)

    def test_a_certificate_alone_replaces_no_password(self) -> None:
        ring = Keyring((info(),))
        ring.add(certified())
        ring.add(certified(cert="newer.pem"))
        assert ring.infos == (info(), certified(cert="newer.pem"))
        both = info(client_cert="both.pem")
        ring.add(both)
        assert ring.infos == (certified(cert="newer.pem"), both)

    def test_what_is_not_there_is_not_taken_away(self) -> None:
        ring = Keyring((info(), certified()))
        assert not ring.remove(info("other"))
        assert ring.remove(certified())
        assert (ring.infos, ring.certified) == ((info(),), ())
        ring.clear()
        assert ring.infos == ()

    def test_TLS_9_it_tells_which_accounts_show_another_certificate(self) -> None:
        toto, tata = ProxyParams("sip:toto@sip.titi.com"), ProxyParams("sip:tata@sip.titi.com")
        ring = Keyring((certified(),))
        for new, others in (
            (certified("tata"), [False, True]),
            (certified(cert="newer.pem"), [True, False]),
            (certified(cert="newer.pem"), [False, False]),
            (info(), [False, False]),
        ):
            shows_other = ring.add(new)
            assert [shows_other(toto), shows_other(tata)] == others


class TestShownCertificate:
    TOTO = ProxyParams("sip:toto@sip.titi.com")

    def shown(self, *shared: AuthInfo, **settings: Any) -> AuthInfo | None:
        return shown_certificate(self.TOTO.replace(**settings), shared)

    def test_TLS_9_it_is_that_of_the_user(self) -> None:
        assert self.shown() is None
        assert self.shown(certified("tata")) is None
        assert self.shown(certified("tata"), certified()) == certified()

    def test_TLS_9_the_accounts_own_come_first_and_need_not_name_its_user(self) -> None:
        assert self.shown(certified(), auth=[info(), certified("trunk")]) == certified("trunk")
        assert self.shown(certified(), auth=info("trunk")) == certified()

    def test_TLS_9_of_several_that_fit_the_most_exact_and_then_the_newest(self) -> None:
        here, elsewhere = certified(domain="SIP.titi.com"), certified(domain="elsewhere")
        assert self.shown(here, certified(), elsewhere) == here
        assert self.shown(certified(cert="old.pem"), certified()) == certified()

    def test_TLS_9_SEC_5_a_realm_counts_where_the_account_names_one(self) -> None:
        named = certified(realm="titi.com")
        assert self.shown(named) == named
        assert self.shown(named, certified()) == certified()
        assert self.shown(named, certified(), realm="titi.com") == named
        assert self.shown(named, realm="elsewhere") is None


class TestClientTls:
    def shown(self, params: ProxyParams, core: TlsParams, *, foreign: bool = False) -> tuple[str | None, ...]:
        tls = client_tls(params, Keyring((certified(),)), core, foreign=foreign)
        return tls.ca_file, tls.client_cert, tls.client_key, tls.key_password

    def test_TLS_9_credentials_add_a_certificate_to_who_is_trusted(self) -> None:
        params = ProxyParams("sip:toto@sip.titi.com")
        mine = ("toto.pem", "toto.key", "open")
        assert self.shown(params, TlsParams(ca_file="a")) == ("a", *mine)
        assert self.shown(params.replace(tls=TlsParams(ca_file="b")), TlsParams(ca_file="a")) == ("b", *mine)
        assert self.shown(params, TlsParams(ca_file="a", client_cert="core.pem")) == ("a", *mine)

    def test_TLS_9_a_certificate_of_the_account_itself_wins(self) -> None:
        params = ProxyParams("sip:toto@sip.titi.com", tls=TlsParams(client_cert="own.pem"))
        assert self.shown(params, TlsParams()) == (None, "own.pem", None, None)

    def test_TLS_9_without_credentials_nothing_is_made_anew(self) -> None:
        core = TlsParams(client_cert="core.pem")
        assert client_tls(ProxyParams("sip:other@titi.com"), Keyring((certified(),)), core, foreign=False) is core

    def test_TLS_9_a_context_decides_by_itself(self) -> None:
        core = TlsParams(context=ssl.create_default_context())
        params = ProxyParams("sip:toto@sip.titi.com")
        for foreign in (False, True):
            assert client_tls(params, Keyring((certified(),)), core, foreign=foreign) is core

    def test_SEC_7_whoever_a_redirect_led_to_outside_is_shown_nothing(self) -> None:
        params = ProxyParams("sip:toto@sip.titi.com")
        core = TlsParams(ca_file="a", client_cert="core.pem", client_key="core.key", key_password="open")
        assert self.shown(params, core, foreign=True) == ("a", None, None, None)
        assert self.shown(params, TlsParams(ca_file="a"), foreign=True) == ("a", None, None, None)
