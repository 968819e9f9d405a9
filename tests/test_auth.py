"""Credentials: what is refused, and that nothing shows a secret."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.auth import AuthChallenge, AuthInfo
from aiosipreg.errors import ConfigError

HA1 = "0123456789abcdef" * 2
TEXT_FIELDS = ["username", "userid", "algorithm", "realm", "domain"]
CONTROLS = [chr(code) for code in (*range(32), 127)]
PLAIN = "text that is not empty, without control characters or line breaks"


def refused(**values: Any) -> ConfigError:
    given: dict[str, Any] = {"username": "toto", "password": "planted-secret"} | values
    with pytest.raises(ConfigError) as caught:
        AuthInfo(given.pop("username"), **given)
    assert "planted" not in str(caught.value)
    assert "planted" not in repr(caught.value)
    return caught.value


def test_AUTH_26_digest_name_is_the_userid_if_there_is_one() -> None:
    assert AuthInfo("toto", password="s").digest_username == "toto"
    assert AuthInfo("toto", userid="toto@voip.example", password="s").digest_username == "toto@voip.example"
    assert AuthInfo("to:to", userid="toto", password="s").digest_username == "toto"


@pytest.mark.parametrize("field", TEXT_FIELDS)
@pytest.mark.parametrize("value", ["", "\ud800", *CONTROLS, *(f"a{control}b" for control in CONTROLS)], ids=ascii)
def test_SEC_11_unfit_texts_are_refused(field: str, value: str) -> None:
    error = refused(**{field: value})
    assert (error.field, error.value, error.expected) == (field, value, PLAIN)


@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_texts_are_texts(field: str) -> None:
    error = refused(**{field: 5})
    assert (error.field, error.value, error.expected) == (field, 5, PLAIN)


def test_user_name_cannot_be_missing() -> None:
    error = refused(username=None)
    assert (error.field, error.value, error.expected) == ("username", None, PLAIN)


@pytest.mark.parametrize("password", ["planted\r\n", "planted\x00", "\n", "planted\ud800", 5])
def test_SEC_11_password_with_a_line_break_is_refused_and_hidden(password: Any) -> None:
    error = refused(password=password)
    assert (error.field, error.value) == ("password", "(hidden)")
    assert error.expected == "text without control characters or line breaks"


@pytest.mark.parametrize("password", ["", " ", "Secret, or not?", "pä:ß\\\"'", "\udcff"])
def test_any_other_password_is_a_password(password: str) -> None:
    assert AuthInfo("toto", password=password).password == password


@pytest.mark.parametrize("names", [{"username": "to:to"}, {"userid": "to:to"}, {"username": "a", "userid": ":"}])
def test_AUTH_32_digest_name_with_a_colon_is_refused(names: dict[str, str]) -> None:
    error = refused(**names)
    assert (error.field, error.expected) == ("userid", "a name without a colon, which digest cannot carry")
    assert error.value in names.values()


@pytest.mark.parametrize("secrets", [{"ha1": HA1, "realm": "r"}, {"ha1": HA1, "realm": None}])
def test_AUTH_33_one_secret_not_two(secrets: dict[str, Any]) -> None:
    error = refused(**secrets)
    assert (error.field, error.value, error.expected) == ("password", "(hidden)", "one of password and ha1, not both")


def test_there_has_to_be_something_to_show() -> None:
    error = refused(password=None)
    assert (error.field, error.expected) == ("password", "a password, a ha1 or a client_cert")


@pytest.mark.parametrize(("secret", "has"), [({}, False), ({"password": ""}, True), ({"ha1": HA1, "realm": "r"}, True)])
def test_TLS_9_a_certificate_is_no_secret_that_answers_challenges(secret: dict[str, Any], has: bool) -> None:
    assert AuthInfo("toto", client_cert="toto.pem", **secret).has_secret is has


@pytest.mark.parametrize("field", ["client_cert", "client_key", "key_password"])
@pytest.mark.parametrize("value", ["", " ", 5, b"planted"])
def test_TLS_9_certificate_and_key_are_texts(field: str, value: Any) -> None:
    error = refused(**{"client_cert": "toto.pem", field: value})
    assert (error.field, error.value, error.expected) == (field, "(hidden)", "text that is not empty")


@pytest.mark.parametrize("field", ["client_key", "key_password"])
def test_TLS_9_a_key_is_that_of_a_certificate(field: str) -> None:
    error = refused(**{field: "planted"})
    assert (error.field, error.expected) == ("client_cert", "a certificate, because there is a key")


def test_SEC_9_TLS_9_neither_certificate_nor_key_is_shown() -> None:
    info = AuthInfo("toto", client_cert="planted-1", client_key="planted-2", key_password="planted-3")
    assert "planted" not in f"{info!r} {info}"


@pytest.mark.parametrize(
    ("algorithm", "ha1"),
    [(None, HA1), ("MD5", HA1.upper()), ("md5-sess", HA1), ("SHA-256", HA1 * 2), ("SHA-512-256", HA1 * 2)],
)
def test_AUTH_33_stored_hash_of_the_right_length(algorithm: str | None, ha1: str) -> None:
    assert AuthInfo("toto", ha1=ha1, realm="r", algorithm=algorithm).ha1 == ha1


@pytest.mark.parametrize(
    "values",
    [
        {"ha1": HA1, "realm": None},
        {"ha1": HA1[1:]},
        {"ha1": HA1 * 2},
        {"ha1": HA1, "algorithm": "SHA-256"},
        {"ha1": f"{HA1}\n"},
        {"ha1": f"{HA1[:-1]}g"},
        {"ha1": ""},
        {"ha1": "plantedplantedplantedplantedplan"},
    ],
)
def test_AUTH_33_stored_hash_is_hex_digits_with_their_realm(values: dict[str, Any]) -> None:
    error = refused(**({"password": None, "realm": "r"} | values))
    digits = 64 if "algorithm" in values else 32
    assert (error.field, error.value) == ("ha1", "(hidden)")
    assert error.expected == f"{digits} hex digits, together with the realm they were made for"


def test_credentials_cannot_be_changed() -> None:
    info = AuthInfo("toto", password="s")
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.password = "t"  # type: ignore[misc]
    assert info == AuthInfo("toto", password="s") != AuthInfo("toto", password="t")
    assert hash(info) == hash(AuthInfo("toto", password="s"))
    assert pickle.loads(pickle.dumps(info)) == info


@given(st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=6), st.booleans())
def test_SEC_9_no_secret_is_ever_shown(word: str, stored: bool) -> None:
    secret = f"planted-{word}"
    info = (
        AuthInfo("toto", ha1="f00dcafe" * 4, realm="r")
        if stored
        else AuthInfo("toto", password=secret, realm="example")
    )
    for text in (repr(info), str(info), f"{info}", repr([info]), repr({"auth": info})):
        assert secret not in text
        assert "f00dcafe" not in text
        assert "toto" in text


def test_challenge_tells_what_a_vault_needs_to_know() -> None:
    challenge = AuthChallenge(
        proxy_config=cast("Any", None), username="toto", realm="r", domain="example.org", server="udp:192.0.2.1:5060"
    )
    assert (challenge.scheme, challenge.algorithms, challenge.attempt) == ("Digest", (), 1)
    assert (challenge.secure, challenge.stale) == (False, False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        challenge.realm = "other"  # type: ignore[misc]
