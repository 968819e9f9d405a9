"""aiosipreg/testing/verify.py: against published vectors, and rule by rule through the registrar."""

from __future__ import annotations

import hashlib
import json
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg import ConfigError
from aiosipreg.testing import verify
from aiosipreg.testing.credentials import Credentials
from aiosipreg.testing.scripted import ScriptedRegistrar
from aiosipreg.testing.verify import DigestGuard, Outcome, a1_hash, expected_response
from tests.testing.requests import AOR, register, response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiosipreg.wire import Response

SOURCE = ("192.0.2.9", 40_000)
URI = "sip:sip.titi.com"
REALM = "sip.example.org"
VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())["digest"]


def is_plain(vector: dict[str, Any]) -> bool:
    """Whether a vector is about these functions: a clear password, and the algorithms as the RFCs define them."""
    return "password" in vector and (vector.get("algorithm") or "MD5").removesuffix("-sess") in ("MD5", "SHA-256")


@pytest.mark.parametrize("vector", [v for v in VECTORS if is_plain(v)], ids=lambda v: v["id"])
def test_published_vectors(vector: dict[str, Any]) -> None:
    nonce, cnonce = vector["nonce"], vector.get("cnonce", "")
    algorithm = vector.get("algorithm") or "MD5"
    a1 = a1_hash(algorithm, vector["username"], vector["realm"], vector["password"], nonce, cnonce)
    assert a1 == vector["expect"].get("ha1", a1)
    sent = Credentials(
        username=vector["username"],
        nonce=nonce,
        uri=vector["uri"],
        qop=vector.get("qop") or "",
        nc=vector.get("nc", ""),
        cnonce=cnonce,
    )
    found = expected_response(algorithm, a1, vector["method"], sent, vector.get("body", "").encode())
    assert found == vector["expect"]["response"]


def test_enough_vectors_are_used() -> None:
    assert sum(map(is_plain, VECTORS)) >= 8


# A second computation, straight from RFC 7616 3.4, so that the tests below do not ask the code about itself.
NAMES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


class Client:
    """Answers challenges, with any directive replaced or left out."""

    def __init__(self, registrar: ScriptedRegistrar, username: str = "toto", password: str = "secret") -> None:
        self.registrar = registrar
        self.username = username
        self.password = password
        self.cseq = 0
        self.now = 0.0

    def send(self, *authorization: str, header: str = "Authorization", body: str = "") -> Response:
        self.cseq += 1
        rows = tuple(f"{header}: {value}" for value in authorization)
        data = register(cseq=self.cseq, rows=(*rows, "Expires: 600"), uri=URI, body=body)
        ((answer, _),) = self.registrar.receive(data, SOURCE, self.now)
        return response(answer)

    def challenge(self) -> dict[str, str]:
        return directives(self.send().headers.get_all("WWW-Authenticate")[0])

    def answer(
        self,
        challenge: dict[str, str],
        *,
        qop: str = "auth",
        nc: int = 1,
        cnonce: str = "0a4f113b",
        first_cnonce: str | None = None,
        body: str = "",
        changed: Mapping[str, str | None] = {},
    ) -> str:
        algorithm = challenge["algorithm"]

        def h(text: str) -> str:
            return hashlib.new(NAMES[algorithm.removesuffix("-sess")], text.encode()).hexdigest()

        nonce = challenge["nonce"]
        a1 = h(f"{self.username}:{challenge['realm']}:{self.password}")
        if algorithm.endswith("-sess"):
            a1 = h(f"{a1}:{nonce}:{first_cnonce or cnonce}")
        a2 = f"REGISTER:{URI}" + (f":{h(body)}" if qop == "auth-int" else "")
        middle = f"{nonce}:{nc:08x}:{cnonce}:{qop}" if qop else nonce
        fields: dict[str, str | None] = {
            "username": f'"{self.username}"',
            "realm": f'"{challenge["realm"]}"',
            "nonce": f'"{nonce}"',
            "uri": f'"{URI}"',
            "response": f'"{h(f"{a1}:{middle}:{h(a2)}")}"',
            "algorithm": algorithm,
            "opaque": f'"{challenge["opaque"]}"',
        }
        if qop:
            fields |= {"qop": qop, "nc": f"{nc:08x}", "cnonce": f'"{cnonce}"'}
        fields.update(changed)
        return "Digest " + ", ".join(f"{name}={value}" for name, value in fields.items() if value is not None)


