"""Which challenge is answered, with whose secret, how often, and when to stop."""

from __future__ import annotations

import hashlib
import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.authenticator import Authenticator, Question, Verdict
from aiosipreg.engine.credentials import find_auth_info
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.engine.setup import Setup
from aiosipreg.states import Reason
from aiosipreg.wire import Response, parse_message

WWW, PROXY = "WWW-Authenticate", "Proxy-Authenticate"
AUTHORIZATION, PROXY_AUTHORIZATION = "Authorization", "Proxy-Authorization"
ANSWER, REFUSED, UNAVAILABLE, EXHAUSTED, DOWNGRADED, UNRELATED = Verdict
TOTO = AuthInfo("toto", password="secret")
URI = "sip:Example.ORG"
HOME = "example.org"


def row(
    realm: str = "r", nonce: str = "n1", *more: str, header: str = WWW, qop: str | None = "auth"
) -> tuple[str, str]:
    quality = () if qop is None else (f'qop="{qop}"',)
    return header, "Digest " + ", ".join((f'realm="{realm}"', f'nonce="{nonce}"', *quality, *more))


def asked(*rows: tuple[str, str], status: int = 401) -> Response:
    return Response(status, "", rows)


class Account:
    """An authenticator with the credentials it finds, as the rest of the engine drives it."""

    def __init__(self, *infos: AuthInfo, policy: DigestPolicy | None = None, server: str = HOME) -> None:
        self.auth = Authenticator(Setup(random=Random(1), digest=policy or DigestPolicy()))
        self.infos = list(infos)
        self.server = server
        self.questions: list[Question] = []
        self.auth.begin()

    def send(self) -> list[tuple[str, dict[str, str]]]:
        """The credentials of the next request: header names and directives."""
        headers = self.auth.authorizations("REGISTER", URI, self.server)
        return [(name, directives(value)) for name, value in headers]

    def take(self, *rows: tuple[str, str], status: int = 401, names: tuple[str, ...] = ()) -> Verdict:
        """A challenge comes, and credentials are looked up until there is a verdict."""
        result = self.auth.challenged(asked(*rows, status=status), self.server, names)
        while isinstance(result, Question):
            self.questions.append(result)
            info = find_auth_info(self.infos, username="toto", domain=HOME, realm=result.realm)
            result = self.auth.supply(info)
        return result

    @property
    def realms(self) -> list[str]:
        return [question.realm for question in self.questions]


def directives(value: str) -> dict[str, str]:
    assert value.startswith("Digest ")
    pairs = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|[^,]*)', value[7:])
    return {name: text.strip('"') for name, text in pairs}


def expected(sent: dict[str, str], secret: str = "secret", user: str = "toto") -> str:
    """The response that a server computes from what was sent."""

    def md5(*parts: str) -> str:
        return hashlib.md5(":".join(parts).encode()).hexdigest()

    middle = [sent[name] for name in ("nc", "cnonce", "qop")] if "qop" in sent else []
    ha1, ha2 = md5(user, sent["realm"], secret), md5("REGISTER", sent["uri"])
    return md5(ha1, sent["nonce"], *middle, ha2)


def registered(info: AuthInfo = TOTO) -> Account:
    """An account that has answered a challenge with nonce ``n1``, was accepted, and begins the next cycle."""
    account = Account(info)
    assert account.send() == []
    assert account.take(row()) is ANSWER
    account.send()
    account.auth.passed()
    account.auth.accepted(Response(200, "OK"))
    account.auth.begin()
    return account


# What is answered


def test_AUTH_1_SEC_2_basic_is_never_answered() -> None:
    account = Account(TOTO)
    assert account.take((WWW, 'Basic realm="r"')) is UNAVAILABLE
    assert account.send() == []
    assert account.questions == []


def test_AUTH_1_SEC_2_basic_beside_digest_is_passed_over() -> None:
    account = Account(TOTO)
    assert account.take((WWW, 'Basic realm="r"'), row()) is ANSWER
    assert [sent["realm"] for _, sent in account.send()] == ["r"]


def test_AUTH_2_proxy_then_registrar() -> None:
    account = Account(TOTO)
    assert account.take(row("proxy", "p1", header=PROXY), status=407) is ANSWER
    [(name, sent)] = account.send()
    assert (name, sent["realm"], sent["nc"]) == (PROXY_AUTHORIZATION, "proxy", "00000001")
    assert account.take(row("home", "h1")) is ANSWER
    both = account.send()
    assert [name for name, _ in both] == [PROXY_AUTHORIZATION, AUTHORIZATION]
    assert [(sent["realm"], sent["nonce"], sent["nc"]) for _, sent in both] == [
        ("proxy", "p1", "00000002"),
        ("home", "h1", "00000001"),
    ]
    assert all(sent["response"] == expected(sent) for _, sent in both)
    account.auth.passed()
    account.auth.accepted(Response(200, "OK"))
    assert account.realms == ["proxy", "home"]


def test_AUTH_2_both_kinds_in_one_answer() -> None:
    account = Account(TOTO)
    assert account.take(row("home"), row("proxy", header=PROXY)) is ANSWER
    assert [(name, sent["realm"]) for name, sent in account.send()] == [
        (AUTHORIZATION, "home"),
        (PROXY_AUTHORIZATION, "proxy"),
    ]


