"""Digest answers: published vectors, the choice of the challenge, and what must never be sent."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.algorithms import ALGORITHMS, Algorithm, Qop
from aiosipreg.engine.digest import DigestSession, answer, choose, digest_response, offers
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.errors import ParseError
from aiosipreg.wire import Challenge
from aiosipreg.wire.grammar import quote

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data/vectors.json").read_text("utf-8"))
TOTO = AuthInfo("toto", password="secret")
ANY = DigestPolicy()


def challenge(text: str, header: str = "WWW-Authenticate") -> Challenge:
    return Challenge.parse(text, header)


def ask(realm: str = "r", nonce: str = "n", **directives: str | None) -> Challenge:
    """A Digest challenge: values as they stand in the header, ``None`` leaves a directive out."""
    values = {"realm": quote(realm), "nonce": quote(nonce), "qop": '"auth"'} | directives
    return challenge("Digest " + ", ".join(f"{name}={value}" for name, value in values.items() if value is not None))


def session(text: Challenge, info: AuthInfo = TOTO, policy: DigestPolicy = ANY) -> DigestSession:
    [offer] = offers([text], policy)
    return answer(offer, info)


def usable(text: Challenge, policy: DigestPolicy = ANY) -> bool:
    return bool(offers([text], policy))


def chosen(rows: list[Challenge], policy: DigestPolicy = ANY, info: AuthInfo = TOTO) -> Challenge | None:
    offer = choose(offers(rows, policy), policy, info)
    return None if offer is None else offer.challenge


def directives(value: str) -> dict[str, str]:
    """The raw directives of an Authorization value that has no comma inside quotes."""
    assert value.startswith("Digest ")
    return dict(part.split("=", 1) for part in value.removeprefix("Digest ").split(", "))


def response_of(text: Challenge, nc: int = 1, cnonce: str = "c", **settings: Any) -> str:
    value = session(text, **settings).authorization("REGISTER", "sip:h", nc, cnonce)
    return directives(value)["response"].strip('"')


def md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode()).hexdigest()


HA1 = md5("toto", "r", "secret")
HA2 = md5("REGISTER", "sip:h")


# Published vectors


def algorithm_of(vector: dict[str, Any]) -> Algorithm:
    return ALGORITHMS[vector.get("algorithm", "MD5").lower()]


@pytest.mark.parametrize("vector", VECTORS["digest"], ids=lambda vector: vector["id"])
def test_AUTH_9_published_responses_from_their_parts(vector: dict[str, Any]) -> None:
    expect = vector["expect"]
    parts = {name: vector.get(name, "") for name in ("qop", "nc", "cnonce")} if "qop" in vector else {}
    response = digest_response(
        algorithm_of(vector), expect["ha1"], expect["ha2"], nonce=vector["nonce"], **parts
    )  # fmt: skip
    assert response == expect["response"]


@pytest.mark.parametrize(
    "vector",
    # A name with colons is refused by AuthInfo (AUTH-32); nc is always written with eight digits (AUTH-16).
    [vector for vector in VECTORS["digest"] if ":" not in vector["username"] and len(vector.get("nc", "")) in (0, 8)],
    ids=lambda vector: vector["id"],
)
def test_AUTH_11_published_responses_from_credentials(vector: dict[str, Any]) -> None:
    given: dict[str, str | None] = {"qop": None}
    given |= {name: quote(vector[name]) for name in ("opaque", "qop") if name in vector}
    given |= {name: vector[name] for name in ("algorithm", "charset") if name in vector}
    text = ask(vector["realm"], vector["nonce"], **given)
    info = AuthInfo(vector["username"], password=vector.get("password"), ha1=vector.get("ha1"), realm=vector["realm"])
    value = session(text, info).authorization(
        vector["method"], vector["uri"], int(vector.get("nc", "1"), 16), vector.get("cnonce", "unused"),
        vector.get("body", "").encode(),
    )  # fmt: skip
    assert f'response="{vector["expect"]["response"]}"' in value
    assert f"uri={quote(vector['uri'])}" in value


@pytest.mark.parametrize(
    ("algorithm", "password", "realm", "nonce", "cnonce", "response"),
    [
        (None, "Circle Of Life", "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "0a4f113b",
         "6629fae49393a05397450978507c4ef1"),
        ("MD5", "Circle of Life", "http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
         "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "Circle of Life", "http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
         "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
         "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)  # fmt: skip
def test_12_2_known_answers(
    algorithm: str | None, password: str, realm: str, nonce: str, cnonce: str, response: str
) -> None:
    info = AuthInfo("Mufasa", password=password)
    value = session(ask(realm, nonce, algorithm=algorithm), info).authorization("GET", "/dir/index.html", 1, cnonce)
    assert directives(value)["response"] == quote(response)


@pytest.mark.parametrize(
    ("truncated", "response", "userhash"),
    [
        (False, "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
         "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"),
        (True, "ae66e67d6b427bd3f120414a82e4acff38e8ecd9101d6c861229025f607a79dd",
         "488869477bf257147b804c45308cd62ac4e25eb717b12b298c79e62dcea254ec"),
    ],
)  # fmt: skip
def test_12_1_8_sha_512_256_is_the_named_hash_unless_told_otherwise(
    truncated: bool, response: str, userhash: str
) -> None:
    text = ask(
        "api@example.org", "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        algorithm="SHA-512-256", charset="UTF-8", userhash="true",
    )  # fmt: skip
    info = AuthInfo("Jäsøn Doe", password="Secret, or not?")
    made = session(text, info, DigestPolicy(sha512_truncated=truncated))
    found = directives(made.authorization("GET", "/doe.json", 1, "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"))
    assert (found["response"], found["username"]) == (quote(response), quote(userhash))


@pytest.mark.parametrize("vector", VECTORS["ha1"], ids=lambda vector: vector["id"])
def test_AUTH_33_a_stored_ha1_answers_like_the_password(vector: dict[str, Any]) -> None:
    text = ask(vector["realm"], algorithm=vector["algorithm"])
    by_password = AuthInfo(vector["username"], password=vector["password"])
    by_ha1 = AuthInfo(
        vector["username"], ha1=vector["ha1"].upper(), algorithm=vector["algorithm"], realm=vector["realm"]
    )
    assert response_of(text, info=by_ha1) == response_of(text, info=by_password)


def test_AUTH_10_the_session_key_is_made_of_nonce_and_first_cnonce() -> None:
    vector = next(vector for vector in VECTORS["ha1"] if "ha1_sess" in vector)
    sess = vector["ha1_sess"]
    text = ask(vector["realm"], sess["nonce"], algorithm=f"{vector['algorithm']}-sess")
    info = AuthInfo(vector["username"], password=vector["password"])
    hashed = hashlib.sha256(b"REGISTER:sip:h").hexdigest()
    middle = f"{sess['nonce']}:00000001:{sess['cnonce']}:auth"
    expected = hashlib.sha256(f"{sess['value']}:{middle}:{hashed}".encode()).hexdigest()
    assert response_of(text, cnonce=sess["cnonce"], info=info) == expected


# What is written


def test_AUTH_15_what_is_quoted_and_what_is_not() -> None:
    value = session(ask(algorithm='"MD5"', opaque="o")).authorization("REGISTER", "sip:h", 1, "c")
    found = directives(value)
    for name in ("username", "realm", "nonce", "uri", "response", "cnonce", "opaque"):
        assert found[name].startswith('"'), name
        assert found[name].endswith('"'), name
    assert (found["algorithm"], found["qop"], found["nc"]) == ("MD5", "auth", "00000001")


@pytest.mark.parametrize(("nc", "written"), [(1, "00000001"), (10, "0000000a"), (0xABCDEF12, "abcdef12")])
def test_AUTH_16_nc_is_eight_lower_case_hex_digits(nc: int, written: str) -> None:
    value = session(ask()).authorization("REGISTER", "sip:h", nc, "c")
    assert directives(value)["nc"] == written
    assert directives(value)["response"] == quote(md5(HA1, "n", written, "c", "auth", HA2))


def test_AUTH_7_algorithm_is_echoed_as_received_and_absence_too() -> None:
    assert directives(session(ask(algorithm="sHa-256")).authorization("A", "b", 1, "c"))["algorithm"] == "sHa-256"
    assert "algorithm" not in session(ask()).authorization("A", "b", 1, "c")


def test_AUTH_13_without_qop_the_old_form_has_neither_qop_nor_nc_nor_cnonce() -> None:
    value = session(ask(qop=None)).authorization("REGISTER", "sip:h", 7, "c")
    assert not {"qop", "nc", "cnonce"} & directives(value).keys()
    assert directives(value)["response"] == quote(md5(HA1, "n", HA2))


def test_AUTH_14_uri_is_written_and_hashed_as_sent() -> None:
    uri = "sip:Registrar.EXAMPLE.org;transport=UDP"
    value = session(ask()).authorization("REGISTER", uri, 1, "c")
    assert f'uri="{uri}"' in value
    assert md5(HA1, "n", "00000001", "c", "auth", md5("REGISTER", uri)) in value


def test_AUTH_18_backslash_pairs_are_echoed_and_the_plain_realm_is_hashed() -> None:
    text = challenge(r'Digest realm="a \"b\" \c", nonce="x\y", opaque="", qop="auth"')
    value = session(text).authorization("REGISTER", "sip:h", 1, "c")
    assert r'realm="a \"b\" \c", nonce="x\y"' in value
    assert 'opaque=""' in value
    assert md5(md5("toto", 'a "b" c', "secret"), "xy", "00000001", "c", "auth", HA2) in value


def test_AUTH_18_an_absent_opaque_stays_absent() -> None:
    assert "opaque" not in session(ask()).authorization("REGISTER", "sip:h", 1, "c")


def test_AUTH_15_unquoted_values_of_a_server_are_quoted() -> None:
    value = session(challenge("Digest realm=r, nonce=n, qop=auth")).authorization("REGISTER", "sip:h", 1, "c")
    assert 'realm="r", nonce="n"' in value
    assert response_of(ask()) in value


# Which challenge


def test_AUTH_1_SEC_2_basic_is_never_answered() -> None:
    assert not usable(challenge('Basic realm="r"'), ANY)
    assert chosen([challenge('Basic realm="r"')]) is None


def test_AUTH_3_unusable_rows_are_skipped() -> None:
    rows = [
        challenge('Basic realm="r"'),
        challenge('Bearer realm="r"'),
        ask(algorithm="CHACHA123"),
        ask(qop='"foo"'),
        wanted := ask(algorithm="MD5"),
    ]
    assert chosen(rows) is wanted


@pytest.mark.parametrize("order", [("SHA-256", "MD5"), ("MD5", "SHA-256")])
def test_AUTH_4_topmost_and_AUTH_5_strongest(order: tuple[str, str]) -> None:
    rows = [ask(algorithm=name) for name in order]
    assert chosen(rows) is rows[0]
    assert chosen(rows, DigestPolicy(strongest_first=True)) is rows[order.index("SHA-256")]


def test_AUTH_5_strongest_stays_within_the_topmost_realm_and_takes_the_first_of_equals() -> None:
    rows = [ask(algorithm="MD5"), ask("other", algorithm="SHA-512-256"), ask(algorithm="SHA-256", nonce="first"),
            ask(algorithm="SHA-256-sess")]  # fmt: skip
    assert chosen(rows, DigestPolicy(strongest_first=True)) is rows[2]


def test_AUTH_4_a_row_needs_credentials_that_can_answer_it() -> None:
    rows = [ask(algorithm="SHA-256"), ask(algorithm="MD5")]
    info = AuthInfo("toto", ha1="0" * 32, realm="r")
    assert chosen(rows, ANY, info) is rows[1]
    assert chosen(rows[:1], ANY, info) is None


@pytest.mark.parametrize(
    ("minimum", "refused"),
    [("MD5", set()), ("sha-256", {"MD5"}), ("SHA-512-256", {"MD5", "SHA-256"})],
)
def test_SEC_3_minimum_algorithm(minimum: str, refused: set[str]) -> None:
    policy = DigestPolicy(minimum_algorithm=minimum)
    for key, algorithm in ALGORITHMS.items():
        assert usable(ask(algorithm=key), policy) is not (algorithm.family in refused), key
    assert usable(ask(), policy) is not ("MD5" in refused)


@pytest.mark.parametrize(
    ("offered", "usual", "integrity"),
    [
        ('"auth"', Qop.AUTH, Qop.AUTH),
        ('"auth-int"', Qop.AUTH_INT, Qop.AUTH_INT),
        ('"auth,auth-int"', Qop.AUTH, Qop.AUTH_INT),
        ('"AUTH-INT, AUTH"', Qop.AUTH, Qop.AUTH_INT),
        ('"foo"', None, None),
        ("foo", None, None),
        ('"foo, auth"', Qop.AUTH, Qop.AUTH),
        ('""', Qop.NONE, Qop.NONE),
        (None, Qop.NONE, Qop.NONE),
    ],
)
def test_AUTH_12_qop(offered: str | None, usual: Qop | None, integrity: Qop | None) -> None:
    text = ask(qop=offered)
    for wanted, policy in ((usual, ANY), (integrity, DigestPolicy(prefer_auth_int=True))):
        if wanted is None:
            assert not usable(text, policy)
        else:
            assert session(text, policy=policy).terms.qop is wanted


@pytest.mark.parametrize("vector", VECTORS["qop_parse"], ids=lambda vector: vector["value"])
def test_AUTH_12_published_qop_lists(vector: dict[str, Any]) -> None:
    assert usable(ask(qop=quote(vector["value"])), ANY) is not (vector["expect"] is None)


@pytest.mark.parametrize("vector", VECTORS["challenge_parse"], ids=lambda vector: vector["id"])
def test_AUTH_3_published_challenges(vector: dict[str, Any]) -> None:
    text = challenge(vector["value"].replace("\r\n\t", " "), vector["header"])
    assert usable(text, ANY) is not (vector["expect"] == "unsupported")


def test_12_1_3_challenges_without_qop_can_be_refused() -> None:
    strict = DigestPolicy(allow_no_qop=False)
    assert not usable(ask(qop=None), strict)
    assert usable(ask(), strict)


def test_AUTH_10_a_session_algorithm_without_qop_has_no_cnonce_to_check_with() -> None:
    assert not usable(ask(algorithm="MD5-sess", qop=None), ANY)
    assert usable(ask(algorithm="MD5", qop=None), ANY)


def raw(**params: str) -> Challenge:
    """A challenge whose values did not pass the parser's checks."""
    return Challenge("WWW-Authenticate", "Digest", {"realm": '"r"', "nonce": '"n"', "qop": '"auth"'} | params)


