"""Challenges, and the directives of Authentication-Info."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.errors import ParseError
from aiosipreg.wire.challenge import Challenge, parse_auth_info, parse_challenges
from aiosipreg.wire.grammar import quote
from tests.wire.effort import LIMIT, PATTERNS, growth

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data/vectors.json").read_text("utf-8"))
W = "WWW-Authenticate"


def challenges(text: str) -> list[Challenge]:
    found, dropped = parse_challenges(W, text)
    assert dropped == 0
    return list(found)


def one(text: str) -> Challenge:
    return Challenge.parse(text)


def test_a_challenge_with_everything() -> None:
    found = one(
        'Digest realm="example.org", domain="sip:h", nonce="n/1==", opaque="o", stale=FALSE, algorithm=SHA-256, '
        'qop="auth,auth-int", charset=UTF-8, userhash=true'
    )
    assert (found.header, found.scheme, found.realm, found.nonce) == (W, "Digest", "example.org", "n/1==")
    assert (found.domain, found.opaque, found.stale, found.algorithm) == ("sip:h", "o", False, "SHA-256")
    assert (found.qop, found.charset, found.userhash) == (("auth", "auth-int"), "UTF-8", True)
    assert found.params["realm"] == '"example.org"'
    again = pickle.loads(pickle.dumps(found))
    assert (again, hash(again)) == (found, hash(found))
    assert found != str(found)
    assert Challenge(found.header, found.scheme, found.params) == found
    with pytest.raises(AttributeError):
        found.nonce = "another"  # type: ignore[misc]


def test_the_smallest_challenge() -> None:
    found = Challenge.parse('Digest realm="r",nonce="n"', "Proxy-Authenticate")
    assert found.header == "Proxy-Authenticate"
    assert (found.algorithm, found.qop, found.opaque, found.domain, found.charset) == (None, (), None, None, None)
    assert not found.stale
    assert not found.userhash


def test_MSG_06_GRM_21_challenges_are_split_by_scheme_words() -> None:
    rows = ['Digest realm="a, b", nonce="x,y"', 'Digest realm="c", nonce="z"', "Negotiate", 'Bearer scope="s"']
    merged = challenges(", ".join([*rows[:2], rows[3]]))
    assert merged == [one(rows[0]), one(rows[1]), one(rows[3])]
    assert [found.realm for found in merged] == ["a, b", "c", ""]
    assert [found.scheme for found in challenges("Negotiate")] == ["Negotiate"]
    assert [found.scheme for found in challenges('Negotiate, Digest realm="r", nonce="n"')] == ["Negotiate", "Digest"]
    assert [found.scheme for found in challenges("Negotiate, Kerberos")] == ["Negotiate"]


def test_GRM_22_blanks_and_empty_elements() -> None:
    found = one('Digest  realm = "x" ,  nonce = "y", , ,,algorithm =MD5 ,')
    assert (found.realm, found.nonce, found.algorithm) == ("x", "y", "MD5")
    assert one('Digest realm="x",nonce="y",\tqop =\t"auth"').qop == ("auth",)


def test_a_missing_comma_is_tolerated() -> None:
    found = one('Digest realm="r", nonce="n", stale="true" algorithm="MD5"')
    assert found.stale
    assert found.algorithm == "MD5"


def test_a_lone_word_among_directives_begins_no_challenge() -> None:
    assert one('Digest realm="r", foo, nonce="n", bar').nonce == "n"


@pytest.mark.parametrize(
    ("qop", "values"),
    [
        ("auth", ("auth",)),
        ('"auth, auth-int"', ("auth", "auth-int")),
        ('"AUTH"', ("auth",)),
        ('""', ()),
        ("", ()),
        ('" , "', ()),
        ('"foo"', ("foo",)),
    ],
)
def test_GRM_23_qop(qop: str, values: tuple[str, ...]) -> None:
    assert one(f'Digest realm="r", nonce="n", qop={qop}').qop == values


@pytest.mark.parametrize(
    ("stale", "value"),
    [('"TRUE"', True), ("true", True), ("True", True), ("false", False), ("1", False), ("", False)],
)
def test_GRM_24_stale_and_algorithm_quoted_or_not(stale: str, value: bool) -> None:
    assert one(f'Digest realm="r", nonce="n", stale={stale}').stale is value
    assert one(f'Digest realm="r", nonce="n", algorithm="md5", stale={stale}').algorithm == "md5"
    assert one('Digest realm="r", nonce="n", algorithm=""').algorithm is None


def test_GRM_25_empty_opaque_and_doubled_directives() -> None:
    assert one('Digest realm="r", nonce="n", opaque=""').opaque == ""
    assert one('Digest realm="r", nonce="n", opaque=').opaque == ""
    assert one('Digest realm="r", nonce="n", Domain="sip:a sip:b"').domain == "sip:a sip:b"
    assert one('Digest realm="r", nonce="n", algorithm=MD5, algorithm=SHA1').algorithm == "MD5"
    for text in ('Digest realm="r", realm="s", nonce="n"', 'Digest realm="r", nonce="n", nonce="n"'):
        assert parse_challenges(W, text) == ((), 1)


@pytest.mark.parametrize("realm", ["exämple", "ex\udce4mple", "日本", "a\tb"])
def test_GRM_26_octets_are_preserved(realm: str) -> None:
    found = one(f'Digest realm="{realm}", nonce="n"')
    assert found.realm == realm
    assert found.params["realm"] == f'"{realm}"'


def test_GRM_27_a_long_nonce_is_kept_exactly() -> None:
    nonce = "aB+/=" * 800
    assert one(f'Digest realm="r", nonce="{nonce}"').nonce == nonce


def test_AUTH_18_backslash_pairs_are_undone_and_kept() -> None:
    found = one(r'Digest realm="\"a\\b\"", nonce="\n"')
    assert (found.realm, found.nonce) == ('"a\\b"', "n")
    assert (found.params["realm"], found.params["nonce"]) == (r'"\"a\\b\""', r'"\n"')


def test_values_without_quotes_are_read() -> None:
    found = one("Digest realm=r, nonce=n/1+2==, opaque=o")
    assert (found.realm, found.nonce, found.opaque) == ("r", "n/1+2==", "o")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        "Digest",
        'Digest realm="r"',
        'Digest nonce="n"',
        'realm="r", nonce="n"',
        'Dig@st realm="r", nonce="n"',
        'Digest realm="r", nonce="n',
        r'Digest realm="r", nonce="n\"',
        'Digest realm="r", nonce="',
        'Digest realm="a\r\nX: y", nonce="n"',
        'Digest realm="a\x00", nonce="n"',
        'Digest realm="r", nonce="n", Digest realm="s", nonce="n"',
        '"Digest" realm="r", nonce="n"',
        '= Digest realm="r" = "x"',
    ],
)
def test_SEC_12_no_challenges(text: str) -> None:
    with pytest.raises(ParseError):
        one(text)


def test_one_bad_challenge_in_a_row_spoils_no_other() -> None:
    found, dropped = parse_challenges(W, 'Digest realm="a", Digest realm="b", nonce="n"')
    assert [challenge.realm for challenge in found] == ["b"]
    assert dropped == 1
    found, dropped = parse_challenges(W, 'realm="a", nonce="n", Digest realm="b", nonce="n"')
    assert [challenge.realm for challenge in found] == ["b"]
    assert dropped == 1


@pytest.mark.parametrize(("name", "limit"), [("realm", 1024), ("nonce", 4096), ("opaque", 4096)])
def test_SEC_23_what_is_too_long_is_left_out(name: str, limit: int) -> None:
    values = {"realm": "r", "nonce": "n", "opaque": "o", name: "x" * limit}
    for extra, count in (("", 1), ("x", 0)):
        values[name] += extra
        text = ", ".join(f"{key}={quote(value)}" for key, value in values.items())
        assert len(parse_challenges(W, f"Digest {text}")[0]) == count


def test_SEC_23_no_more_than_twenty_challenges_of_a_row_are_looked_at() -> None:
    rows = ['Digest realm="r", nonce="n"'] * 20
    assert len(challenges(", ".join(rows))) == 20
    found, dropped = parse_challenges(W, ", ".join([*rows, *rows]))
    assert (len(found), dropped) == (20, 1)


@pytest.mark.parametrize("case", VECTORS["challenge_parse"], ids=lambda case: case["id"])
def test_challenges_of_other_projects(case: dict[str, Any]) -> None:
    # Unfolding is the work of Headers and tested there.
    found = challenges(case["value"].replace("\r\n", ""))
    if case["expect"] == "unsupported":
        assert [challenge.algorithm for challenge in found] == ["CHACHA123"]
        return
    assert len(found) == len(case["expect"])
    for challenge, expected in zip(found, case["expect"], strict=True):
        assert challenge.scheme.lower() == expected["scheme"].lower()
        assert (challenge.algorithm or "MD5").upper() == expected["algorithm"].upper()
        assert list(challenge.qop) == expected["qop"]
        for name in ("realm", "nonce", "stale", "opaque"):
            assert getattr(challenge, name) == expected[name]


@pytest.mark.parametrize("case", VECTORS["qop_parse"], ids=lambda case: case["value"])
def test_qop_of_other_projects(case: dict[str, Any]) -> None:
    """Unknown words are kept here, so that a challenge with only such words differs from one without qop."""
    qop = one(f'Digest realm="r", nonce="n", qop="{case["value"]}"').qop
    assert [word for word in qop if word in ("auth", "auth-int")] == (case["expect"] or [])
    assert qop


def test_GRM_29_authentication_info() -> None:
    found = parse_auth_info('nextnonce="x", qop=auth, rspauth="", nc=00000001')
    assert found == {"nextnonce": "x", "qop": "auth", "nc": "00000001"}
    assert parse_auth_info("") == {}
    assert parse_auth_info('NextNonce = "a,b" , nextnonce="c", =x, y') == {"nextnonce": "a,b"}


@pytest.mark.parametrize("text", ['nextnonce="x', 'nextnonce="x"y', 'nextnonce="a\x00"', r'nextnonce="\"'])
def test_no_authentication_info(text: str) -> None:
    with pytest.raises(ParseError):
        parse_auth_info(text)


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), max_size=20), st.text('abc"\\,= ', max_size=20))
def test_any_realm_and_nonce_survive(realm: str, nonce: str) -> None:
    found = one(f"Digest realm={quote(realm)}, nonce={quote(nonce)}")
    assert (found.realm, found.nonce) == (realm, nonce)
    assert found.params == {"realm": quote(realm), "nonce": quote(nonce)}


@given(st.text(st.sampled_from('ab"\\,= \t\x00é') | st.characters()))
def test_ROB_3_any_text_gives_challenges(text: str) -> None:
    for candidate in (text, f'Digest realm="r", nonce="n", {text}'):
        for found in parse_challenges(W, candidate)[0]:
            for name in ("realm", "nonce", "qop", "algorithm", "opaque", "stale", "domain", "charset", "userhash"):
                getattr(found, name)
        try:
            parse_auth_info(candidate)
        except ParseError:
            continue


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("prefix", ["", "Digest ", 'Digest realm="', 'Digest realm="r", nonce=', "a="])
def test_ROB_3_time_grows_linearly(prefix: str, pattern: str) -> None:
    assert growth(lambda text: parse_challenges(W, text), pattern, prefix) < LIMIT
    assert growth(parse_auth_info, pattern, prefix) < LIMIT


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["realm", "nonce", "cnonce", "qop", "algorithm", "x", "Realm"]),
            st.sampled_from(
                ['"r"', '""', "t", '"a, b=c"', r'"\""', '"', "", "a b", '"a"b', '"nonce="', '"\xa0"', '"\t"']
            ),
        ),
        max_size=5,
    ),
    st.sampled_from([",", ", ", " , ", " ", ", ,"]),
    st.sampled_from(["Digest ", "Bearer ", "Digest", "Di(g)est ", ""]),
)
def test_the_short_way_leads_where_the_long_one_does(
    directives: list[tuple[str, str]], separator: str, scheme: str
) -> None:
    text = scheme + separator.join(f"{name}={value}" for name, value in directives)
    # A comma in front changes nothing, but nobody writes one.
    assert everything(parse_challenges(W, text)) == everything(parse_challenges(W, f",{text}"))


def everything(found: tuple[tuple[Challenge, ...], int]) -> list[object]:
    """Also what does not count when challenges are compared."""
    names = ("header", "scheme", "params", "realm", "nonce", "sent_nonce", "algorithm", "qop", "opaque", "stale",
             "domain", "charset", "userhash")  # fmt: skip
    return [found[1], *([getattr(challenge, name) for name in names] for challenge in found[0])]


@pytest.mark.parametrize(
    "text",
    [
        'Digest cnonce="r",realm="nonce=",nonce=""',
        'Digest realm="a nonce="b", nonce="c"',
        'Digest realm="a, nonce=", nonce="c"',
        'Digest realm="r", nonce="a\\"", nonce="b"',
        'Digest realm="r", nonce="a',
    ],
)
def test_what_looks_like_a_nonce_is_none(text: str) -> None:
    assert everything(parse_challenges(W, text)) == everything(parse_challenges(W, f",{text}"))


def test_challenges_that_differ_by_their_nonce_share_the_rest() -> None:
    text = 'Digest realm="{}", nonce="{}", algorithm=MD5, qop="auth,auth-int", opaque="o", stale=TRUE'
    one, other = (parse_challenges(W, text.format("r", nonce))[0][0] for nonce in ("one", "other"))
    assert (one.nonce, other.nonce, one.realm, one.stale) == ("one", "other", "r", True)
    assert one.params == {**other.params, "nonce": '"one"'}
    assert list(one.params) == ["realm", "nonce", "algorithm", "qop", "opaque", "stale"]
    assert one.qop is other.qop
    assert parse_challenges("Proxy-Authenticate", text.format("r", "x"))[0][0].header == "Proxy-Authenticate"
