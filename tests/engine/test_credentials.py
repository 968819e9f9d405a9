"""Which credentials are good for which realm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg import AuthInfo, ProxyParams
from aiosipreg.engine.credentials import find_auth_info, own_credentials, shared_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiosipreg import AuthChallenge

HOME = "example.org"


def infos(*entries: tuple[str | None, str | None]) -> list[AuthInfo]:
    """Entries for toto by realm and domain; their passwords are their positions."""
    return [
        AuthInfo("toto", password=str(number), realm=realm, domain=domain)
        for number, (realm, domain) in enumerate(entries)
    ]


def found(
    entries: Iterable[AuthInfo], *, username: str | None = "toto", domain: str = HOME, realm: str = "r"
) -> str | None:
    info = find_auth_info(entries, username=username, domain=domain, realm=realm)
    return None if info is None else info.password


@pytest.mark.parametrize(
    ("entries", "password"),
    [
        ([], None),
        ([(None, None)], "0"),
        ([("r", None), (None, None)], "0"),
        ([(None, None), ("r", None)], "1"),
        ([("r", None), (None, HOME)], "0"),
        ([(None, HOME), (None, None)], "0"),
        ([("r", None), ("r", HOME)], "1"),
        ([("r", HOME), ("r", None)], "0"),
        ([(None, None), (None, None)], "1"),
        ([("r", HOME), ("r", HOME)], "1"),
        ([("R", None)], None),
        ([("other", None)], None),
        ([(None, "elsewhere.example")], None),
        ([("r", "elsewhere.example")], None),
        ([(None, "EXAMPLE.org")], "0"),
    ],
)
def test_AUTH_25_look_up_order(entries: list[tuple[str | None, str | None]], password: str | None) -> None:
    assert found(infos(*entries)) == password


def test_AUTH_25_users_are_kept_apart() -> None:
    entries = [AuthInfo("toto", password="1"), AuthInfo("titi", password="2"), AuthInfo("Toto", password="3")]
    assert found(entries) == "1"
    assert found(entries, username="titi") == "2"
    assert found(entries, username="tata") is None
    # An account's own entries need not name its user.
    assert found(entries, username=None) == "3"


def info(username: str = "toto", **fields: Any) -> AuthInfo:
    return AuthInfo(username, password="planted-secret", **fields)


def certified() -> AuthInfo:
    return AuthInfo("toto", client_cert="toto.pem")


def known(
    own: Any = None,
    shared: tuple[AuthInfo, ...] = (),
    realm: str = "titi.com",
    *,
    named: str | None = None,
    foreign: bool = False,
) -> AuthInfo | None:
    """What answers for an account: its own credentials, else those of all."""
    params = ProxyParams("sip:toto@sip.titi.com", auth=own, realm=named)
    return own_credentials(params, realm, foreign=foreign) or shared_credentials(params, shared, realm, foreign=foreign)


class TestKnown:
    def test_nobody_has_any(self) -> None:
        assert known() is None

    def test_TLS_9_a_certificate_alone_answers_no_challenge(self) -> None:
        assert known(certified(), (certified(), info())) == info()
        assert known(certified(), (certified(),)) is None

    def test_the_core_has_some_for_this_user(self) -> None:
        assert known(shared=(info("other"), info())) == info()
        assert known(shared=(info("other"),)) is None

    def test_the_accounts_own_come_first_and_need_not_name_its_user(self) -> None:
        assert known(info("other"), (info(),)) == info("other")
        assert known([info("other", realm="elsewhere")], (info(),)) == info()

    def test_SEC_5_a_realm_that_is_named_is_the_only_one_it_answers(self) -> None:
        bound = info(realm="titi.com")
        assert known(shared=(bound,)) is bound
        assert known(shared=(bound,), realm="elsewhere") is None

    def test_the_realm_of_the_settings_is_the_only_one_for_credentials_that_name_none(self) -> None:
        bound = info(realm="elsewhere")
        for own, shared in ((None, (info(),)), (info(), ())):
            assert known(own, shared, named="titi.com") == info()
            assert known(own, shared, "elsewhere", named="titi.com") is None
        assert known(None, (info(), bound), "elsewhere", named="titi.com") is bound
        assert known([info(), bound], (), "elsewhere", named="titi.com") is bound

    def test_a_domain_that_is_named_is_the_only_one_it_serves(self) -> None:
        assert known(shared=(info(domain="SIP.titi.com"),)) is not None
        assert known(shared=(info(domain="titi.com"),)) is None

    def test_the_best_fit_wins_and_among_equals_the_newest(self) -> None:
        anywhere, in_domain, in_realm = info(), info(domain="sip.titi.com"), info(realm="titi.com")
        for shared in ((anywhere, in_domain, in_realm), (in_realm, in_domain, anywhere)):
            assert known(shared=shared) is in_realm
        assert known(shared=(in_domain, anywhere)) is in_domain
        older, newer = info(userid="older"), info(userid="newer")
        assert known(shared=(older, newer)) is newer

    def test_RDR_6_a_server_elsewhere_gets_only_what_names_its_realm(self) -> None:
        assert known(info(), (info(),), foreign=True) is None
        bound = info(realm="titi.com")
        assert known(info(), (bound,), foreign=True) is bound
        assert known(bound, (info(),), foreign=True) is bound

    def test_a_provider_of_the_account_is_not_a_list(self) -> None:
        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            return None

        assert known(provider, (info(),)) == info()