def test_AUTH_2_header_decides_not_the_status() -> None:
    account = Account(TOTO)
    assert account.take(row(header=PROXY), status=401) is ANSWER
    assert [name for name, _ in account.send()] == [PROXY_AUTHORIZATION]


def test_AUTH_3_unknown_rows_are_passed_over() -> None:
    account = Account(TOTO)
    rows = [
        (WWW, 'Bearer realm="r"'),
        row("r", "a", "algorithm=MD6"),
        row("r", "b", qop="magic"),
        (WWW, "???"),
        row("r", "c", "algorithm=MD5"),
    ]
    assert account.take(*rows) is ANSWER
    assert [sent["nonce"] for _, sent in account.send()] == ["c"]
    assert account.questions == [Question("r", ("MD5",), 1, False)]


@pytest.mark.parametrize(
    ("order", "policy", "chosen"),
    [
        (("SHA-256", "MD5"), DigestPolicy(), "SHA-256"),
        (("MD5", "SHA-256"), DigestPolicy(), "MD5"),
        (("MD5", "SHA-256"), DigestPolicy(strongest_first=True), "SHA-256"),
        (("MD5", "SHA-256"), DigestPolicy(minimum_algorithm="SHA-256"), "SHA-256"),
    ],
)
def test_AUTH_4_5_topmost_row_unless_policy_says_otherwise(
    order: tuple[str, ...], policy: DigestPolicy, chosen: str
) -> None:
    account = Account(TOTO, policy=policy)
    assert account.take(*[row("r", name, f"algorithm={name}") for name in order]) is ANSWER
    [(_, sent)] = account.send()
    assert (sent["algorithm"], sent["nonce"]) == (chosen, chosen)
    assert account.auth.algorithm == chosen


def test_AUTH_5_weak_algorithm_alone_is_not_answered() -> None:
    account = Account(TOTO, policy=DigestPolicy(minimum_algorithm="SHA-256"))
    assert account.take(row()) is UNAVAILABLE
    assert account.send() == []
    assert account.auth.algorithm is None


def test_AUTH_4_question_names_every_algorithm_in_order() -> None:
    account = Account()
    assert account.take(row("r", "a", "algorithm=SHA-256"), row("r", "b")) is UNAVAILABLE
    assert account.questions == [Question("r", ("SHA-256", "MD5"), 1, False)]


def test_AUTH_6_registrar_with_two_realms_gets_the_topmost() -> None:
    account = Account(TOTO)
    assert account.take(row("first"), row("second")) is ANSWER
    assert [sent["realm"] for _, sent in account.send()] == ["first"]
    assert account.realms == ["first"]


def test_AUTH_6_registrar_with_two_realms_gets_the_one_that_has_credentials() -> None:
    account = Account(AuthInfo("toto", password="secret", realm="second"))
    assert account.take(row("first"), row("second"), row("third")) is ANSWER
    assert [sent["realm"] for _, sent in account.send()] == ["second"]
    assert account.realms == ["first", "second"]


def test_AUTH_6_every_realm_of_the_proxies_is_answered() -> None:
    account = Account(TOTO)
    rows = [row("a", header=PROXY), row("b", header=PROXY), row("c", header=PROXY)]
    assert account.take(*rows, status=407) is ANSWER
    assert [sent["realm"] for _, sent in account.send()] == ["a", "b", "c"]


def test_AUTH_6_realms_of_proxies_without_credentials_are_left_out() -> None:
    infos = [AuthInfo("toto", password="1", realm="a"), AuthInfo("toto", password="3", realm="c")]
    account = Account(*infos)
    rows = [row("a", header=PROXY), row("b", header=PROXY), row("c", header=PROXY)]
    assert account.take(*rows, status=407) is ANSWER
    sent = [sent for _, sent in account.send()]
    assert [
        (one["realm"], one["response"] == expected(one, secret)) for one, secret in zip(sent, "13", strict=True)
    ] == [
        ("a", True),
        ("c", True),
    ]


def test_AUTH_12_qop_list_without_a_known_value_is_unusable() -> None:
    account = Account(TOTO)
    assert account.take(row(qop="foo")) is UNAVAILABLE


def test_AUTH_12_auth_int_alone_is_answered() -> None:
    account = Account(TOTO)
    assert account.take(row(qop="auth-int")) is ANSWER
    [(_, sent)] = account.send()
    assert sent["qop"] == "auth-int"


def test_AUTH_13_challenge_without_qop_gets_the_old_form() -> None:
    account = Account(TOTO)
    assert account.take(row(qop=None)) is ANSWER
    [(_, sent)] = account.send()
    assert not sent.keys() & {"qop", "nc", "cnonce"}
    assert sent["response"] == expected(sent)


def test_AUTH_14_uri_is_the_text_of_the_request() -> None:
    account = Account(TOTO)
    account.take(row())
    [(_, sent)] = account.send()
    assert sent["uri"] == URI
    assert sent["response"] == expected(sent)


# Nonces


