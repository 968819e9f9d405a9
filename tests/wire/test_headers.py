"""Header rows: names, order, folding."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.wire.headers import Headers, _read_with_care, canonical_name, compact_name
from tests.wire.effort import LIMIT, PATTERNS, growth

ROWS = (("Via", "1"), ("CONTACT", "a"), ("X-y", "z"), ("m", "b"), ("via", "2"))


def read(*lines: str) -> tuple[Headers, int, set[str]]:
    oddities: set[str] = set()
    headers, dropped = Headers.of_lines(list(lines), oddities)
    return headers, dropped, oddities


def test_MSG_03_names_have_no_case_and_order_is_kept() -> None:
    headers = Headers(ROWS)
    assert headers.items() == ROWS
    assert list(headers) == ["Via", "CONTACT", "X-y", "m", "via"]
    assert len(headers) == 5
    assert headers.get("VIA") == "1"
    assert headers.get_all("v") == ("1", "2")
    assert headers.get_all("contact") == ("a", "b")
    assert headers.get("x-Y") == "z"
    assert headers.get("Expires") is None
    assert headers.get_all("Expires") == ()
    assert "M" in headers
    assert "Expires" not in headers
    assert not headers.__contains__(5)


def test_MSG_03_a_row_is_a_text_among_others_that_are_several() -> None:
    headers, dropped, oddities = read("To:a", "Contact: b", "m:  c", "X-y: z", "CONTACT: d")
    assert headers.names == {"To": "a", "Contact": ["b", "c", "d"], "x-y": "z"}
    assert (headers.get_all("to"), headers.get_all("Contact")) == (("a",), ("b", "c", "d"))
    assert (dropped, oddities) == (0, set())


def test_headers_are_values() -> None:
    assert Headers(ROWS) == Headers(ROWS)
    assert hash(Headers(ROWS)) == hash(Headers(ROWS))
    assert Headers(ROWS) != Headers()
    assert Headers() != ()
    assert repr(Headers(ROWS)) == "<Headers Via, CONTACT, X-y, m, via>"
    assert pickle.loads(pickle.dumps(Headers(ROWS))) == Headers(ROWS)


LONG = {
    "i": "Call-ID", "m": "Contact", "e": "Content-Encoding", "l": "Content-Length", "c": "Content-Type", "f": "From",
    "s": "Subject", "k": "Supported", "t": "To", "v": "Via", "o": "Event", "u": "Allow-Events",
}  # fmt: skip


@pytest.mark.parametrize(("short", "name"), LONG.items())
def test_MSG_07_GRM_54_compact_names(short: str, name: str) -> None:
    headers, dropped, oddities = read(f"{short}:a", f"{short.upper()} : b", f"{name.upper()}: c")
    assert headers.get_all(name) == headers.get_all(short) == ("a", "b", "c")
    assert dropped == 0
    assert oddities == {"blank before colon"}
    assert canonical_name(short) == canonical_name(short.upper()) == canonical_name(name.lower()) == name
    assert compact_name(name) == compact_name(name.upper()) == short


@pytest.mark.parametrize("name", ["CSeq", "Max-Forwards", "v", ""])
def test_MSG_8_a_name_without_compact_form_stays(name: str) -> None:
    assert compact_name(name) == name


def test_GRM_54_empty_compact_rows() -> None:
    headers, dropped, _ = read("l: 0", "m:", "v:", "i:")
    assert headers.items() == (("l", "0"), ("m", ""), ("v", ""), ("i", ""))
    assert dropped == 0


def test_GRM_06_no_blank_is_needed_behind_the_colon() -> None:
    assert read("Contact:caller<sip:a@h>")[0].get("contact") == "caller<sip:a@h>"


def test_MSG_04_folded_lines_are_joined_with_one_blank() -> None:
    headers, dropped, _ = read("Via: SIP/2.0/UDP  ", "\t  h;branch=x", "   ;rport", "To: a", " b")
    assert headers.items() == (("Via", "SIP/2.0/UDP h;branch=x ;rport"), ("To", "a b"))
    assert headers.get("v") == "SIP/2.0/UDP h;branch=x ;rport"
    assert dropped == 0


def test_MSG_04_the_value_may_begin_on_the_next_line() -> None:
    assert read("TO :", " sip:a@h")[0].items() == (("TO", "sip:a@h"),)


def test_MSG_04_the_colon_may_not() -> None:
    headers, dropped, _ = read("To", " : sip:a@h", "From: b")
    assert headers.items() == (("From", "b"),)
    assert dropped == 2


def test_a_continuation_of_nothing_is_left_out() -> None:
    headers, dropped, _ = read(" x: y", "\tz", "From: b", " c")
    assert headers.items() == (("From", "b c"),)
    assert dropped == 1


def test_GRM_55_a_folded_line_of_blanks_ends_nothing() -> None:
    headers, dropped, _ = read("Subject: a", "  \t", "To: b", " ", " c")
    assert headers.get_all("subject") == ("a",)
    assert headers.get("to") == "b  c"
    assert dropped == 0


@pytest.mark.parametrize("line", ["junk", "To", ":x", " : x", "a b: c", "a@b: c", "é: x", "\x00: y", ""])
def test_lines_that_are_no_rows_are_left_out_and_counted(line: str) -> None:
    headers, dropped, _ = read("A: 1", line, "B: 2")
    assert headers.get("B") == "2"
    assert dropped == (0 if line == " : x" else 1)


def test_MSG_09_unknown_headers_stay_readable() -> None:
    headers, _, _ = read(
        "NewFangledHeader:   newfangled value", "UnknownHeaderWithUnusualValue: ;;,,;;,;", "C%6Fntact: x"
    )
    assert headers.get("newfangledheader") == "newfangled value"
    assert headers.get("unknownheaderwithunusualvalue") == ";;,,;;,;"
    assert headers.get("contact") is None


def test_GRM_26_only_blanks_are_stripped() -> None:
    assert read("A: \xa0x\x85 ")[0].get("a") == "\xa0x\x85"


@given(
    st.lists(
        st.tuples(st.from_regex(r"\A[A-Za-z-]{1,9}\Z"), st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs"])))
    )
)
def test_rows_are_read_as_written(rows: list[tuple[str, str]]) -> None:
    headers, dropped, oddities = read(*(f"{name}: {value}" for name, value in rows))
    assert headers == Headers(rows)
    assert headers.items() == tuple(rows)
    assert (dropped, oddities) == (0, set())


LINES = st.builds(
    "{}{}{}".format,
    st.sampled_from(["Via", "To", "Call-ID", "via", "v", "X-y", "x-y", "x-Z", "a b", "", " To", "To "]),
    st.sampled_from([": ", ":", " : ", ":  ", ":\t", " "]),
    st.text("a: \t,\x00\xa0", max_size=5),
)


@given(st.lists(LINES))
def test_usual_lines_are_read_like_all_others(lines: list[str]) -> None:
    headers, dropped, oddities = read(*lines)
    tolerated: set[str] = set()
    with_care, lost = _read_with_care(lines, tolerated)
    assert (headers, dropped, oddities) == (with_care, lost, tolerated)
    assert [headers.get_all(name) for name in headers] == [with_care.get_all(name) for name in with_care]
    assert headers.names.keys() == with_care.names.keys()


@given(st.lists(LINES))
def test_the_lines_make_the_same_headers(lines: list[str]) -> None:
    headers, _, _ = read(*lines)
    if headers.lines():
        assert Headers.of_lines(headers.lines(), set())[0] == headers
        assert pickle.loads(pickle.dumps(headers)) == headers


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("prefix", ["", "A:"])
def test_ROB_3_time_grows_linearly(prefix: str, pattern: str) -> None:
    assert growth(lambda text: read(text), pattern, prefix) < LIMIT


@pytest.mark.parametrize("line", [" a", "a", ":", "A:b", "\t"])
def test_ROB_3_time_grows_linearly_with_the_number_of_lines(line: str) -> None:
    assert growth(lambda text: read("A: 1", *[line] * len(text)), "x") < LIMIT
