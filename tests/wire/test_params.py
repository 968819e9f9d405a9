"""`aiosipreg.wire.params`."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.params import Params, header_params

if TYPE_CHECKING:
    from collections.abc import Callable


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


@pytest.mark.parametrize(
    "use", [repr, str, len, list, dict, hash, bool, copy.copy, lambda params: pickle.loads(pickle.dumps(params))]
)
def test_parameters_that_nobody_asked_for_yet_are_like_all_others(use: Callable[[Params], object]) -> None:
    assert use(Params.read(";A=1;b;c= x")) == use(Params.of({"a": "1", "b": None, "c": "x"}))