def test_AUTH_16_ten_refreshes_on_one_nonce() -> None:
    account = registered()
    for number in range(2, 12):
        [(_, sent)] = account.send()
        assert (sent["nonce"], sent["nc"]) == ("n1", f"{number:08x}")
        assert sent["response"] == expected(sent)
        account.auth.passed()
        account.auth.accepted(Response(200, "OK"))
        account.auth.begin()


def test_AUTH_16_new_nonce_starts_at_one() -> None:
    account = registered()
    account.send()
    assert account.take(row(nonce="n2")) is ANSWER
    assert [(sent["nonce"], sent["nc"]) for _, sent in account.send()] == [("n2", "00000001")]


def test_AUTH_16_nonce_that_comes_back_is_counted_on() -> None:
    account = registered()
    assert [sent["nc"] for _, sent in account.send()] == ["00000002"]
    assert account.take(row(nonce="n1")) is ANSWER
    assert [sent["nc"] for _, sent in account.send()] == ["00000003"]


def test_AUTH_16_realms_count_separately() -> None:
    account = Account(TOTO)
    account.take(row("proxy", header=PROXY), status=407)
    account.send()
    account.send()
    account.take(row("home"))
    assert [(sent["realm"], sent["nc"]) for _, sent in account.send()] == [("proxy", "00000003"), ("home", "00000001")]


def test_AUTH_17_cnonce_is_64_fresh_bits() -> None:
    account = Account(TOTO)
    account.take(row())
    cnonces = [account.send()[0][1]["cnonce"] for _ in range(500)]
    assert len(set(cnonces)) == 500
    assert all(re.fullmatch("[0-9a-f]{16}", cnonce) for cnonce in cnonces)
    assert all(0 < sum(int(cnonce, 16) >> bit & 1 for cnonce in cnonces) < 500 for bit in range(64))


@pytest.mark.parametrize("opaque", ['opaque=""', 'opaque="a\\"b"', 'opaque="5ccc069c403ebaf9f0171e9517f40e41"'])
def test_AUTH_18_opaque_realm_and_nonce_return_byte_by_byte(opaque: str) -> None:
    account = Account(TOTO)
    assert account.take((WWW, f'Digest realm="a \\"b\\" c", nonce="\\n/+=", qop="auth", {opaque}')) is ANSWER
    [(_, value)] = account.auth.authorizations("REGISTER", URI, HOME)
    assert f", {opaque}" in value
    assert ' realm="a \\"b\\" c", nonce="\\n/+="' in value
    assert account.realms == ['a "b" c']


def test_AUTH_18_absent_opaque_stays_absent() -> None:
    account = Account(TOTO)
    account.take(row())
    assert "opaque" not in account.send()[0][1]


def test_AUTH_28_refresh_carries_credentials_at_once() -> None:
    account = registered()
    assert [(name, sent["nonce"]) for name, sent in account.send()] == [(AUTHORIZATION, "n1")]
    assert len(account.questions) == 1


def test_AUTH_29_nextnonce_replaces_the_nonce() -> None:
    account = registered()
    for number in range(3):
        account.send()
        account.auth.passed()
        account.auth.accepted(Response(200, "OK", [("Authentication-Info", f'nextnonce="next{number}"')]))
        account.auth.begin()
        [(_, sent)] = account.send()
        assert (sent["nonce"], sent["nc"]) == (f"next{number}", "00000001")
        assert sent["response"] == expected(sent)


def test_AUTH_29_same_nonce_again_is_counted_on() -> None:
    account = registered()
    account.send()
    account.auth.accepted(Response(200, "OK", [("Authentication-Info", 'nextnonce="n1"')]))
    assert [sent["nc"] for _, sent in account.send()] == ["00000003"]


@pytest.mark.parametrize(
    "value", ["nextnonce=", 'nextnonce=""', "qop=auth", f'nextnonce="{"x" * 5000}"', 'nextnonce="never closed']
)
def test_AUTH_29_useless_nextnonce_changes_nothing(value: str) -> None:
    account = registered()
    account.send()
    account.auth.accepted(Response(200, "OK", [("Authentication-Info", value)]))
    assert [(sent["nonce"], sent["nc"]) for _, sent in account.send()] == [("n1", "00000003")]


def test_SEC_12_nextnonce_with_control_characters_changes_nothing() -> None:
    account = registered()
    account.send()
    data = b'SIP/2.0 200 OK\r\nAuthentication-Info: nextnonce="a\x01b"\r\nContent-Length: 0\r\n\r\n'
    response = parse_message(data)
    assert isinstance(response, Response)
    account.auth.accepted(response)
    assert [sent["nonce"] for _, sent in account.send()] == ["n1"]


def test_AUTH_29_nextnonce_is_the_registrars_not_the_proxys() -> None:
    account = Account(TOTO)
    account.take(row("proxy", "p", header=PROXY), row("home", "h"))
    account.send()
    account.auth.accepted(Response(200, "OK", [("Authentication-Info", 'nextnonce="h2"')]))
    assert [(sent["realm"], sent["nonce"]) for _, sent in account.send()] == [("proxy", "p"), ("home", "h2")]


