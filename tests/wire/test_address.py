"""Addresses of From, To, Contact and Route."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.address import STAR, NameAddr
from aiosipreg.wire.uri import OtherUri, SipUri
from tests.wire.effort import LIMIT, PATTERNS, growth
from tests.wire.test_uri import NAMES, URIS

H = SipUri.parse("sip:a@h")


def address(text: str) -> NameAddr:
    return NameAddr.parse(text)


def test_GRM_01_without_brackets_parameters_belong_to_the_header() -> None:
    found = address("sip:a@h;expires=60")
    assert str(found.uri) == "sip:a@h"
    assert found.expires == 60


def test_GRM_02_within_brackets_they_belong_to_the_uri() -> None:
    found = address("<sip:a@h;expires=60>")
    assert found.expires is None
    assert isinstance(found.uri, SipUri)
    assert found.uri.params == {"expires": "60"}
    assert found.params == {}


def test_MSG_15_brackets_are_always_written() -> None:
    assert str(address("sip:a@h;tag=x")) == "<sip:a@h>;tag=x"
    assert str(address("sip:a@h")) == "<sip:a@h>"
    assert str(NameAddr(H, "A. B.", {"tag": "x"})) == '"A. B." <sip:a@h>;tag=x'


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<sip:a@h>", None),
        ("Bob <sip:a@h>", "Bob"),
        ("Bo Bob Biggs\t< sip:a@h >", "Bo Bob Biggs"),
        ("caller<sip:a@h>", "caller"),
        ('"Doe, John" <sip:a@h>', "Doe, John"),
        ('"Doe <John>"<sip:a@h>', "Doe <John>"),
        (r'"a\"b\\" <sip:a@h>', 'a"b\\'),
        (r'"J Rosenberg \\\""       <sip:a@h>', 'J Rosenberg \\"'),
        ('"" <sip:a@h>', None),
        ('"Iñaki @ł€" <sip:a@h>', "Iñaki @ł€"),
        ('"%Z%45" <sip:a@h>', "%Z%45"),
        ('"a\x00b" <sip:a@h>', "a\ufffdb"),
        ("A. Bell <sip:a@h>", "A. Bell"),
    ],
)
def test_GRM_05_06_display_names(text: str, name: str | None) -> None:
    found = address(text)
    assert found.display_name == name
    assert str(found.uri) == "sip:a@h"


BAD = [
    "",
    "a",
    "<sip:a@h",
    '"Mr. J. User <sip:j.user@example.com>',
    '"a" sip:a@h',
    '"a"',
    "<sip:a@h> junk",
    "<sip:a@h>, <sip:b@h>",
    "<>",
    "<122@10.1.1.200:>",
    "sip:a@h;x=\x00",
    "a\x00b <sip:a@h>",
    '<sip:a@h>;x="y',
    "Foo; Bar <sip:a@h>",
    "*;expires=0",
]


@pytest.mark.parametrize("text", BAD)
def test_no_addresses(text: str) -> None:
    with pytest.raises(ParseError):
        address(text)


def test_other_schemes() -> None:
    assert address("tel:+1-972-555-2222").uri == OtherUri("tel:+19725552222")
    assert address("<name:John_Smith>;tag=1").tag == "1"


def test_GRM_07_the_star() -> None:
    found = address(" * ")
    assert found.is_star
    assert found.uri == STAR
    assert str(found) == "*"
    assert not address("<sip:a@h>").is_star
    assert not address("tel:1").is_star
    assert NameAddr(OtherUri("*")).is_star


@pytest.mark.parametrize(
    "text",
    [
        '<sip:a@h>;+sip.instance="<urn:uuid:F81D>"',
        "<sip:a@h>;+sip.instance=<urn:uuid:F81D>",
        'sip:a@h;+sip.instance="<urn:uuid:F81D>"',
        "sip:a@h;+SIP.Instance=<urn:uuid:F81D>",
    ],
)
def test_GRM_09_10_the_instance_has_brackets_and_no_quotes(text: str) -> None:
    found = address(text)
    assert found.params["+sip.instance"] == "<urn:uuid:F81D>"
    assert str(found) == '<sip:a@h>;+sip.instance="<urn:uuid:F81D>"'


def test_GRM_11_quoted_pairs_are_undone_in_parameters() -> None:
    found = address(r'<sip:a@h>;pub-gruu="sip:a@h;gr=\"x\""')
    gruu = found.params["pub-gruu"]
    assert gruu == 'sip:a@h;gr="x"'
    assert SipUri.parse(gruu).params["gr"] == '"x"'


@pytest.mark.parametrize(
    ("text", "expires"),
    [("60", 60), ('"60"', 60), ("99999999999999", 2**32 - 1), ("abc", None), ("", None), ('""', None), ("-1", None)],
)
def test_MSG_18_expires(text: str, expires: int | None) -> None:
    assert address(f"<sip:a@h>;expires={text}").expires == expires
    assert address("<sip:a@h>;expires").expires is None
    assert address("<sip:a@h>").expires is None


@pytest.mark.parametrize(
    ("text", "q"), [("=1.000", 1.0), ("=0.5", 0.5), ("=.5", None), ("=1.5", None), ("", None), ("=", None)]
)
def test_GRM_08_a_bad_q_spoils_q_only(text: str, q: float | None) -> None:
    found = address(f"<sip:a@h>;q{text};expires=60")
    assert found.q == q
    assert found.expires == 60
    assert address("<sip:a@h>").q is None


def test_GRM_18_tags() -> None:
    assert address("sip:a@h;tag=AbC").tag == "AbC"
    assert address("<sip:a@h;tag=no>").tag is None


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("a\r\nX: y", {}),
        ("a\0", {}),
        ("\x7f", {}),
        ("\ud800", {}),
        (None, {"a": "\r\n"}),
        (None, {"a\n": "b"}),
        (None, {"a;b": "c"}),
        (None, {"a=b,<sip:evil>": None}),
    ],
)
def test_SEC_11_what_would_change_the_header_is_refused(name: str | None, params: dict[str, str | None]) -> None:
    with pytest.raises(ConfigError):
        NameAddr(H, name, params)


def test_a_password_is_in_no_error() -> None:
    for text in ("<sip:a:hunter2@h> x", "<sip:a:hunter2@h", '"x" sip:a:hunter2@h'):
        with pytest.raises(ParseError) as caught:
            address(text)
        assert "hunter2" not in str(caught.value)


def test_addresses_are_values() -> None:
    found = address('"A" <sip:a@h;x=1>;tag=1')
    assert found == NameAddr(SipUri.parse("sip:a@H;x=1"), "A", {"tag": "1"})
    assert hash(found) == hash(NameAddr(SipUri.parse("sip:a@H;x=1"), "A", {"tag": "1"}))
    assert pickle.loads(pickle.dumps(found)) == found


@given(URIS, st.none() | NAMES, st.dictionaries(st.from_regex(r"\A[a-z0-9+.-]{1,6}\Z"), st.none() | NAMES, max_size=3))
def test_what_is_printed_is_read_again(uri: SipUri, name: str | None, params: dict[str, str | None]) -> None:
    built = NameAddr(uri, name, params)
    assert address(str(built)) == built


FORMS = ["<{}>;expires=60", "{};q=1", "Bob <{}>", "< {} >", "<{}", "<{}>x", '"a" <{}>;x="y', "<{};a=b>", "<{}>, <{}>"]


def read(text: str, likely: SipUri | OtherUri | None) -> object:
    try:
        found = NameAddr.parse(text, likely=likely)
    except ParseError as error:
        return str(error)
    return found, str(found), [getattr(found.uri, entry.name) for entry in dataclasses.fields(found.uri)]


@given(URIS, st.sampled_from(FORMS))
def test_a_likely_uri_changes_nothing_but_the_effort(uri: SipUri, form: str) -> None:
    text = form.format(uri, uri)
    assert read(text, uri) == read(text, H) == read(text, None)


def test_the_same_parameters_are_the_same() -> None:
    one, other = address("<sip:a@h>;expires=60"), address("<sip:b@h>;expires=60")
    assert one.params is other.params
    assert one.expires == other.expires == 60
    long = f"<sip:a@h>;x={'a' * 80}"
    assert address(long).params == address(long).params == {"x": "a" * 80}
    assert address("<sip:a@h>").params == {}


def test_a_likely_uri_is_taken_as_it_is() -> None:
    assert NameAddr.parse("<sip:a@h>;expires=60", likely=H).uri is H
    assert NameAddr.parse("<sip:b@h>;expires=60", likely=H).uri == SipUri.parse("sip:b@h")


@given(st.text())
def test_ROB_3_any_text_is_an_address_or_a_parse_error(text: str) -> None:
    for candidate in (text, f'"{text}" <sip:a@h>', f"{text}<sip:a@h>;{text}", f"sip:a@h;{text}"):
        try:
            found = address(candidate)
        except ParseError:
            continue
        assert isinstance(found.expires, int | None)
        assert isinstance(found.q, float | None)
        assert address(str(found)) == found


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("prefix", ["", '"', "<sip:a@h>;", "a <", "sip:a@h;a=", '<sip:a@h>;a="'])
def test_ROB_3_time_grows_linearly(prefix: str, pattern: str) -> None:
    assert growth(address, pattern, prefix) < LIMIT