def directives(challenge: str) -> dict[str, str]:
    """The directives of a challenge without quotes."""
    assert challenge.startswith("Digest ")
    return {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', challenge)}


def client(**options: Any) -> Client:
    return Client(ScriptedRegistrar({"toto": "secret"}, **options))


def test_a_challenge_has_what_it_needs_and_a_right_answer_gets_in() -> None:
    toto = client()
    refused = toto.send()
    assert (refused.status, refused.reason) == (401, "Unauthorized")
    (row,) = refused.headers.get_all("WWW-Authenticate")
    challenge = directives(row)
    assert (challenge["realm"], challenge["algorithm"], challenge["qop"]) == (REALM, "MD5", "auth")
    assert "stale" not in challenge
    assert toto.registrar.bindings == {}
    assert toto.send(toto.answer(challenge)).status == 200
    assert toto.registrar.bindings[AOR]


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess", "SHA-512-256-sess"])
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_every_algorithm_and_qop(algorithm: str, qop: str) -> None:
    toto = client(algorithms=(algorithm,), qop=("auth", "auth-int"))
    challenge = toto.challenge()
    assert challenge["qop"] == "auth,auth-int"
    assert toto.send(toto.answer(challenge, qop=qop, body="x"), body="x").status == 200
    if qop == "auth-int":
        assert toto.send(toto.answer(challenge, qop=qop, nc=2, body="x"), body="y").status == 401


def test_rfc2069_challenges_without_qop() -> None:
    toto = client(qop=())
    challenge = toto.challenge()
    assert "qop" not in challenge
    assert toto.send(toto.answer(challenge, qop="")).status == 200
    assert toto.send(toto.answer(challenge, qop="")).status == 200
    answer = toto.send(toto.answer(challenge))
    assert (answer.status, answer.reason) == (400, "Bad Credentials: qop, nc or cnonce without a qop in the challenge")


def test_several_algorithms_are_several_rows_in_order_each_with_its_nonce() -> None:
    toto = client(algorithms=("SHA-512-256", "SHA-256", "MD5"))
    rows = [directives(row) for row in toto.send().headers.get_all("WWW-Authenticate")]
    assert [row["algorithm"] for row in rows] == ["SHA-512-256", "SHA-256", "MD5"]
    assert len({row["nonce"] for row in rows}) == 3
    for row in rows:
        assert toto.send(toto.answer(row)).status == 200
    mixed = rows[0] | {"algorithm": "MD5"}
    assert toto.send(toto.answer(mixed, nc=2)).reason == "Bad Credentials: the nonce was issued for another algorithm"


def test_an_absent_algorithm_is_md5_and_case_does_not_matter() -> None:
    toto = client()
    challenge = toto.challenge()
    assert toto.send(toto.answer(challenge, changed={"algorithm": None})).status == 200
    assert toto.send(toto.answer(challenge, nc=2).replace("=MD5", "=md5")).status == 200
    assert toto.send(toto.answer(challenge, nc=3, changed={"algorithm": "SHA-256"})).status == 400


def test_session_algorithms_keep_the_cnonce_of_the_first_answer() -> None:
    toto = client(algorithms=("MD5-sess",))
    challenge = toto.challenge()
    assert toto.send(toto.answer(challenge, cnonce="one")).status == 200
    assert toto.send(toto.answer(challenge, nc=2, cnonce="one")).status == 200
    assert toto.send(toto.answer(challenge, nc=3, cnonce="two", first_cnonce="one")).status == 200
    assert toto.send(toto.answer(challenge, nc=4, cnonce="two")).status == 401


def test_a_wrong_password_or_user_gets_a_fresh_challenge() -> None:
    toto = client()
    challenge = toto.challenge()
    for wrong in (Client(toto.registrar, password="wrong"), Client(toto.registrar, username="nobody")):
        wrong.cseq = toto.cseq
        refused = wrong.send(wrong.answer(challenge))
        again = directives(refused.headers.get_all("WWW-Authenticate")[0])
        assert refused.status == 401
        assert "stale" not in again
        assert again["nonce"] != challenge["nonce"]


def test_a_wrong_password_may_be_forbidden() -> None:
    toto = client(wrong_password=403)
    toto.password = "wrong"
    assert toto.send().status == 401
    refused = toto.send(toto.answer(toto.challenge()))
    assert (refused.status, refused.challenges) == (403, ())


def test_a_proxy_asks_in_its_own_headers() -> None:
    toto = client(challenge=407, next_nonce=True)
    refused = toto.send()
    assert refused.status == 407
    assert refused.headers.get_all("WWW-Authenticate") == ()
    challenge = directives(refused.headers.get_all("Proxy-Authenticate")[0])
    assert toto.send(toto.answer(challenge)).status == 407
    accepted = toto.send(toto.answer(challenge), header="Proxy-Authorization")
    assert accepted.status == 200
    assert "Proxy-Authentication-Info" in accepted.headers


def test_an_old_nonce_is_stale() -> None:
    toto = client(nonce_lifetime=60.0)
    challenge = toto.challenge()
    toto.now = 60.0
    assert toto.send(toto.answer(challenge)).status == 200
    toto.now = 60.1
    refused = toto.send(toto.answer(challenge, nc=2))
    assert refused.status == 401
    fresh = directives(refused.headers.get_all("WWW-Authenticate")[0])
    assert fresh["stale"] == "true"
    assert toto.send(toto.answer(fresh)).status == 200


def test_an_unknown_nonce_is_stale_only_with_the_right_password() -> None:
    toto = client()
    challenge = toto.challenge()
    toto.registrar.restart()
    assert "stale" in directives(toto.send(toto.answer(challenge)).headers.get_all("WWW-Authenticate")[0])
    toto.password = "wrong"
    assert "stale" not in directives(toto.send(toto.answer(challenge)).headers.get_all("WWW-Authenticate")[0])


def test_the_nonce_count_must_grow() -> None:
    toto = client()
    challenge = toto.challenge()
    assert toto.send(toto.answer(challenge, nc=1)).status == 200
    assert toto.send(toto.answer(challenge, nc=5)).status == 200
    for replayed in (5, 1):
        refused = toto.send(toto.answer(challenge, nc=replayed))
        assert directives(refused.headers.get_all("WWW-Authenticate")[0])["stale"] == "true"
    assert toto.send(toto.answer(challenge, nc=6)).status == 200


@pytest.mark.parametrize("qop", ["auth", ""])
def test_a_one_time_nonce_is_good_once(qop: str) -> None:
    toto = client(one_time_nonce=True, qop=(qop,) if qop else ())
    challenge = toto.challenge()
    assert toto.send(toto.answer(challenge, qop=qop)).status == 200
    assert toto.send(toto.answer(challenge, qop=qop, nc=2)).status == 401


def test_a_refused_request_uses_its_nonce_up_too() -> None:
    toto = client(min_expires=3600)
    challenge = toto.challenge()
    assert toto.send(toto.answer(challenge)).status == 423
    assert toto.send(toto.answer(challenge)).status == 401
    assert toto.send(toto.answer(challenge, nc=2)).status == 423


def test_an_unanswered_request_does_not_use_its_nonce_up() -> None:
    toto = client()
    answer = toto.answer(toto.challenge())
    toto.registrar.hook = lambda request, default: None
    data = register(cseq=9, rows=(f"Authorization: {answer}",), uri=URI)
    assert toto.registrar.receive(data, SOURCE, 0.0) == []
    toto.registrar.hook = None
    ((octets, _),) = toto.registrar.receive(data, SOURCE, 0.5)
    assert response(octets).status == 200


def test_authentication_info_proves_the_secret_and_names_the_next_nonce() -> None:
    toto = client(one_time_nonce=True, next_nonce=True)
    challenge = toto.challenge()
    accepted = toto.send(toto.answer(challenge))
    info = accepted.authentication_info
    a1 = hashlib.md5(f"toto:{REALM}:secret".encode()).hexdigest()
    a2 = hashlib.md5(f":{URI}".encode()).hexdigest()
    proof = hashlib.md5(f"{a1}:{challenge['nonce']}:00000001:0a4f113b:auth:{a2}".encode()).hexdigest()
    assert (info["rspauth"], info["qop"], info["nc"], info["cnonce"]) == (proof, "auth", "00000001", "0a4f113b")
    following = challenge | {"nonce": str(info["nextnonce"])}
    assert toto.send(toto.answer(following)).status == 200


def test_authentication_info_without_qop_names_the_next_nonce_only() -> None:
    toto = client(qop=(), next_nonce=True)
    info = toto.send(toto.answer(toto.challenge(), qop="")).authentication_info
    assert list(info) == ["nextnonce"]


def test_an_open_registrar_has_no_authentication_info() -> None:
    open_to_all = Client(ScriptedRegistrar(None, next_nonce=True))
    answer = open_to_all.send()
    assert (answer.status, "Authentication-Info" in answer.headers) == (200, False)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"username": None}, "username is missing"),
        ({"nonce": None}, "nonce is missing"),
        ({"uri": None}, "uri is missing"),
        ({"response": None}, "response is missing"),
        ({"qop": None}, "qop is missing"),
        ({"nc": None}, "nc is missing"),
        ({"cnonce": None}, "cnonce is missing"),
        ({"opaque": None}, "opaque was not returned"),
        ({"opaque": '"other"'}, "opaque was not returned"),
        ({"uri": '"sip:sip.titi.com:5060"'}, "uri is not the Request-URI"),
        ({"qop": '"auth"'}, "qop is quoted"),
        ({"nc": '"00000001"'}, "nc is quoted"),
        ({"algorithm": '"MD5"'}, "algorithm is quoted"),
        ({"cnonce": "0a4f113b"}, "cnonce is not quoted"),
        ({"username": "toto"}, "username is not quoted"),
        ({"qop": "auth-int"}, "qop auth-int was not offered"),
        ({"nc": "1"}, "nc is not 8 lower-case hex digits"),
        ({"nc": "0000000A"}, "nc is not 8 lower-case hex digits"),
        ({"Realm": f'"{REALM}"'}, "realm twice"),
        ({"x": '"open'}, "not a list of name=value"),
    ],
)
def test_broken_rules_are_bad_requests_that_name_the_rule(changed: dict[str, str | None], complaint: str) -> None:
    toto = client()
    refused = toto.send(toto.answer(toto.challenge(), changed=changed))
    assert (refused.status, refused.reason) == (400, f"Bad Credentials: {complaint}")
    assert toto.registrar.bindings == {}


