"""Tokens, quoted strings, lists, parameters, numbers."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.fields import CSeq
from aiosipreg.wire.grammar import (
    check_text,
    is_token,
    leading_quoted,
    parse_quality,
    parse_seconds,
    quote,
    skip_comment,
    split_list,
    split_params,
    tame,
    trusted,
    unquote,
)
from aiosipreg.wire.params import Params
from tests.wire.effort import LIMIT, PATTERNS, growth

CONTROLS = [chr(code) for code in (*range(32), 127)]


@pytest.mark.parametrize("text", ["REGISTER", "RE%47IST%45R", "a-b.c!d%e*f_g+h`i'j~k", "0"])
def test_tokens(text: str) -> None:
    assert is_token(text)


@pytest.mark.parametrize("text", ["", "a b", "a\n", "\ta", 'a"', "a:b", "a/b", "é", "a;b", "a=b", "a@b", "٣"])
def test_no_tokens(text: str) -> None:
    assert not is_token(text)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("", '""'), ("a b", '"a b"'), ('a"b', r'"a\"b"'), ("a\\", r'"a\\"'), ('\\"', r'"\\\""'), ("ñ€", '"ñ€"')],
)
def test_MSG_16_quote_and_backslash_are_escaped(text: str, quoted: str) -> None:
    assert quote(text) == quoted
    assert unquote(quoted) == text
    assert leading_quoted(quoted + ";rest") == quoted


@pytest.mark.parametrize("control", CONTROLS)
def test_MSG_16_no_control_character_can_be_quoted(control: str) -> None:
    with pytest.raises(ConfigError):
        quote(f"a{control}b")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_MSG_16_any_text_survives_quoting(text: str) -> None:
    assert unquote(quote(text)) == text


@pytest.mark.parametrize("text", ["", '"', "a", 'a"', '"a', "a b"])
def test_what_is_not_quoted_stays(text: str) -> None:
    assert unquote(text) == text


def test_GRM_05_backslash_pairs_are_undone_before_quotes_are_looked_for() -> None:
    assert unquote(r'"a\"b\\"') == 'a"b\\'
    assert unquote(r'"\a\b"') == "ab"
    assert leading_quoted(r'"a\"b\\" <sip:x>') == r'"a\"b\\"'


@pytest.mark.parametrize("text", ['"abc', r'"abc\"', r'"abc\\\"', "abc", "", '"', '"\\'])
def test_a_quoted_string_that_never_ends(text: str) -> None:
    assert leading_quoted(text) is None


def test_SEC_11_text_that_may_be_written() -> None:
    for text in ("", "a b", "ñandú", "\udcff\udc80", "日本", "\u2028"):
        assert check_text("x", text) == text


@pytest.mark.parametrize("text", [*CONTROLS, "\ud800", "a\udc41b"])
def test_SEC_11_text_that_may_not(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_text("display_name", f"a{text}")
    assert caught.value.field == "display_name"


def test_GRM_58_control_characters_in_quoted_strings_are_replaced() -> None:
    assert tame('"a\x00b" <sip:a@h>;x="\x1f\t"') == '"a\ufffdb" <sip:a@h>;x="\ufffd "'
    assert tame("a\tb") == "a b"
    assert tame("\udcff ñ\xa0") == "\udcff ñ\xa0"
    assert tame("plain") == "plain"


@pytest.mark.parametrize("text", ["a\x00b", '"a" \x07', "\r", 'a"b"\n'])
def test_GRM_58_and_have_no_place_elsewhere(text: str) -> None:
    with pytest.raises(ParseError):
        tame(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        (" , ,\t,", []),
        ("a", ["a"]),
        ("a,b , c", ["a", "b", "c"]),
        ('"Doe, John" <sip:a@h>, <sip:b@h>', ['"Doe, John" <sip:a@h>', "<sip:b@h>"]),
        ("<sip:a@h?x=1,2>, b", ["<sip:a@h?x=1,2>", "b"]),
        (r'"a\",b", c', [r'"a\",b"', "c"]),
        (r'"a\\",b', [r'"a\\"', "b"]),
        ('<sip:a"b@h>, <sip:c"d@h>', ['<sip:a"b@h>', '<sip:c"d@h>']),
        ("<sip:a@h, <sip:b@h>", ["<sip:a@h", "<sip:b@h>"]),
        ('a, "b, c', ["a", '"b, c']),
        ('a, "b\\', ["a", '"b\\']),
        (",a,,b,", ["a", "b"]),
        ('"",,<>', ['""', "<>"]),
    ],
)
def test_GRM_22_commas_in_quotes_and_brackets_do_not_split(text: str, parts: list[str]) -> None:
    assert split_list(text) == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [""]),
        (";a;b", ["", "a", "b"]),
        (" ; a = b ;c", ["", "a = b", "c"]),
        ('a="x;y";b', ['a="x;y"', "b"]),
        ("a=<x;y>;b", ["a=<x;y>", "b"]),
        ("a\t;b", ["a", "b"]),
    ],
)
def test_semicolons_in_quotes_and_brackets_do_not_split(text: str, parts: list[str]) -> None:
    assert split_params(text) == parts


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        (" 3600 ", 3600),
        ("00300", 300),
        ("4294967295", 4294967295),
        ("4294967296", 4294967295),
        ("9999999999", 4294967295),
        ("99999999999999", 4294967295),
        ("0" * 5000 + "7", 7),
        ("1" * 50_000, 4294967295),
    ],
)
def test_MSG_18_seconds_are_cut_to_32_bits(text: str, seconds: int) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "abc", "-5", "+5", "1e3", "3600s", "1.5", "0x10", "٣", "²", "1 2"])
def test_GRM_32_what_is_no_number_is_absent(text: str) -> None:
    assert parse_seconds(text) is None


@pytest.mark.parametrize(
    ("text", "quality"),
    [("1", 1), ("0", 0), ("1.000", 1), ("0.5", 0.5), ("0.123", 0.123), ("1.", 1), ("0.", 0)],
)
def test_GRM_08_good_qualities(text: str, quality: float) -> None:
    assert parse_quality(text) == quality


@pytest.mark.parametrize("text", ["", ".5", "1.5", "1.001", "2", "-1", "0.1234", "nan", "inf", "0,5", "\u0660.5"])
def test_GRM_08_bad_qualities(text: str) -> None:
    assert parse_quality(text) is None


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("(a)", ""),
        ("(a (b) c);d", ";d"),
        (r"(\))x", "x"),
        (r"(\(\\)", ""),
        ("(" * 16 + ")" * 16 + "!", "!"),
        ("()(", "("),
    ],
)
def test_MSG_19_comments_nest(text: str, rest: str) -> None:
    assert skip_comment(text) == rest


@pytest.mark.parametrize("text", ["(", "(a", "(a(b)", r"(\)", "(" * 17 + ")" * 17, "(" * 65536])
def test_MSG_19_comments_that_never_end_or_nest_too_deep(text: str) -> None:
    with pytest.raises(ParseError):
        skip_comment(text)


def test_trusted_makes_what_the_constructor_would_refuse() -> None:
    make = trusted(CSeq)
    made = make(-1, "\r")
    assert (made.number, made.method) == (-1, "\r")
    assert made != make(0, "\r")
    assert type(made) is CSeq
    with pytest.raises(FrozenInstanceError):
        setattr(made, "number", 1)  # noqa: B010 - a plain assignment is what type checkers refuse
    with pytest.raises(ConfigError):
        CSeq(made.number, made.method)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(
    ("function", "prefix"),
    [
        (split_list, ""),
        (split_list, '"'),
        (Params.parse, ';a="'),
        (Params.parse, ""),
        (tame, '\x01"'),
        (skip_comment, "("),
        (unquote, '"'),
        (leading_quoted, '"'),
        (parse_seconds, ""),
        (parse_quality, "0."),
        (is_token, ""),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_ROB_3_time_grows_linearly(function: object, prefix: str, pattern: str) -> None:
    assert callable(function)
    assert growth(function, pattern, prefix) < LIMIT


def test_the_measurement_tells_quadratic_time() -> None:
    assert growth(lambda text: sum(1 for _ in text for _ in text[::64]), "a") > LIMIT