def test_AUTH_29_nextnonce_is_for_the_server_that_gave_it() -> None:
    account = registered()
    account.server = "other.example"
    account.take(row("elsewhere", "e"))
    account.send()
    account.auth.accepted(Response(200, "OK", [("Authentication-Info", 'nextnonce="e2"')]))
    assert [sent["nonce"] for _, sent in account.send()] == ["e2"]
    account.server = HOME
    assert [sent["nonce"] for _, sent in account.send()] == ["n1"]


def test_AUTH_29_server_that_never_asked_gives_no_nonce() -> None:
    account = registered()
    account.server = "other.example"
    assert account.send() == []
    account.auth.accepted(Response(200, "OK", [("Authentication-Info", 'nextnonce="e2"')]))
    account.server = HOME
    assert [sent["nonce"] for _, sent in account.send()] == ["n1"]


def test_AUTH_16_empty_nonce_is_a_nonce() -> None:
    account = Account(TOTO)
    assert account.take(row(nonce="")) is ANSWER
    assert [(sent["nonce"], sent["nc"]) for _, sent in account.send()] == [("", "00000001")]


# When to stop


def test_AUTH_19_stale_nonce_is_replaced_without_asking() -> None:
    account = registered()
    account.send()
    assert account.take(row("r", "n2", "stale=TRUE")) is ANSWER
    [(_, sent)] = account.send()
    assert (sent["nonce"], sent["response"]) == ("n2", expected(sent))
    assert len(account.questions) == 1


def test_AUTH_19_stale_loop_stops_at_3() -> None:
    account = Account(TOTO)
    assert account.take(row(nonce="first")) is ANSWER
    verdicts = [account.take(row("r", f"stale{number}", 'stale="true"')) for number in range(4)]
    assert verdicts == [ANSWER, ANSWER, ANSWER, EXHAUSTED]


def test_AUTH_19_stale_on_the_same_nonce_is_no_refusal() -> None:
    account = Account(TOTO)
    account.take(row())
    assert [account.take(row("r", "n1", "stale=true")) for _ in range(4)] == [ANSWER, ANSWER, ANSWER, EXHAUSTED]


def test_AUTH_19_first_challenge_may_say_stale() -> None:
    account = Account(TOTO)
    verdicts = [account.take(row("r", f"n{number}", "stale=true")) for number in range(5)]
    assert verdicts == [ANSWER, ANSWER, ANSWER, ANSWER, EXHAUSTED]


def test_AUTH_19_stale_may_stand_in_any_row_of_the_realm() -> None:
    info = AuthInfo("toto", ha1=hashlib.md5(b"toto:r:secret").hexdigest(), realm="r")
    account = registered(info)
    account.send()
    rows = [row("r", "s2", "algorithm=SHA-256"), row("r", "m2", "algorithm=MD5", "stale=true")]
    assert account.take(*rows) is ANSWER
    assert account.take(*rows) is ANSWER


def test_AUTH_19_stales_are_counted_anew_in_the_next_cycle() -> None:
    account = registered()
    for _ in range(5):
        account.send()
        assert account.take(row("r", "n", "stale=true")) is ANSWER
        account.send()
        account.auth.passed()
        account.auth.accepted(Response(200, "OK"))
        account.auth.begin()


def test_AUTH_20_wrong_password_is_sent_once() -> None:
    account = Account(TOTO)
    assert account.send() == []
    assert account.take(row()) is ANSWER
    assert len(account.send()) == 1
    assert account.take(row(nonce="n2")) is REFUSED
    assert account.send() == []


def test_AUTH_20_refusal_beside_another_realm_is_a_refusal() -> None:
    account = Account(TOTO)
    account.take(row("a", "1"), row("b", "1"))
    assert account.take(row("a", "2"), row("b", "2")) is REFUSED


def attempts(account: Account) -> list[int]:
    return [question.attempt for question in account.questions]


def refuse(account: Account) -> None:
    """A cycle whose credentials are refused."""
    account.auth.begin()
    account.send()
    while account.take(row(nonce=f"n{len(account.questions)}")) is not REFUSED:
        account.send()


def test_AUTH_20_question_says_how_many_answers_were_refused_in_a_row() -> None:
    account = Account(TOTO)
    for _ in range(3):
        refuse(account)
    assert attempts(account) == [1, 2, 3]
    account.auth.begin()
    assert account.take(row()) is ANSWER
    account.auth.passed()
    account.auth.accepted(Response(200, "OK"))
    assert attempts(account) == [1, 2, 3, 4]
    # The password that was good once is refused now: the next question is the second in a row.
    refuse(account)
    refuse(account)
    assert attempts(account) == [1, 2, 3, 4, 2]


def test_AUTH_20_new_credentials_start_the_count_anew() -> None:
    account = Account(TOTO)
    refuse(account)
    account.auth.forget()
    refuse(account)
    assert attempts(account) == [1, 1]


def test_AUTH_20_having_no_answer_is_not_a_refused_answer() -> None:
    account = Account()
    for _ in range(3):
        account.auth.begin()
        assert account.take(row()) is UNAVAILABLE
    assert attempts(account) == [1, 1, 1]


def test_AUTH_21_kept_nonce_refused_without_stale_is_retried_once() -> None:
    account = registered()
    account.send()
    assert account.take(row(nonce="n2")) is ANSWER
    account.send()
    assert account.take(row(nonce="n3")) is REFUSED
    assert len(account.questions) == 1