def test_credentials_for_others_are_passed_over() -> None:
    toto = client()
    challenge = toto.challenge()
    others = (
        "Basic dG90bzpzZWNyZXQ=",
        toto.answer(challenge, changed={"realm": '"elsewhere"'}),
        toto.answer(challenge, changed={"realm": None}),
    )
    assert toto.send(*others).status == 401
    assert toto.send(*others, toto.answer(challenge)).status == 200


def test_a_realm_with_quotes_and_backslashes_is_hashed_without_them() -> None:
    realm = 'the "big" \\ one'
    guard = DigestGuard({"toto": "secret"}, realm=realm, qop=(), chance=random.Random(1))
    (row,) = guard.challenges(0.0)
    escaped = re.search(r'realm="((?:[^"\\]|\\.)*)"', row)
    assert escaped is not None
    nonce, opaque = directives(row)["nonce"], directives(row)["opaque"]
    a1 = hashlib.md5(f"toto:{realm}:secret".encode()).hexdigest()
    a2 = hashlib.md5(f"REGISTER:{URI}".encode()).hexdigest()
    proof = hashlib.md5(f"{a1}:{nonce}:{a2}".encode()).hexdigest()
    answer = (
        f'Digest username="toto", realm="{escaped[1]}", nonce="{nonce}", uri="{URI}", '
        f'response="{proof}", opaque="{opaque}"'
    )
    verdict = guard.check([answer], "REGISTER", URI, b"", 0.0)
    assert (verdict.outcome, verdict.username) == (Outcome.GOOD, "toto")