@pytest.mark.parametrize("name", ["realm", "nonce", "opaque"])
@pytest.mark.parametrize("character", ["\r\n", "\0", "\x7f", "\t"])
def test_SEC_12_control_characters_make_a_row_unusable(name: str, character: str) -> None:
    assert not usable(raw(**{name: f'"a{character}b"'}), ANY)
    assert usable(raw(**{name: '"ab"'}), ANY)


@pytest.mark.parametrize(("name", "limit"), [("realm", 1024), ("nonce", 4096), ("opaque", 4096)])
def test_SEC_23_very_long_values_make_a_row_unusable(name: str, limit: int) -> None:
    assert usable(raw(**{name: "x" * limit}), ANY)
    assert not usable(raw(**{name: "x" * (limit + 1)}), ANY)


def test_SEC_12_a_broken_quoted_string_is_written_anew() -> None:
    value = session(raw(realm='"a"b"', nonce='"n\\"')).authorization("REGISTER", "sip:h", 1, "c")
    assert r'realm="a\"b", nonce="n\\"' in value


def test_SEC_23_only_twenty_rows_are_looked_at() -> None:
    rows = [ask(algorithm="unknown")] * 19
    assert chosen([*rows, ask()]) is not None
    assert chosen([*rows, ask(algorithm="unknown"), ask()]) is None


