"""Tokens, quoted strings, lists, parameters, numbers."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.fields import CSeq
from aiosipreg.wire.grammar import (
    Params,
    check_text,
    header_params,
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
from tests.wire.effort import LIMIT, PATTERNS, growth

if TYPE_CHECKING:
    from collections.abc import Callable

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


def test_GRM_12_no_value_differs_from_an_empty_one() -> None:
    params = Params.parse(';ob;lr=;gr=abc;X=Y;flag="";bnc')
    assert dict(params) == {"ob": None, "lr": "", "gr": "abc", "x": "Y", "flag": "", "bnc": None}
    assert dict(params.items()) == dict(params)
    assert Params.parse(";rport") != Params.parse(";rport=")
    assert str(params) == ';ob;lr="";gr=abc;x=Y;flag="";bnc'


def test_MSG_03_parameter_names_have_no_case() -> None:
    params = Params.parse(";+Sip.Instance=x")
    assert params["+sip.instance"] == params["+SIP.INSTANCE"] == "x"
    assert "+siP.instance" in params
    assert not params.__contains__(5)
    assert params.get("+sip.INSTANCE") == "x"
    assert params.get("other") is None
    assert params.get("other", "else") == "else"
    assert Params.parse(";rport").get("rport", default="else") is None
    assert len(params) == 1
    assert list(params) == ["+sip.instance"]


def test_of_a_doubled_parameter_the_first_counts() -> None:
    assert Params.parse(";a=1;A=2")["a"] == "1"


def test_blanks_and_empty_parameters_are_tolerated() -> None:
    assert Params.parse(' ; a = 1 ;; b ; = 3; c =\t"x y" ;=;d=') == {"a": "1", "b": None, "c": "x y", "d": ""}


@pytest.mark.parametrize("text", [';a="b', ';a="b"c', r';a="b\"', ';a="', ";a=\x00", ";\x01"])
def test_parameters_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ParseError):
        Params.parse(text)


def test_parameters_compare_as_values_and_as_mappings() -> None:
    params = Params({"A": "1", "b": None})
    assert params == Params.parse(";b;a=1")
    assert hash(params) == hash(Params.parse(";b;a=1"))
    assert params == {"B": None, "a": "1"}
    assert params != {"a": "1"}
    assert params != "a"
    assert Params() == {}
    assert repr(params) == "Params({'a': '1', 'b': None})"
    assert pickle.loads(pickle.dumps(params)) == params


@pytest.mark.parametrize("values", [{"a\r": "b"}, {"a": "b\n"}, {"a\x00": None}])
def test_SEC_11_parameters_with_control_characters_are_refused(values: dict[str, str | None]) -> None:
    with pytest.raises(ConfigError):
        Params(values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"a": "b"}, ";a=b"),
        ({"a": "b c"}, ';a="b c"'),
        ({"a": 'b"'}, r';a="b\""'),
        ({"received": "[2001:db8::1]"}, ";received=[2001:db8::1]"),
        ({"+sip.instance": "<urn:uuid:0>"}, ';+sip.instance="<urn:uuid:0>"'),
        ({"+audio": "x"}, ';+audio="x"'),
        ({"pub-gruu": "sip:a@h;gr"}, ';pub-gruu="sip:a@h;gr"'),
    ],
)
def test_values_are_quoted_where_a_token_cannot_carry_them(values: dict[str, str | None], text: str) -> None:
    assert str(Params(values)) == text
    assert Params.parse(text) == values


@given(
    st.dictionaries(
        st.from_regex(r"\A[a-z0-9!+*.-]{1,9}\Z"),
        st.none() | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20),
    )
)
def test_any_parameters_survive_printing(values: dict[str, str | None]) -> None:
    assert Params.parse(str(Params(values))) == values


def test_SEC_11_names_of_header_parameters_are_tokens() -> None:
    params = Params({"a": "b;c"})
    assert header_params(params) is params
    assert header_params({"+sip.instance": "<x>"}) == {"+sip.instance": "<x>"}
    for name in ("", "a;b", "a b", "a,b", "a=b", "<a>", '"'):
        with pytest.raises(ConfigError):
            header_params({name: None})


def test_trusted_makes_what_the_constructor_would_refuse() -> None:
    make = trusted(CSeq)
    made = make(-1, "\r")
    assert (made.number, made.method) == (-1, "\r")
    assert made != make(0, "\r")
    with pytest.raises(ConfigError):
        CSeq(made.number, made.method)


@pytest.mark.parametrize(
    "use", [repr, str, len, list, dict, hash, bool, copy.copy, lambda params: pickle.loads(pickle.dumps(params))]
)
def test_parameters_that_nobody_asked_for_yet_are_like_all_others(use: Callable[[Params], object]) -> None:
    assert use(Params.read(";A=1;b;c= x")) == use(Params.of({"a": "1", "b": None, "c": "x"}))


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