def test_AUTH_21_answer_that_got_lost_proves_nothing_about_the_secret() -> None:
    account = Account(TOTO)
    account.take(row())
    account.send()
    # Nothing came back; the next attempt uses the nonce again.
    account.auth.begin()
    assert [sent["nonce"] for _, sent in account.send()] == ["n1"]
    assert account.take(row(nonce="n2")) is ANSWER
    account.send()
    assert account.take(row(nonce="n3")) is REFUSED


def test_AUTH_21_server_that_asks_before_it_looks_is_answered_once() -> None:
    account = registered()
    account.send()
    assert account.take(row(nonce="n1")) is ANSWER
    account.send()
    assert account.take(row(nonce="n1")) is REFUSED


def test_AUTH_21_challenge_after_another_answer_is_answered() -> None:
    # 401, 423, 401, 200: the secret had been accepted when the registrar looked at the lifetime.
    account = Account(TOTO)
    assert account.take(row()) is ANSWER
    account.send()
    account.auth.passed()
    account.send()
    assert account.take(row(nonce="n2")) is ANSWER
    account.send()
    assert account.take(row(nonce="n3")) is REFUSED


def test_AUTH_21_challenge_of_a_server_behind_vouches_for_the_one_before() -> None:
    account = Account(TOTO)
    assert account.take(row("proxy", "p1", header=PROXY), status=407) is ANSWER
    assert account.take(row("home", "h1")) is ANSWER
    assert account.take(row("proxy", "p2", header=PROXY), status=407) is ANSWER
    assert account.take(row("proxy", "p3", header=PROXY), status=407) is REFUSED


def test_AUTH_23_six_rounds_in_all() -> None:
    account = Account(TOTO)
    rounds = [
        account.take(row(f"realm{number}", header=PROXY if number % 2 else WWW), status=407) for number in range(9)
    ]
    assert rounds == [ANSWER] * 6 + [EXHAUSTED] * 3
    account.auth.begin()
    assert account.take(row("other")) is ANSWER


@pytest.mark.parametrize(
    "rows",
    [
        (),
        ((WWW, "Digest"),),
        ((WWW, 'Digest realm="r"'),),
        ((WWW, ""),),
        ((WWW, 'Digest realm="r, nonce="n"'),),
        (("Warning", '399 h "x"'),),
    ],
)
def test_AUTH_24_nothing_to_answer(rows: tuple[tuple[str, str], ...]) -> None:
    account = Account(TOTO)
    assert account.take(*rows) is UNAVAILABLE
    assert account.send() == []


def test_AUTH_24_nobody_knows_the_secret() -> None:
    account = Account(AuthInfo("titi", password="secret"))
    assert account.take(row(), row("proxy", header=PROXY)) is UNAVAILABLE
    assert account.realms == ["r", "proxy"]
    assert account.send() == []


def test_AUTH_24_proxy_that_was_answered_does_not_hide_that_the_registrar_was_not() -> None:
    account = Account(AuthInfo("toto", password="secret", realm="proxy"))
    assert account.take(row("proxy", header=PROXY), status=407) is ANSWER
    assert account.take(row("home")) is UNAVAILABLE


def test_AUTH_24_lost_credentials_leave_nothing_to_send() -> None:
    account = registered()
    account.infos = []
    account.auth.forget()
    account.send()
    assert account.take(row("r", "n2", "stale=true")) is UNAVAILABLE
    assert account.send() == []


# Which secret


def test_AUTH_25_late_credentials_after_a_refusal() -> None:
    account = Account(AuthInfo("toto", password="wrong"))
    account.take(row())
    account.send()
    # The right password is added while the wrong one is under way.
    account.infos.append(TOTO)
    account.auth.forget()
    assert account.take(row(nonce="n2")) is ANSWER
    [(_, sent)] = account.send()
    assert sent["response"] == expected(sent)
    assert attempts(account) == [1, 1]
    assert account.take(row(nonce="n3")) is REFUSED


def test_AUTH_25_nonce_outlives_changed_credentials_until_the_server_asks() -> None:
    account = registered()
    account.auth.forget()
    assert [sent["nonce"] for _, sent in account.send()] == ["n1"]
    account.infos = [AuthInfo("toto", password="new")]
    assert account.take(row(nonce="n2")) is ANSWER
    [(_, sent)] = account.send()
    assert sent["response"] == expected(sent, "new")


def test_AUTH_26_digest_name_may_differ_and_hold_an_at_sign() -> None:
    account = Account(AuthInfo("toto", userid="toto@voip.example", password="secret"))
    account.take(row())
    [(_, sent)] = account.send()
    assert (sent["username"], sent["response"]) == ("toto@voip.example", expected(sent, user="toto@voip.example"))


def test_AUTH_27_anonymous_is_never_tried() -> None:
    account = Account()
    assert account.take(row()) is UNAVAILABLE
    assert account.send() == []