# Which credentials


@pytest.mark.parametrize(
    ("info", "algorithms"),
    [
        (
            AuthInfo("u", password="p"),
            {"MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"},
        ),
        (AuthInfo("u", password="p", algorithm="sha-256"), {"SHA-256"}),
        (AuthInfo("u", ha1="0" * 32, realm="r"), {"MD5", "MD5-sess"}),
        (AuthInfo("u", ha1="0" * 32, realm="r", algorithm="MD5-sess"), {"MD5", "MD5-sess"}),
        (AuthInfo("u", ha1="0" * 64, realm="r", algorithm="SHA-256"), {"SHA-256", "SHA-256-sess"}),
        (AuthInfo("u", ha1="0" * 64, realm="r", algorithm="crc64"), set()),
    ],
)
def test_AUTH_33_an_ha1_answers_its_own_algorithm_only(info: AuthInfo, algorithms: set[str]) -> None:
    answered = {algorithm.name for key, algorithm in ALGORITHMS.items() if chosen([ask(algorithm=key)], ANY, info)}
    assert answered == algorithms


def test_TLS_9_a_certificate_alone_answers_nothing() -> None:
    assert chosen([ask("r")], ANY, AuthInfo("u", client_cert="u.pem")) is None
    assert chosen([ask("r")], ANY, AuthInfo("u", client_cert="u.pem", password="")) is not None


