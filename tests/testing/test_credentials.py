"""aiosipreg/testing/credentials.py."""

from __future__ import annotations

import pytest

from aiosipreg.testing.credentials import Credentials, MalformedError, parse_credentials

REALM = "sip.example.org"
OLD = f'Digest username="toto", realm="{REALM}", nonce="abc", uri="sip:h", response="00"'
NEW = f'{OLD}, algorithm=SHA-256, opaque="x,y", qop=auth, nc=0000000a, cnonce="c"'


def test_the_old_form() -> None:
    found = parse_credentials(OLD, REALM)
    assert found == Credentials(username="toto", nonce="abc", uri="sip:h", response="00")
    assert found is not None
    assert (found.algorithm, found.count) == ("MD5", 0)


def test_the_new_form() -> None:
    found = parse_credentials(NEW, REALM)
    assert found is not None
    assert (found.algorithm, found.opaque, found.qop, found.nc, found.cnonce) == (
        "SHA-256",
        "x,y",
        "auth",
        "0000000a",
        "c",
    )
    assert found.count == 10


def test_blanks_case_and_order_do_not_matter() -> None:
    text = f' DIGEST  Response = "00",URI="sip:h" ,\tnonce="abc",REALM="{REALM}",username="toto" '
    assert parse_credentials(text, REALM) == parse_credentials(OLD, REALM)


def test_names_are_unescaped_and_everything_else_is_kept() -> None:
    text = OLD.replace("toto", r"to\"to").replace("abc", r"a\bc")
    found = parse_credentials(text, REALM)
    assert found is not None
    assert (found.username, found.nonce) == ('to"to', r"a\bc")


@pytest.mark.parametrize("text", ["Basic abc", "", "Digest", OLD.replace(REALM, "other"), 'Digest username="toto"'])
def test_what_is_not_for_us(text: str) -> None:
    assert parse_credentials(text, REALM) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (OLD.replace(', nonce="abc"', ""), "nonce is missing"),
        (f"{OLD}, qop=auth", "nc is missing"),
        (f"{OLD}, qop=auth, nc=00000001", "cnonce is missing"),
        (f'{OLD}, realm="{REALM}"', "realm twice"),
        (NEW.replace("qop=auth", 'qop="auth"'), "qop is quoted"),
        (NEW.replace('"c"', "c"), "cnonce is not quoted"),
        (NEW.replace("0000000a", "0000000A"), "nc is not 8 lower-case hex digits"),
        (NEW.replace("0000000a", "a"), "nc is not 8 lower-case hex digits"),
        (f'{OLD}, x="open', "not a list of name=value"),
        (f"{OLD} x", "not a list of name=value"),
    ],
)
def test_broken_rules_are_named(text: str, complaint: str) -> None:
    with pytest.raises(MalformedError, match=complaint):
        parse_credentials(text, REALM)