@pytest.mark.parametrize(
    ("algorithm", "offered", "usable"),
    [
        ("MD5", "MD5", True),
        ("MD5", "MD5-sess", True),
        (None, "MD5", True),
        ("SHA-256", "SHA-256", True),
        ("SHA-256", "MD5", False),
        ("MD5", "SHA-256", False),
    ],
)
def test_AUTH_33_stored_hash_answers_its_own_algorithm_only(algorithm: str | None, offered: str, usable: bool) -> None:
    length = 64 if algorithm == "SHA-256" else 32
    account = Account(AuthInfo("toto", ha1="a" * length, realm="r", algorithm=algorithm))
    assert account.take(row("r", "n", f"algorithm={offered}")) is (ANSWER if usable else UNAVAILABLE)
    assert len(account.send()) == usable


def test_AUTH_33_stored_hash_gives_way_to_the_row_that_it_answers() -> None:
    account = Account(AuthInfo("toto", ha1="a" * 32, realm="r"))
    assert account.take(row("r", "s", "algorithm=SHA-256"), row("r", "m")) is ANSWER
    assert [sent["nonce"] for _, sent in account.send()] == ["m"]


def test_AUTH_33_stored_hash_that_stops_fitting_is_asked_for_again() -> None:
    account = registered(AuthInfo("toto", ha1="a" * 32, realm="r"))
    account.send()
    assert account.take(row("r", "n2", "algorithm=SHA-256", "stale=true")) is UNAVAILABLE
    assert account.realms == ["r", "r"]
    assert account.send() == []


def test_AUTH_34_secret_goes_to_no_other_server() -> None:
    account = registered()
    account.server = "evil.example"
    assert account.send() == []
    account.server = HOME
    assert len(account.send()) == 1


def test_AUTH_34_same_realm_elsewhere_is_another_realm() -> None:
    account = registered()
    account.server = "evil.example"
    account.infos = []
    assert account.take(row()) is UNAVAILABLE
    assert account.send() == []
    assert account.realms == ["r", "r"]


# Floods


def test_SEC_23_twenty_rows_are_looked_at() -> None:
    account = Account(TOTO)
    useless = [(WWW, 'Basic realm="r"')] * 20
    assert account.take(*useless, row()) is UNAVAILABLE
    assert account.take(*useless[1:], row()) is ANSWER


def test_SEC_23_flood_of_realms_is_bounded() -> None:
    account = Account(TOTO)
    rows = [row(f"realm{number}", header=PROXY) for number in range(20)]
    assert account.take(*rows, status=407) is ANSWER
    assert [sent["realm"] for _, sent in account.send()] == [f"realm{number}" for number in range(16)]


def test_SEC_23_thousand_rows() -> None:
    account = Account(TOTO)
    rows = [row(f"realm{number}", header=PROXY) for number in range(1000)]
    assert account.take(*rows, status=407) is ANSWER
    assert len(account.send()) == 16


def test_SEC_23_sixteen_realms_are_remembered_the_oldest_goes() -> None:
    account = Account(TOTO)
    for number in range(20):
        account.auth.begin()
        account.take(row(f"realm{number}", header=PROXY), status=407)
    assert [sent["realm"] for _, sent in account.send()] == [f"realm{number}" for number in range(4, 20)]


def test_SEC_23_realm_that_asks_now_is_not_the_one_to_go() -> None:
    account = Account(TOTO)
    for number in range(16):
        account.auth.begin()
        account.take(row(f"realm{number}", header=PROXY), status=407)
    account.auth.begin()
    assert account.take(row("realm0", "x", header=PROXY), row("new", header=PROXY), status=407) is ANSWER
    realms = [sent["realm"] for _, sent in account.send()]
    assert "realm0" in realms
    assert "new" in realms
    assert "realm1" not in realms


def test_SEC_23_known_realms_elsewhere_take_no_room() -> None:
    account = Account(TOTO)
    for number in range(16):
        account.auth.begin()
        account.take(row(f"realm{number}", header=PROXY), status=407)
    account.server = "other.example"
    account.auth.begin()
    account.take(row("realm15", header=PROXY), status=407)
    assert [sent["realm"] for _, sent in account.send()] == ["realm15"]
    account.server = HOME
    assert [sent["realm"] for _, sent in account.send()] == [f"realm{number}" for number in range(15)]


ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["1", "2", "3"]),
        st.sampled_from(["stale=true", "stale=false", "algorithm=SHA-256", "algorithm=MD6"]),
        header=st.sampled_from([WWW, PROXY]),
        qop=st.sampled_from([None, "auth", "foo"]),
    ),
    max_size=4,
)


@given(st.lists(st.one_of(ROWS, st.sampled_from(["passed", "forget", "accepted"])), min_size=1, max_size=12))
def test_AUTH_20_23_any_history_ends_and_repeats_no_refused_secret(
    history: list[list[tuple[str, str]] | str],
) -> None:
    account = Account(TOTO)
    rounds = 0
    account.auth.authorizations("REGISTER", URI, HOME)
    for event in history:
        if isinstance(event, str):
            if event == "accepted":
                account.auth.accepted(Response(200, "OK"))
            else:
                getattr(account.auth, event)()
            continue
        rounds += 1
        verdict = account.take(*event)
        sent = account.send()
        if verdict is ANSWER:
            assert rounds <= 6
            assert sent
            # Whatever asked last got an answer to its own nonce.
            nonces = {nonce for _, text in event for nonce in re.findall('nonce="(.)"', text)}
            assert nonces & {one["nonce"] for _, one in sent}
        counts = [(name, one["realm"], one["nonce"], one["nc"]) for name, one in sent if "nc" in one]
        assert len(counts) == len(set(counts))


