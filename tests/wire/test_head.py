"""The head: its end, and how long the body is."""

from __future__ import annotations

import pytest

from aiosipreg.errors import ParseError
from aiosipreg.wire.head import content_length, find_end
from aiosipreg.wire.headers import Headers


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (b"a\r\n\r\nb", (1, 5)),
        (b"a\n\nb", (1, 3)),
        (b"a\n\r\nb", (1, 4)),
        (b"a\r\n\nb", (1, 4)),
        (b"a\r\nb\n\nc\r\n\r\n", (4, 6)),
        (b"\r\n\r\n", (0, 4)),
        (b"\n\n", (0, 2)),
        (b"a\r\n \r\n\r\n", (4, 8)),
        (b"a\r\r\n\r\n", (2, 6)),
    ],
)
def test_ROB_7_where_the_head_ends(data: bytes, ends: tuple[int, int]) -> None:
    assert find_end(data) == ends
    assert find_end(bytearray(data)) == ends


@pytest.mark.parametrize("data", [b"", b"a", b"a\r\n", b"a\r\n\r", b"a\r\n \r\n", b"\r\r"])
def test_a_head_without_end(data: bytes) -> None:
    assert find_end(data) is None


def test_the_search_may_be_continued() -> None:
    data = b"a\r\n\r\nb\r\n\r\n"
    assert find_end(data, 2) == (1, 5)
    assert find_end(data, 5) == (6, 10)


@pytest.mark.parametrize(("rows", "length"), [([], None), (["0"], 0), (["0150"], 150), (["5", "5"], 5)])
def test_content_lengths(rows: list[str], length: int | None) -> None:
    assert content_length(Headers([("l", row) for row in rows])) == length


@pytest.mark.parametrize(
    "rows", [["-999"], ["five"], ["13", "5"], ["5", "x"], [""], ["\u0665"], ["+5"], ["5, 5"], ["9" * 11]]
)
def test_MSG_13_GRM_56_no_content_lengths(rows: list[str]) -> None:
    with pytest.raises(ParseError):
        content_length(Headers([("Content-Length", row) for row in rows]))