def test_SEC_5_credentials_of_one_realm_never_answer_another() -> None:
    info = AuthInfo("u", password="p", realm="r")
    assert chosen([ask("r")], ANY, info) is not None
    assert chosen([ask("R")], ANY, info) is None


def test_AUTH_26_the_digest_user_name_may_differ_and_contain_an_at() -> None:
    value = session(ask(), AuthInfo("toto", userid="auth@id", password="secret")).authorization("A", "b", 1, "c")
    assert directives(value)["username"] == '"auth@id"'
    assert md5(md5("auth@id", "r", "secret"), "n", "00000001", "c", "auth", md5("A", "b")) in value


def test_AUTH_2_the_answer_goes_into_the_header_that_belongs_to_the_challenge() -> None:
    text = 'Digest realm="r", nonce="n"'
    assert session(challenge(text)).terms.header == "Authorization"
    assert session(challenge(text, "Proxy-Authenticate")).terms.header == "Proxy-Authorization"
    assert session(challenge(text, "www-authenticate")).terms.header == "Authorization"


# Character sets and hidden names

NFD, NFC = "Ja\u0308s\u00f8n", "J\u00e4s\u00f8n"


def test_AUTH_32_utf8_servers_get_normalised_text_and_an_extended_name() -> None:
    value = session(ask(charset="utf-8"), AuthInfo(NFD, password=NFD)).authorization("A", "b", 1, "c")
    assert "username*=UTF-8''J%C3%A4s%C3%B8n, " in value
    assert "username=" not in value
    assert md5(md5(NFC, "r", NFC), "n", "00000001", "c", "auth", md5("A", "b")) in value