def test_SEC_5_entry_for_a_named_realm_answers_no_other() -> None:
    account = Account(AuthInfo("toto", password="secret", realm="home"))
    assert account.take(row("elsewhere")) is UNAVAILABLE
    assert account.take(row("home")) is ANSWER
    # Not even if it is handed over for it.
    account.auth.begin()
    question = account.auth.challenged(asked(row("elsewhere")), HOME)
    assert isinstance(question, Question)
    assert account.auth.supply(account.infos[0]) is UNAVAILABLE


def test_SEC_9_nothing_shows_a_secret() -> None:
    account = registered(AuthInfo("toto", password="s3cr3t-value"))
    shown = [repr(account.auth), repr(account.questions), repr(account.infos), *map(repr, Verdict)]
    shown += [repr(getattr(realm, name)) for realm in account.auth._known for name in dir(realm)]
    assert not any("s3cr3t-value" in text for text in shown)


# What the server proves, and whether it asks for less than before


def proof(sent: dict[str, str], secret: str = "secret", *more: str, header: str = "Authentication-Info") -> Response:
    """A 2xx whose proof a server computes from what was sent and the secret that it knows."""

    def md5(*parts: str) -> str:
        return hashlib.md5(":".join(parts).encode()).hexdigest()

    ha1, ha2 = md5("toto", sent["realm"], secret), md5("", sent["uri"])
    rspauth = md5(ha1, sent["nonce"], sent["nc"], sent["cnonce"], sent["qop"], ha2)
    echo = f'qop={sent["qop"]}, cnonce="{sent["cnonce"]}", nc={sent["nc"]}'
    return Response(200, "OK", [(header, ", ".join((f'rspauth="{rspauth}"', echo, *more)))])


@pytest.mark.parametrize(
    ("header", "info"), [(WWW, "Authentication-Info"), (PROXY, "Proxy-Authentication-Info")], ids=["server", "proxy"]
)
@pytest.mark.parametrize(("secret", "doubt"), [("secret", Reason.NONE), ("guessed", Reason.SERVER_NOT_AUTHENTICATED)])
def test_AUTH_30_the_proof_of_the_server_is_checked(header: str, info: str, secret: str, doubt: Reason) -> None:
    account = Account(TOTO)
    assert account.take(row(header=header)) is ANSWER
    ((_, sent),) = account.send()
    assert account.auth.accepted(proof(sent, secret, header=info)) is doubt
    ((_, again),) = account.send()
    assert again["nc"] == "00000002"
    assert account.auth.accepted(proof(again, secret, header=info)) is doubt


def test_AUTH_30_a_proof_for_another_kind_of_server_is_none() -> None:
    account = Account(TOTO)
    account.take(row())
    ((_, sent),) = account.send()
    assert account.auth.accepted(proof(sent, "guessed", header="Proxy-Authentication-Info")) is Reason.NONE


def test_AUTH_30_a_server_that_sends_no_proof_or_nonsense_passes() -> None:
    account = Account(TOTO)
    account.take(row())
    account.send()
    assert account.auth.accepted(Response(200, "OK", [("Authentication-Info", "qop=auth")])) is Reason.NONE
    assert account.auth.accepted(Response(200, "OK", [("Authentication-Info", '"')])) is Reason.NONE


def test_AUTH_30_a_server_elsewhere_proves_nothing() -> None:
    account = Account(TOTO)
    account.take(row())
    ((_, sent),) = account.send()
    account.auth.authorizations("REGISTER", URI, "elsewhere.example")
    assert account.auth.accepted(proof(sent, "guessed")) is Reason.NONE


def test_AUTH_29_the_next_nonce_of_a_proxy_counts_too() -> None:
    account = Account(TOTO)
    account.take(row(header=PROXY))
    ((_, sent),) = account.send()
    account.auth.accepted(proof(sent, "secret", 'nextnonce="n2"', header="Proxy-Authentication-Info"))
    ((_, again),) = account.send()
    assert (again["nonce"], again["nc"]) == ("n2", "00000001")


def proven(*more: str, qop: str | None = "auth", policy: DigestPolicy | None = None) -> Account:
    """An account whose realm accepted SHA-256, in its next cycle."""
    account = Account(TOTO, policy=policy)
    assert account.take(row("r", "n1", *(more or ("algorithm=SHA-256",)), qop=qop)) is ANSWER
    account.send()
    assert account.auth.accepted(Response(200, "OK")) is Reason.NONE
    account.auth.begin()
    return account


LESS = pytest.mark.parametrize(
    ("more", "first", "then"),
    [((), "auth", "auth"), (("algorithm=SHA-256",), "auth", None), (("algorithm=SHA-256",), "auth-int", "auth")],
    ids=["MD5 after SHA-256", "no qop after qop", "auth after auth-int"],
)


