"""Rows of one header, as one value and as a list."""

from __future__ import annotations

import pytest

from aiosipreg.errors import ParseError
from aiosipreg.wire.rows import entries, option_tag, single, top_via


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