def test_AUTH_32_GRM_28_the_published_extended_name() -> None:
    vector = next(vector for vector in VECTORS["digest"] if "username_star" in vector)
    text = ask(vector["realm"], charset="UTF-8", algorithm="SHA-512-256")
    value = session(text, AuthInfo(vector["username"], password="x")).authorization("A", "b", 1, "c")
    assert f"username*={vector['username_star']}, " in value


def test_AUTH_32_an_ascii_name_stays_a_plain_one() -> None:
    value = session(ask(charset="UTF-8")).authorization("A", "b", 1, "c")
    assert directives(value)["username"] == '"toto"'


@pytest.mark.parametrize("charset", [None, '"latin-1"'])
def test_AUTH_32_other_servers_get_the_octets_as_configured(charset: str | None) -> None:
    value = session(ask(charset=charset), AuthInfo(NFD, password=NFD)).authorization("A", "b", 1, "c")
    assert directives(value)["username"] == quote(NFD)
    assert md5(md5(NFD, "r", NFD), "n", "00000001", "c", "auth", md5("A", "b")) in value


def test_GRM_26_octets_that_are_not_utf_8_are_hashed_as_received() -> None:
    realm = b"ex\xe4mple".decode("utf-8", "surrogateescape")
    ha1 = hashlib.md5(b"toto:ex\xe4mple:secret").hexdigest()
    assert response_of(ask(realm)) == md5(ha1, "n", "00000001", "c", "auth", HA2)