def test_names_and_passwords_are_utf8() -> None:
    registrar = ScriptedRegistrar({"Jäsøn": "Sécret, ou pas?"})
    assert Client(registrar, "Jäsøn", "Sécret, ou pas?").challenge()
    jason = Client(registrar, "Jäsøn", "Sécret, ou pas?")
    assert jason.send(jason.answer(jason.challenge())).status == 200


def test_users_may_be_added_and_changed_while_it_runs() -> None:
    users: dict[str, str] = {}
    toto = Client(ScriptedRegistrar(users))
    challenge = toto.challenge()
    assert toto.send(toto.answer(challenge)).status == 401
    users["toto"] = "secret"
    assert toto.send(toto.answer(challenge, nc=2)).status == 200
    users["toto"] = "changed"
    assert toto.send(toto.answer(challenge, nc=3)).status == 401


@pytest.mark.parametrize("options", [{"algorithms": ("SHA-1",)}, {"algorithms": ("md5",)}, {"qop": ("auth", "other")}])
def test_what_does_not_exist_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        client(**options)


def test_the_number_of_nonces_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_MOST_NONCES", 3)
    toto = client()
    first = toto.challenge()
    newest = [toto.challenge() for _ in range(3)][-1]
    assert toto.send(toto.answer(newest)).status == 200
    assert toto.send(toto.answer(first)).status == 401


def test_accepting_a_nonce_that_was_forgotten_is_harmless() -> None:
    guard = DigestGuard({"toto": "secret"}, realm=REALM, chance=random.Random(1))
    verdict = guard.check([], "REGISTER", URI, b"", 0.0)
    assert verdict.outcome is Outcome.MISSING
    guard.accept(verdict)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_no_text_breaks_the_parser_or_gets_in(text: str) -> None:
    guard = DigestGuard({"toto": "secret"}, realm=REALM, chance=random.Random(1))
    verdict = guard.check([text, f"Digest {text}"], "REGISTER", URI, b"", 0.0)
    assert verdict.outcome in (Outcome.MISSING, Outcome.MALFORMED)
