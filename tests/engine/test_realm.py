"""What is known of a realm, from one run of the program to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiosipreg.engine.authenticator import Question, Verdict
from aiosipreg.engine.credentials import find_auth_info
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.engine.realm import is_related
from aiosipreg.wire import Response
from tests.engine.test_authenticator import (
    ANSWER,
    AUTHORIZATION,
    HOME,
    PROXY,
    REFUSED,
    TOTO,
    UNAVAILABLE,
    Account,
    asked,
    expected,
    row,
)

if TYPE_CHECKING:
    from aiosipreg.auth import AuthInfo


def reborn(old: Account, *infos: AuthInfo, policy: DigestPolicy | None = None, server: str = HOME) -> Account:
    """Another authenticator with the nonces of this one, before its first request."""
    new = Account(*infos, policy=policy, server=server)
    new.auth.recall(old.auth.nonces())
    result = new.auth.reclaim(server)
    while isinstance(result, Question):
        new.questions.append(result)
        info = find_auth_info(new.infos, username="toto", domain=HOME, realm=result.realm)
        verdict = new.auth.supply(info)
        result = verdict if isinstance(verdict, Question) else None
    return new


def used(*rows: tuple[str, str], requests: int = 1, policy: DigestPolicy | None = None) -> Account:
    account = Account(TOTO, policy=policy)
    assert account.take(*rows) is ANSWER
    for _ in range(requests):
        account.send()
    return account


def test_AUTH_28_a_nonce_is_counted_on_after_a_restart() -> None:
    old = used(row("r", "n1", 'opaque="o"', "algorithm=MD5", "stale=true", 'domain="x"', 'x="y"'), requests=3)
    [nonce] = old.auth.nonces()
    assert (nonce.server, nonce.count) == (HOME, 3)
    assert dict(nonce.challenge.params) == {
        "realm": '"r"', "nonce": '"n1"', "opaque": '"o"', "algorithm": "MD5", "qop": '"auth"',
    }  # fmt: skip
    new = reborn(old, TOTO)
    assert new.questions == [Question("r", ("MD5",), 1, False)]
    [(name, sent)] = new.send()
    assert (name, sent["nonce"], sent["nc"], sent["opaque"]) == (AUTHORIZATION, "n1", "00000004", "o")
    assert sent["response"] == expected(sent)


def test_AUTH_28_nonces_survive_several_restarts_without_use() -> None:
    old = used(row())
    assert reborn(reborn(old)).auth.nonces() == ()
    asleep = Account()
    asleep.auth.recall(old.auth.nonces())
    assert asleep.auth.nonces() == old.auth.nonces()


def test_AUTH_29_the_nonce_in_use_is_kept_and_not_that_of_the_challenge() -> None:
    old = used(row())
    old.auth.accepted(Response(200, "OK", [("Authentication-Info", 'nextnonce="ne\\"xt"')]))
    old.send()
    [(_, sent)] = reborn(old, TOTO).send()
    assert (sent["nonce"], sent["nc"]) == ('ne\\"xt', "00000002")


def test_AUTH_5_of_several_rows_the_one_in_use_is_kept() -> None:
    rows = (row("r", "n1", "algorithm=MD5"), row("r", "n1", "algorithm=SHA-256"))
    [nonce] = used(*rows, policy=DigestPolicy(minimum_algorithm="SHA-256")).auth.nonces()
    assert nonce.challenge.algorithm == "SHA-256"


def test_AUTH_10_a_session_key_cannot_be_kept() -> None:
    assert used(row("r", "n1", "algorithm=MD5-sess")).auth.nonces() == ()


def test_a_nonce_that_answers_nothing_any_more_is_not_kept() -> None:
    old = used(row("r", "n1", "algorithm=MD5"))
    # Asked anew for an answer that is not given yet.
    old.auth.begin()
    assert isinstance(old.auth.challenged(asked(row("other", "n2")), HOME), Question)
    assert [nonce.challenge.nonce for nonce in old.auth.nonces()] == ["n1"]
    old.auth.forget()
    assert isinstance(old.auth.challenged(asked(row("r", "n2", "algorithm=SHA-256")), HOME), Question)
    assert old.auth.nonces() == ()


def test_SEC_23_what_is_kept_has_limits() -> None:
    assert used(row("r", "n" * 3000, f'opaque="{"o" * 3000}"')).auth.nonces() == ()
    old = Account(TOTO)
    for number in range(6):
        assert old.take(row(f"r{number}", header=PROXY), status=407) is ANSWER
    assert [nonce.challenge.realm for nonce in old.auth.nonces()] == ["r2", "r3", "r4", "r5"]


def test_AUTH_34_a_kept_nonce_is_used_at_no_other_server() -> None:
    new = reborn(used(row()), TOTO, server="elsewhere.example.org")
    assert (new.questions, new.send()) == ([], [])


def test_SEC_3_a_kept_nonce_that_policy_forbids_by_now() -> None:
    new = reborn(used(row()), TOTO, policy=DigestPolicy(minimum_algorithm="SHA-256"))
    assert (new.questions, new.send()) == ([], [])


def test_AUTH_24_nobody_knows_the_secret_of_a_kept_nonce_any_more() -> None:
    new = reborn(used(row()))
    assert (new.realms, new.send()) == (["r"], [])
    assert new.auth.reclaim(HOME) is None
    assert new.take(row("r", "n2")) is UNAVAILABLE


def test_AUTH_20_the_refusal_of_a_kept_nonce_says_nothing_of_the_secret() -> None:
    new = reborn(used(row()), TOTO)
    new.send()
    assert new.take(row("r", "n2")) is ANSWER
    new.send()
    assert new.take(row("r", "n3")) is REFUSED


def test_a_challenge_comes_before_a_kept_nonce_was_claimed() -> None:
    new = Account(TOTO)
    new.auth.recall(used(row()).auth.nonces())
    assert new.take(row("r", "n2")) is ANSWER
    assert new.auth.reclaim(HOME) is None
    [(_, sent)] = new.send()
    assert (sent["nonce"], sent["nc"]) == ("n2", "00000001")


@pytest.mark.parametrize(
    ("realm", "names", "related"),
    [
        ("titi.com", ("titi.com",), True),
        ("TITI.com.", ("titi.com",), True),
        ("titi.com", ("tata.com", "sip.titi.com"), True),
        ("sip.titi.com", ("titi.com",), True),
        ("titi.com", ("*.titi.com",), True),
        ("192.0.2.1", ("192.0.2.1",), True),
        ("Our Realm", ("titi.com", "our realm"), True),
        ("titi.com", ("notiti.com",), False),
        ("notiti.com", ("titi.com",), False),
        ("com", ("titi.com",), False),
        ("asterisk", ("titi.com",), False),
        ("b.titi.com", ("a.titi.com",), False),
        ("titi.com", (), False),
    ],
)
def test_SEC_6_what_a_realm_has_to_do_with_names(realm: str, names: tuple[str, ...], related: bool) -> None:
    assert is_related(realm, names) is related


def test_SEC_1_what_succeeded_before_a_restart_is_not_forgotten() -> None:
    policy = DigestPolicy(refuse_downgrade=True)
    old = used(row("r", "n1", "algorithm=SHA-256"), policy=policy)
    old.auth.accepted(Response(200, "OK"))
    new = reborn(old, TOTO, policy=policy)
    new.send()
    assert new.take(row("r", "n2", "algorithm=MD5")) is Verdict.DOWNGRADED