def test_AUTH_31_a_user_name_is_hidden_from_servers_that_can_do_without() -> None:
    value = session(ask(userhash="true", charset="UTF-8"), AuthInfo(NFD, password="p")).authorization("A", "b", 1, "c")
    found = directives(value)
    assert found["username"] == quote(md5(NFC, "r"))
    assert found["userhash"] == "true"
    assert "username*" not in value
    # The hash in the header changes nothing in HA1 (RFC 7616 3.4.4).
    assert md5(md5(NFC, "r", "p"), "n", "00000001", "c", "auth", md5("A", "b")) in value


@pytest.mark.parametrize(("userhash", "policy"), [("true", DigestPolicy(userhash=False)), ("false", ANY), (None, ANY)])
def test_AUTH_31_only_if_offered_and_enabled(userhash: str | None, policy: DigestPolicy) -> None:
    value = session(ask(userhash=userhash), policy=policy).authorization("A", "b", 1, "c")
    assert directives(value)["username"] == '"toto"'
    assert "userhash" not in value


# One session, many requests


def test_AUTH_10_a_session_algorithm_keeps_its_first_cnonce() -> None:
    made = session(ask(algorithm="MD5-sess"))
    first, second = (directives(made.authorization("REGISTER", "sip:h", nc, f"c{nc}")) for nc in (1, 2))
    assert first["cnonce"] == second["cnonce"] == '"c1"'
    key = md5(HA1, "n", "c1")
    assert second["response"] == quote(md5(key, "n", "00000002", "c1", "auth", HA2))


def test_AUTH_17_other_algorithms_take_every_cnonce() -> None:
    made = session(ask())
    first, second = (directives(made.authorization("REGISTER", "sip:h", nc, f"c{nc}")) for nc in (1, 2))
    assert (first["cnonce"], second["cnonce"]) == ('"c1"', '"c2"')
    assert second["response"] == quote(md5(HA1, "n", "00000002", "c2", "auth", HA2))


def test_method_and_uri_may_change_within_a_session() -> None:
    made = session(ask())
    for method, uri in (("REGISTER", "sip:h"), ("OPTIONS", "sip:h"), ("OPTIONS", "sip:i"), ("REGISTER", "sip:h")):
        value = made.authorization(method, uri, 1, "c")
        assert f'uri="{uri}"' in value
        assert md5(HA1, "n", "00000001", "c", "auth", md5(method, uri)) in value