@LESS
def test_SEC_1_AUTH_5_a_weaker_challenge_is_answered_and_told(
    more: tuple[str, ...], first: str, then: str | None
) -> None:
    account = proven(qop=first)
    assert account.take(row("r", "n2", *more, qop=then)) is ANSWER
    account.send()
    assert account.auth.accepted(Response(200, "OK")) is Reason.AUTH_DOWNGRADE


@LESS
def test_SEC_1_AUTH_5_a_weaker_challenge_is_refused_by_policy(
    more: tuple[str, ...], first: str, then: str | None
) -> None:
    account = proven(qop=first, policy=DigestPolicy(refuse_downgrade=True))
    assert account.take(row("r", "n2", *more, qop=then)) is DOWNGRADED


def test_SEC_1_the_strong_one_of_two_is_answered_by_policy() -> None:
    account = proven(policy=DigestPolicy(refuse_downgrade=True))
    assert account.take(row("r", "n2"), row("r", "n3", "algorithm=SHA-256")) is ANSWER
    assert account.send()[0][1]["nonce"] == "n3"


def test_SEC_1_what_was_proven_outlives_a_change_of_server_and_of_credentials() -> None:
    account = proven(policy=DigestPolicy(refuse_downgrade=True))
    account.auth.forget()
    account.server = "other.example.org"
    assert account.take(row("r", "n2")) is DOWNGRADED


def test_SEC_1_another_realm_is_another_matter() -> None:
    account = proven(policy=DigestPolicy(refuse_downgrade=True))
    assert account.take(row("other", "n2")) is ANSWER


def test_SEC_1_a_stronger_challenge_is_no_downgrade() -> None:
    account = proven("algorithm=MD5", policy=DigestPolicy(refuse_downgrade=True))
    assert account.take(row("r", "n2", "algorithm=SHA-256", qop="auth,auth-int")) is ANSWER
    account.send()
    assert account.auth.accepted(Response(200, "OK")) is Reason.NONE


def test_TLS_9_a_certificate_without_password_answers_no_challenge() -> None:
    certificate = AuthInfo("toto", client_cert="toto.pem", realm="r")
    account = Account(TOTO, certificate)
    assert account.take(row("r")) is ANSWER
    account = Account(certificate)
    assert account.take(row("r")) is UNAVAILABLE


STRICT = DigestPolicy(refuse_realm_mismatch=True)


def test_SEC_6_a_realm_that_is_none_of_the_certificate_is_answered_and_told() -> None:
    account = Account(TOTO)
    assert account.take(row("evil.test"), names=("example.org",)) is ANSWER
    account.send()
    assert account.auth.accepted(Response(200, "OK")) is Reason.REALM_MISMATCH
    account.auth.begin()
    account.auth.forget()
    account.send()
    assert account.auth.accepted(Response(200, "OK")) is Reason.REALM_MISMATCH


def test_SEC_6_a_realm_that_is_none_of_the_certificate_is_refused_by_policy() -> None:
    account = Account(TOTO, policy=STRICT)
    assert account.take(row("evil.test"), names=("example.org",)) is UNRELATED
    assert account.send() == []
    assert account.take(row("example.org"), names=("example.org",)) is ANSWER
    account.send()
    assert account.auth.accepted(Response(200, "OK")) is Reason.NONE


def test_SEC_6_a_secret_that_is_known_goes_no_further_either() -> None:
    account = Account(TOTO, policy=STRICT)
    assert account.take(row("r")) is ANSWER
    account.send()
    account.auth.passed()
    account.auth.begin()
    assert account.take(row("r", "n2"), names=("example.org",)) is UNRELATED
    assert account.send() == []


def test_SEC_6_credentials_that_name_the_realm_vouch_for_it() -> None:
    account = Account(AuthInfo("toto", password="secret", realm="asterisk"), policy=STRICT)
    assert account.take(row("asterisk"), names=("example.org",)) is ANSWER
    account.send()
    assert account.auth.accepted(Response(200, "OK")) is Reason.NONE


def test_SEC_6_who_proved_no_name_says_nothing_about_realms() -> None:
    account = Account(TOTO, policy=STRICT)
    assert account.take(row("evil.test")) is ANSWER
    account.send()
    assert account.auth.accepted(Response(200, "OK")) is Reason.NONE


def test_SEC_6_SEC_1_a_downgrade_is_the_graver_doubt() -> None:
    account = proven()
    assert account.take(row("r", "n2"), row("s", "n3", header=PROXY), names=("example.org",)) is ANSWER
    account.send()
    assert account.auth.accepted(Response(200, "OK")) is Reason.AUTH_DOWNGRADE


def test_AUTH_6_a_registrar_that_asks_for_another_realm_gets_that_one_alone() -> None:
    account = registered()
    assert account.take(row("another", "n2"), status=401) is ANSWER
    assert [sent["realm"] for _, sent in account.send()] == ["another"]


def test_AUTH_6_the_realm_of_a_proxy_stays_beside_that_of_the_registrar() -> None:
    account = Account(TOTO)
    account.take(row("proxy", "n1", header=PROXY), status=407)
    assert account.take(row("r", "n2"), status=401) is ANSWER
    assert [sent["realm"] for _, sent in account.send()] == ["proxy", "r"]
