"""Rows of one header, as one value and as a list; how long the body is."""

from __future__ import annotations

import pytest

from aiosipreg.errors import ParseError
from aiosipreg.wire.headers import Headers
from aiosipreg.wire.rows import content_length, entries, option_tag, single, top_via


def test_ROB_5_one_value_has_one_row() -> None:
    assert single("To", ["a"]) == "a"
    with pytest.raises(ParseError, match="one To header"):
        single("To", ["a", "a"])


def test_GRM_3_rows_of_a_list_are_one_list() -> None:
    assert entries(["a, b", "", 'c;x="d, e"']) == ["a", "b", 'c;x="d, e"']
    assert entries([]) == []


def test_the_top_via_is_the_first_of_the_first_row() -> None:
    assert top_via(["SIP/2.0/UDP a, SIP/2.0/UDP b", "SIP/2.0/UDP c"]).host == "a"
    with pytest.raises(ParseError):
        top_via(["", "SIP/2.0/UDP c"])


def test_option_tags_are_tokens_in_lower_case() -> None:
    assert option_tag("Path") == "path"
    with pytest.raises(ParseError, match="an option tag"):
        option_tag("a b")


@pytest.mark.parametrize(("rows", "length"), [([], None), (["0"], 0), (["0150"], 150), (["5", "5"], 5)])
def test_content_lengths(rows: list[str], length: int | None) -> None:
    assert content_length(Headers([("l", row) for row in rows])) == length


@pytest.mark.parametrize(
    "rows", [["-999"], ["five"], ["13", "5"], ["5", "x"], [""], ["\u0665"], ["+5"], ["5, 5"], ["9" * 11]]
)
def test_MSG_13_GRM_56_no_content_lengths(rows: list[str]) -> None:
    with pytest.raises(ParseError):
        content_length(Headers([("Content-Length", row) for row in rows]))