def test_AUTH_11_auth_int_covers_the_body_of_each_request() -> None:
    made = session(ask(qop='"auth-int"'))
    for body in (b"", b"one", b"two"):
        a2 = md5("REGISTER", "sip:h", hashlib.md5(body).hexdigest())
        value = made.authorization("REGISTER", "sip:h", 1, "c", body)
        assert directives(value)["response"] == quote(md5(HA1, "n", "00000001", "c", "auth-int", a2))
        assert directives(value)["qop"] == "auth-int"


@pytest.mark.parametrize(
    ("algorithm", "empty"),
    [
        ("MD5", "d41d8cd98f00b204e9800998ecf8427e"),
        ("SHA-256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("SHA-512-256", "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a"),
    ],
)
def test_AUTH_11_an_empty_body_is_hashed_as_no_octets(algorithm: str, empty: str) -> None:
    kind = ALGORITHMS[algorithm.lower()]
    value = session(ask(algorithm=algorithm, qop='"auth-int"')).authorization("REGISTER", "sip:h", 1, "c")
    a2 = kind.hash(f"REGISTER:sip:h:{empty}".encode())
    ha1 = kind.hash(b"toto:r:secret")
    assert directives(value)["response"] == quote(kind.hash(f"{ha1}:n:00000001:c:auth-int:{a2}".encode()))


def test_AUTH_11_plain_auth_ignores_the_body() -> None:
    made = session(ask())
    assert made.authorization("A", "b", 1, "c", b"body") == made.authorization("A", "b", 1, "c")


@pytest.mark.parametrize(("qop", "hashes"), [('"auth"', 1), ('"auth-int"', 1), (None, 1)])
def test_a_refresh_on_a_kept_nonce_costs_one_hash(
    qop: str | None, hashes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[bytes] = []

    def count(data: bytes) -> str:
        counted.append(data)
        return hashlib.md5(data).hexdigest()

    monkeypatch.setitem(ALGORITHMS, "md5", dataclasses.replace(ALGORITHMS["md5"], hash=count))
    made = session(ask("counted here alone", qop=qop))
    made.authorization("REGISTER", "sip:h", 1, "c")
    counted.clear()
    made.authorization("REGISTER", "sip:h", 2, "d")
    assert len(counted) == 1


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess"])
def test_AUTH_29_nextnonce_gives_a_fresh_session_with_the_same_secret(algorithm: str) -> None:
    made = session(ask(algorithm=algorithm, opaque='"o"'))
    before = made.authorization("REGISTER", "sip:h", 5, "c")
    renewed = made.renewed('x"y')
    value = renewed.authorization("REGISTER", "sip:h", 1, "d")
    fresh = session(ask(nonce='x"y', algorithm=algorithm, opaque='"o"'))
    assert value == fresh.authorization("REGISTER", "sip:h", 1, "d")
    assert renewed.nonce == 'x"y'
    assert made.authorization("REGISTER", "sip:h", 5, "c") == before


@pytest.mark.parametrize("nonce", ["", "a\r\nVia: x", "x" * 4097])
def test_SEC_12_a_nextnonce_that_cannot_be_echoed_is_refused(nonce: str) -> None:
    with pytest.raises(ParseError, match="a nonce of 1 to 4096"):
        session(ask()).renewed(nonce)


# The server's proof


def proof(made: DigestSession, **changes: str) -> dict[str, str]:
    """What an honest server answers to nc=1, cnonce "c" for sip:h without a body."""
    ha1 = md5(HA1, "n", "c") if made.terms.algorithm.session else HA1
    a2 = md5("", "sip:h") if made.terms.qop is not Qop.AUTH_INT else md5("", "sip:h", md5(""))
    rspauth = md5(ha1, "n", "00000001", "c", made.terms.qop.value, a2)
    return {"rspauth": rspauth, "qop": made.terms.qop.value, "cnonce": "c", "nc": "00000001"} | changes


def verify(made: DigestSession, info: dict[str, str], body: bytes = b"") -> bool | None:
    return made.verify(info, uri="sip:h", nc=1, cnonce="c", body=body)


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess"])
@pytest.mark.parametrize("qop", ['"auth"', '"auth-int"'])
def test_AUTH_30_an_honest_server_is_recognised(algorithm: str, qop: str) -> None:
    made = session(ask(algorithm=algorithm, qop=qop))
    made.authorization("REGISTER", "sip:h", 1, "c")
    assert verify(made, proof(made)) is True
    assert verify(made, proof(made, rspauth=proof(made)["rspauth"].upper())) is True


def test_AUTH_30_a_session_algorithm_proves_with_the_first_cnonce() -> None:
    made = session(ask(algorithm="MD5-sess"))
    made.authorization("REGISTER", "sip:h", 1, "c")
    made.authorization("REGISTER", "sip:h", 2, "d")
    rspauth = md5(md5(HA1, "n", "c"), "n", "00000002", "c", "auth", md5("", "sip:h"))
    info = {"rspauth": rspauth, "qop": "auth", "cnonce": "c", "nc": "00000002"}
    assert made.verify(info, uri="sip:h", nc=2, cnonce="d") is True


def test_AUTH_30_a_session_key_is_made_for_the_proof_alone_too() -> None:
    made = session(ask(algorithm="MD5-sess"))
    assert verify(made, proof(made)) is True


@pytest.mark.parametrize(
    "changes",
    [{"rspauth": "0" * 32}, {"rspauth": "é"}, {"cnonce": "d"}, {"nc": "00000002"}, {"qop": "foo"}, {"qop": ""},
     {"qop": "auth-int"}],
)  # fmt: skip
def test_AUTH_30_a_forged_proof_is_not(changes: dict[str, str]) -> None:
    made = session(ask())
    made.authorization("REGISTER", "sip:h", 1, "c")
    assert verify(made, proof(made, **changes)) is False


def test_AUTH_30_without_cnonce_an_old_proof_could_be_played_again() -> None:
    made = session(ask())
    assert verify(made, {"rspauth": md5(HA1, "n", md5("", "sip:h")), "qop": ""}) is False


def test_AUTH_30_the_answer_may_be_protected_by_the_other_qop() -> None:
    made = session(ask())
    a2 = md5("", "sip:h", md5("body"))
    info = {"rspauth": md5(HA1, "n", "00000001", "c", "auth-int", a2), "qop": "Auth-Int"}
    assert verify(made, info, b"body") is True
    assert verify(made, info, b"other") is False


def test_AUTH_30_old_servers_prove_in_the_old_form() -> None:
    made = session(ask(qop=None))
    assert verify(made, {"rspauth": md5(HA1, "n", md5("", "sip:h"))}) is True
    assert verify(made, {"rspauth": md5(HA1, "n", md5("", "sip:h")), "qop": "auth"}) is False


@pytest.mark.parametrize("info", [{}, {"rspauth": ""}, {"nextnonce": "x"}])
def test_GRM_29_no_or_empty_rspauth_is_no_proof(info: dict[str, str]) -> None:
    assert verify(session(ask()), info) is None


def test_SEC_36_proofs_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(*pair: bytes) -> bool:
        compared.append((pair[0], pair[1]))
        return True

    monkeypatch.setattr("hmac.compare_digest", compare)
    made = session(ask())
    assert verify(made, proof(made)) is True
    rspauth = proof(made)["rspauth"].encode()
    assert compared == [(rspauth, rspauth)]


# Secrets


def test_SEC_9_nothing_secret_is_shown() -> None:
    made = session(ask("realm of r"), AuthInfo("toto", password="secret"))
    made.authorization("REGISTER", "sip:h", 1, "c")
    text = repr(made)
    assert text == "DigestSession(realm='realm of r', algorithm=MD5, qop='auth')"
    assert not hasattr(made, "__dict__")
