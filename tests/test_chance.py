"""aiosipreg/chance.py: randomness by the page."""

from __future__ import annotations

import os
import runpy
from typing import TYPE_CHECKING

import pytest

from aiosipreg import chance as module
from aiosipreg.chance import Chance, _forked

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = 4096


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the system gave."""
    given: list[bytes] = []

    def urandom(count: int) -> bytes:
        given.append(bytes((len(given) + position // 8) % 256 for position in range(count)))
        return given[-1]

    monkeypatch.setattr("os.urandom", urandom)
    return given


def test_SEC_14_no_octet_is_used_twice(pages: list[bytes]) -> None:
    chance = Chance()
    drawn = b"".join(chance.getrandbits(64).to_bytes(8, "big") for _ in range(2 * PAGE // 8))
    assert drawn == pages[0] + pages[1]
    assert [len(page) for page in pages] == [PAGE, PAGE]


def test_more_than_a_page_at_once(pages: list[bytes]) -> None:
    chance = Chance()
    assert chance.getrandbits(8 * 2 * PAGE) == int.from_bytes(pages[0], "big")
    chance.getrandbits(8)
    assert [len(page) for page in pages] == [2 * PAGE, PAGE]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_SEC_14_a_forked_process_draws_its_own() -> None:
    chance = Chance()
    chance.getrandbits(8)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, chance.randbytes(16))
        os._exit(0)
    os.waitpid(child, 0)
    drawn = os.read(reading, 16)
    os.close(reading)
    os.close(writing)
    assert len(drawn) == 16
    assert drawn != chance.randbytes(16)


def test_SEC_14_what_was_drawn_before_a_fork_is_not_drawn_again(pages: list[bytes]) -> None:
    chance = Chance()
    chance.getrandbits(8)
    _forked()
    chance.getrandbits(8)
    assert len(pages) == 2
    chance.getrandbits(8)
    assert len(pages) == 2


@pytest.mark.parametrize("bits", [0, 1, 7, 8, 9, 64, 128])
def test_so_many_bits(bits: int) -> None:
    drawn = [Chance().getrandbits(bits) for _ in range(50)]
    assert max(number.bit_length() for number in drawn) <= bits
    assert len(set(drawn)) > 40 or bits < 64


def test_fewer_bits_than_none() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        Chance().getrandbits(-1)
    with pytest.raises(ValueError, match="non-negative"):
        Chance().randbytes(-1)


@pytest.mark.parametrize("octets", [lambda count: bytes(count), lambda count: b"\xff" * count])
def test_numbers_from_0_up_to_1(octets: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.urandom", octets)
    assert Chance().random() in (0.0, 1 - 2**-53)


def test_what_is_drawn_spreads_evenly() -> None:
    chance = Chance()
    numbers = [chance.uniform(2, 3) for _ in range(10_000)]
    assert 2.48 < sum(numbers) / len(numbers) < 2.52
    assert {chance.randrange(6) for _ in range(1_000)} == set(range(6))


def test_nothing_of_it_can_be_kept() -> None:
    with pytest.raises(NotImplementedError):
        Chance().getstate()


def test_a_system_that_knows_no_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.register_at_fork")
    assert "Chance" in runpy.run_path(module.__file__)
